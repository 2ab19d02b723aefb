"""What tells one model from another: its weights and how they were processed."""

from __future__ import annotations

import hashlib

import torch

from interp.model.processing import processing_of
from interp.model.protocol import HookedModel


def fingerprint(model: HookedModel) -> str:
    """SHA-256 (16 hex digits) over the processing, and names, shapes, dtypes and bytes of the weights."""
    digest = hashlib.sha256(processing_of(model).encode())
    for key, value in sorted(model.state_dict().items()):  # type: ignore[attr-defined]
        digest.update(f"{key} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
