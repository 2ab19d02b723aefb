"""Patches: what of a trained model's shift after one block is undone before its later blocks run on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float

from interp.model.processing import processing_of
from interp.model.protocol import HookedModel


@dataclass(frozen=True, eq=False)
class Patch:
    """The shift (trained minus base, same tokens) after block `layer`, undone at every position.

    basis: orthonormal rows; only the shift's part in their span is undone, or with `outside` only what is left of it.
    Without a basis all of it is: the stream is the base's. Raises ValueError for rows that are not orthonormal, and
    for `outside` without a basis.
    """

    layer: int
    basis: Float[torch.Tensor, "k d_model"] | None = field(default=None, repr=False)
    outside: bool = False

    def __post_init__(self) -> None:
        if self.basis is None:
            if self.outside:
                raise ValueError("a patch outside of a span needs the span's basis")
            return
        if self.basis.ndim != 2:
            raise ValueError(f"a basis has the shape [k, d_model], got {tuple(self.basis.shape)}")
        products = self.basis.double() @ self.basis.double().T
        apart = (products - torch.eye(len(products), device=products.device)).abs()
        if apart.numel() and not float(apart.max()) <= 1e-4:
            raise ValueError(f"the rows of a basis must be orthonormal, these are {float(apart.max()):.2g} off")

    def undone(
        self, trained: Float[torch.Tensor, "*rows d_model"], base: Float[torch.Tensor, "*rows d_model"]
    ) -> Float[torch.Tensor, "*rows d_model"]:
        """The trained model's stream without (that part of) the shift, in the stream's own dtype and place."""
        base = base.to(trained.device)
        if self.basis is None:
            return base.to(trained.dtype)
        basis = self.basis.to(trained.device, torch.float32)
        within = (trained.float() - base.float()) @ basis.T @ basis
        return (base.float() + within if self.outside else trained.float() - within).to(trained.dtype)

    def hook(
        self, base: Float[torch.Tensor, "batch pos d_model"], real: Bool[torch.Tensor, "batch pos"]
    ) -> Callable[..., torch.Tensor]:
        """A forward hook for the stream after the block, given the base's: real tokens are patched."""

        def hook(residual: torch.Tensor, hook: Any) -> torch.Tensor:
            return torch.where(real[..., None].to(residual.device), self.undone(residual, base), residual)

        return hook


def check_patch(model: HookedModel, patch: Patch) -> None:
    """Raise ValueError for a layer or a width that the model doesn't have."""
    if not 0 <= patch.layer < model.cfg.n_layers:
        raise ValueError(f"layer {patch.layer} is out of range; allowed: 0 to {model.cfg.n_layers - 1}")
    if patch.basis is not None and patch.basis.shape[1] != model.cfg.d_model:
        raise ValueError(f"the basis has width {patch.basis.shape[1]}; the model's is {model.cfg.d_model}")


def check_comparable(base: HookedModel, trained: HookedModel) -> None:
    """Raise ValueError unless one model's stream can stand in for the other's: same blocks, width and vocabulary.

    Weights that were folded or centred for one of them alone are refused too.
    """
    for what, field_ in (("blocks", "n_layers"), ("residual width", "d_model")):
        sizes = [int(getattr(model.cfg, field_)) for model in (base, trained)]
        if sizes[0] != sizes[1]:
            raise ValueError(f"the models differ in {what}: the base has {sizes[0]}, the trained one {sizes[1]}")
    if base.tokenizer.get_vocab() != trained.tokenizer.get_vocab():
        raise ValueError("the models differ in vocabulary: their tokenizers do not share every token and its id")
    kinds = [processing_of(model) for model in (base, trained)]
    if kinds[0] != kinds[1]:
        raise ValueError(f"the models differ in processing: the base has {kinds[0]!r}, the trained one {kinds[1]!r}")
