"""What tells one model from another: its weights, and what was done to them on loading."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch

from interp.model import HookedModel

RAW = "none"
"""The weights as Transformers has them."""

SAMPLE = 64
"""Rows of a matrix whose means are looked at."""

CENTRED = 0.1
"""Largest mean of a centred row, as a share of what chance leaves: the row's root mean square / sqrt(its length)."""


def processing_of(model: HookedModel) -> str:
    """How a model's weights were processed: `none`, or `fold_ln`, `center_writing_weights`, `center_unembed`.

    Detected from the weights, for both kinds of hooked model. `HookedTransformer.from_pretrained` processes by default,
    a bridge only with `enable_compatibility_mode`. Folded value biases don't change the residual stream and are not
    detected.
    """
    plain: Any = model
    if getattr(plain, "_weights_processed", None) is False:
        return RAW
    steps = []
    if _norms_are_folded(plain):
        steps.append("fold_ln")
    if _rows_are_centred(plain.W_E[:SAMPLE]):
        steps.append("center_writing_weights")
    if _rows_are_centred(plain.W_U[:SAMPLE]):
        steps.append("center_unembed")
    return ",".join(steps) or RAW


def _norms_are_folded(model: Any) -> bool:
    """By the config of a HookedTransformer, by the final norm's weights of a bridge."""
    if not hasattr(model, "_weights_processed"):
        return str(model.cfg.normalization_type).endswith("Pre")
    identity = 0.0 if getattr(model.cfg, "rmsnorm_uses_offset", False) else 1.0
    return bool((model.ln_final.weight == identity).all())


def _rows_are_centred(rows: torch.Tensor) -> bool:
    rows = rows.detach().float()
    chance = rows.pow(2).mean(dim=1).sqrt() / rows.shape[1] ** 0.5
    return bool((rows.mean(dim=1).abs() <= CENTRED * chance).all())


def fingerprint(model: HookedModel) -> str:
    """SHA-256 (16 hex digits) over the processing, and names, shapes, dtypes and bytes of the weights.

    Masks and angles that a HookedTransformer keeps beside its weights are left out, because they grow with use.
    """
    buffers = {key for key, _ in model.named_buffers()}  # type: ignore[attr-defined]
    weights = {key: value for key, value in model.state_dict().items() if key not in buffers}  # type: ignore[attr-defined]
    return weights_digest(weights, processing_of(model))


def weights_digest(weights: Mapping[str, torch.Tensor], beside: str = "") -> str:
    """SHA-256 (16 hex digits) over `beside`, and names, shapes, dtypes and bytes of the weights, in order of names."""
    digest = hashlib.sha256(beside.encode())
    for key, value in sorted(weights.items()):
        digest.update(f"{key} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
