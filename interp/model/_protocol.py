"""What translocal asks of a hooked model; `TransformerBridge` and `HookedTransformer` both meet it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch

HookFunction = Callable[..., Any]
NamedHook = tuple[str, HookFunction]


class HookedModel(Protocol):
    """A causal language model with TransformerLens' hook points."""

    cfg: Any
    tokenizer: Any

    @property
    def hook_dict(self) -> dict[str, Any]:
        """Hook points by name."""

    def __call__(self, input: torch.Tensor, return_type: str | None = ...) -> Any:
        """Logits of a batch of token ids."""

    def run_with_hooks(
        self, input: torch.Tensor, return_type: str | None = ..., *, fwd_hooks: Sequence[NamedHook] = ...
    ) -> Any:
        """A forward with temporary hooks."""


def resid_post(layer: int) -> str:
    """Hook name of the residual stream after block `layer` (0-based)."""
    return f"blocks.{layer}.hook_resid_post"


def resid_pre(layer: int) -> str:
    """Hook name of the residual stream before block `layer` (0-based)."""
    return f"blocks.{layer}.hook_resid_pre"


def before_unembedding(model: HookedModel) -> str:
    """Name of the last hook that has a position axis and no vocabulary axis."""
    return "unembed.hook_in" if "unembed.hook_in" in model.hook_dict else "ln_final.hook_normalized"


def hooks_on(model: HookedModel) -> int:
    """How many forward hooks a model carries: only a plain forward runs them as they are meant."""
    return sum(len(point.fwd_hooks) for point in model.hook_dict.values())


def is_bridge(model: HookedModel) -> bool:
    """Whether a model wraps a model of Transformers (a `TransformerBridge`); a `HookedTransformer` does not."""
    return hasattr(model, "original_model")


def device_of(model: HookedModel) -> torch.device:
    """The device that holds the model's embedding."""
    return next(iter(model.embed.parameters())).device  # type: ignore[attr-defined]


def dtype_of(model: HookedModel) -> torch.dtype:
    """The dtype of the model's embedding."""
    return next(iter(model.embed.parameters())).dtype  # type: ignore[attr-defined]


def embedding_rows(model: HookedModel) -> int:
    """How many token ids the model's embedding has rows for; padded ones count."""
    if is_bridge(model):
        return int(model.original_model.get_input_embeddings().weight.shape[0])  # type: ignore[attr-defined]
    return int(model.embed.W_E.shape[0])  # type: ignore[attr-defined]
