"""Draws by hash: the same on every machine, independent of order and of any random state."""

from __future__ import annotations

import hashlib


def draw(n: int, *salt: str) -> int:
    """An integer in [0, n) fixed by the words of `salt`."""
    digest = hashlib.sha256("\x1f".join(salt).encode()).digest()
    return int.from_bytes(digest[:8], "big") * n >> 64


def unit(*salt: str) -> float:
    """A number in [0, 1) fixed by the words of `salt`."""
    return draw(2**53, *salt) / 2**53
