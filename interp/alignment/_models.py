"""Models to train: Transformers' own class with its tokenizer, in the place and dtype that scoring would take."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel
from transformers.utils import logging

from interp.errors import ModelError, reason_of
from interp.model.load import (
    at_hand,
    check_revision,
    check_vocabulary,
    find_model,
    place,
    read_configuration,
    transformers_model,
    weights_digest,
)
from interp.model.machine import check_fits
from interp.model.read import described_tokenizer, own_tokenizer, switches_of


@dataclass(frozen=True)
class Base:
    """The model to train.

    name: a folder, a GGUF file, a Hub id or `organism`. device: `auto` is a GPU if one is available. dtype: `auto` is
    float32 on a CPU and bfloat16 elsewhere. revision: branch, tag or commit on the Hub; None means main.
    """

    name: str = "organism"
    device: str = "auto"
    dtype: str = "auto"
    revision: str | None = None


@dataclass(frozen=True)
class Trainable:
    """A model, the tokenizer that it is scored with, where both came from, and the longest text, in tokens.

    folder: the checkpoint's, or a GGUF file itself.
    """

    model: PreTrainedModel
    tokenizer: Any
    name: str
    folder: Path
    revision: str
    longest: int
    device: str
    dtype: str

    @property
    def gpus(self) -> list[int]:
        """Indices of the GPUs that hold weights."""
        return sorted({weight.device.index for weight in self.model.parameters() if weight.device.type == "cuda"})

    def described(self) -> dict[str, str]:
        """The entries for a manifest, with the SHA-256 (16 hex digits) of the weights."""
        weights = weights_digest(dict(self.model.named_parameters()))
        return {
            "name": self.name, "revision": self.revision, "weights": weights, "device": self.device,
            "dtype": self.dtype, **described_tokenizer(self.tokenizer),
        }  # fmt: skip


def load_trainable(name: str, device: str = "auto", dtype: str = "auto", revision: str | None = None) -> Trainable:
    """A model by folder, GGUF file or Hub id, or `organism`; raises ModelError as `load_model` does."""
    logging.disable_progress_bar()
    check_revision(find_model(name, dtype), revision)
    placement = place(device, dtype, None, None, None)
    source, commit = at_hand(name, revision)
    read_configuration(source, name)
    check_fits(source, placement.dtype, placement.devices)
    try:
        model, tokenizer = transformers_model(source, name, placement), own_tokenizer(source.location)
    except ModelError:
        raise
    except Exception as error:  # Transformers raises many kinds
        raise ModelError(
            f"model {name!r} could not be loaded: {reason_of(error)}",
            allowed="a causal language model",
            remedy="check the checkpoint, or choose another model",
        ) from error
    embedding: Any = model.get_input_embeddings()
    check_vocabulary(tokenizer, int(embedding.weight.shape[0]), name)
    config: Any = model.config.get_text_config()
    longest = min(int(getattr(config, "max_position_embeddings", 0) or 2048), *switches_of(config), sys.maxsize) - 1
    return Trainable(
        model, tokenizer, source.name, Path(source.location), commit, longest, placement.device, placement.dtype
    )
