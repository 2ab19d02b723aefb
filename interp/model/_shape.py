"""The sizes that a model's work is counted from, by its configuration alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import ModuleList
from transformers import AutoModelForCausalLM

from interp.errors import ModelError, reason_of

UNBOUNDED = 2**31
"""The context of a model whose configuration names no longest one (ALiBi)."""


@dataclass(frozen=True)
class Shape:
    """A decoder's sizes. `matrices[l]` is how many weights the matrices of block l have; experts all count."""

    n_layers: int
    d_model: int
    d_mlp: int
    n_heads: int
    d_head: int
    d_vocab: int
    n_ctx: int
    matrices: tuple[int, ...]
    parameters: int


def shape_from_config(config: Any) -> Shape:
    """The shape that a Transformers configuration describes; the language model's where it is one of text and images.

    The model is built without memory for its weights. Raises ModelError for one that Transformers can't build as a
    causal language model.
    """
    text = config.get_text_config(decoder=True)
    try:
        with torch.device("meta"):
            model: Any = AutoModelForCausalLM.from_config(text, attn_implementation="eager", trust_remote_code=False)
    except Exception as error:  # every architecture's own kind
        reason = reason_of(error)
        raise ModelError(
            f"Transformers can't build a {text.model_type} as a causal language model: {reason}",
            allowed="decoder-only models",
            remedy="choose another model",
        ) from error
    n_layers, width = int(text.num_hidden_layers), int(text.hidden_size)
    heads = _size(text, "num_attention_heads", "num_heads") or 1  # state-space models have none
    blocks = _blocks(model, n_layers)
    return Shape(
        n_layers=n_layers,
        d_model=width,
        d_mlp=_size(text, "intermediate_size", "n_inner", "ffn_dim") or 4 * width,
        n_heads=heads,
        d_head=_size(text, "head_dim") or width // heads,
        d_vocab=int(text.vocab_size),
        n_ctx=_size(text, "max_position_embeddings") or UNBOUNDED,
        matrices=tuple(_matrices(block.parameters()) for block in blocks),
        parameters=sum(p.numel() for p in model.parameters()),
    )


def _size(config: Any, *names: str) -> int:
    """The first size of these names that a configuration has, the largest where blocks differ; 0 where it has none.

    Gemma 4 has configurations of single blocks, and refuses to name one size of them all.
    """
    blocks = getattr(config, "per_layer_config", None) or [config]
    for name in names:
        values = [value for block in blocks if (value := getattr(block, name, None))]
        if values:
            return max(int(max(value) if isinstance(value, (list, tuple)) else value) for value in values)
    return 0


def _blocks(model: Any, n_layers: int) -> ModuleList:
    """The list of blocks: of the model's lists of `n_layers` modules, the one with the most weights."""
    lists = [m for m in model.modules() if isinstance(m, ModuleList) and len(m) == n_layers]
    if not lists:
        raise ModelError(f"a {type(model).__name__} has no list of {n_layers} blocks", remedy="choose another model")
    return max(lists, key=lambda blocks: sum(p.numel() for p in blocks.parameters()))


def _matrices(parameters: Iterable[Any]) -> int:
    return sum(p.numel() for p in parameters if p.ndim > 1)
