"""Choose a layer and a strength on dev by a plain grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """One cell of a grid, with what it reached on dev (more is better)."""

    layer: int
    strength: float
    value: float


def layer_grid(n_layers: int) -> tuple[int, ...]:
    """Every layer but the last: there a vector is a bias on the logits."""
    return tuple(range(n_layers - 1))


def share_grid(n_layers: int, shares: Sequence[float]) -> tuple[int, ...]:
    """Layers at shares of the depth, the last block left out."""
    return tuple(dict.fromkeys(min(int(share * n_layers), n_layers - 2) for share in shares))


def ranked(cells: Sequence[tuple[int, float]], values: Sequence[float]) -> list[Candidate]:
    """Cells (layer, strength) by value, the best first; of equals the earlier layer and the smaller strength."""
    found = [Candidate(layer, strength, value) for (layer, strength), value in zip(cells, values, strict=True)]
    return sorted(found, key=lambda c: (-c.value, c.layer, abs(c.strength)))
