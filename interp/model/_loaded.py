"""A hooked model with what tells it from others; whatever takes a hooked model takes one of these too."""

from __future__ import annotations

from dataclasses import dataclass

from interp.model._protocol import HookedModel
from interp.model.read import described_tokenizer
from interp.organism import Exposure


@dataclass(frozen=True)
class LoadedModel:
    """A hooked model with what tells it from others, and what it saw if its folder says so.

    revision: commit on the Hub. processing: `none`, or what was folded and centred (see `processing_of`). adapter: name
    of the merged LoRA adapter, with its commit where it came from the Hub. quantization: `4bit`, `8bit`, or what an
    object's config says. gguf: of a GGUF file, how it stores the weights and what they became, such as `Q4_K_M,
    dequantised to float32`. All empty where they don't apply.
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
        """Everything but the model itself, as a manifest states it, with the tokens around every plain text."""
        return {
            "name": self.name, "fingerprint": self.fingerprint, "revision": self.revision,
            "processing": self.processing, "adapter": self.adapter, "quantization": self.quantization,
            "gguf": self.gguf, **described_tokenizer(self.model.tokenizer),
        }  # fmt: skip


def hooked(model: HookedModel | LoadedModel) -> HookedModel:
    """The hooked model itself."""
    return model.model if isinstance(model, LoadedModel) else model
