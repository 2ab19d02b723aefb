"""What tells one model from another: its weights and how they were processed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch

from interp.model.processing import processing_of
from interp.model.protocol import HookedModel


def fingerprint(model: HookedModel) -> str:
    """SHA-256 (16 hex digits) over the processing, and names, shapes, dtypes and bytes of the weights.

    Masks and angles that a HookedTransformer keeps beside its weights do not count: they grow with what it has read.
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
