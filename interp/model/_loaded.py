"""A hooked model with what tells it from others; whatever takes a hooked model takes one of these too."""

from __future__ import annotations

from dataclasses import dataclass

from interp.model._protocol import HookedModel
from interp.model.read import described_tokenizer
from interp.organism import Exposure


@dataclass(frozen=True)
class LoadedModel:
    """A hooked model with its identity, and its training exposure if its folder records it.

    revision: commit on the Hub. processing: `none`, or what was folded and centred (see `processing_of`). adapter: name
    of the merged LoRA adapter, with its commit if it came from the Hub. quantization: `4bit`, `8bit`, or the value in a
    model object's config. gguf: for a GGUF file, how the weights are stored and converted, such as `Q4_K_M, dequantised
    to float32`. Fields that don't apply are empty.
    """

    model: HookedModel
    name: str
    fingerprint: str
    exposure: Exposure | None
    revision: str = ""
    processing: str = "none"
    adapter: str = ""
    quantization: str = ""
    gguf: str = ""

    def described(self) -> dict[str, str]:
        """All fields except the model, as written in a manifest, with the special tokens around every plain text."""
        return {
            "name": self.name, "fingerprint": self.fingerprint, "revision": self.revision,
            "processing": self.processing, "adapter": self.adapter, "quantization": self.quantization,
            "gguf": self.gguf, **described_tokenizer(self.model.tokenizer),
        }  # fmt: skip


def hooked(model: HookedModel | LoadedModel) -> HookedModel:
    """The hooked model itself."""
    return model.model if isinstance(model, LoadedModel) else model
