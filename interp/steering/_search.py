"""Settings of a plan: each vector's part in it; and grids of layers and strengths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from interp.steering._plans import Plan
from interp.steering._positions import TEXT, Positions
from interp.steering._strengths import Strength, label, size, times
from interp.steering._vectors import SteeringVectors

Vector = Literal["en", "loc"]


@dataclass(frozen=True)
class Side:
    """One vector's part of a plan: how it is fitted, where it is added, how strongly, and in which way.

    window: number of layers around `layer`, each with its own vector at `strength` over their number.
    """

    fitter: str
    layer: int
    strength: Strength
    operator: str = "add"
    positions: Positions = TEXT
    window: int = 1

    def plan(self, vectors: SteeringVectors) -> Plan:
        """The steers of this side; a window is cut at the first block and before the last one."""
        reach = self.window // 2
        last = len(vectors.vectors) - 2
        layers = [layer for layer in range(self.layer - reach, self.layer + reach + 1) if 0 <= layer <= last]
        found = Plan()
        for layer in layers:
            share = times(self.strength, 1 / len(layers)) if len(layers) > 1 else self.strength
            found += vectors.plan(layer, share, operator=self.operator, positions=self.positions)
        return found


@dataclass(frozen=True)
class Setting:
    """The sides of a plan, either or both, and how LOC is fitted beside EN; neither side leaves the model as it is.

    orthogonal: LOC without its component along EN. sequential: LOC fitted on the stream that EN steers. filtered: LOC
    fitted on the items that the model answers locally with the cue and not without.
    """

    en: Side | None = None
    loc: Side | None = None
    orthogonal: bool = False
    sequential: bool = False
    filtered: bool = False


@dataclass(frozen=True)
class Candidate:
    """One cell of a grid, with what it reached on dev (more is better)."""

    layer: int
    strength: Strength
    value: float


def layer_grid(n_layers: int) -> tuple[int, ...]:
    """Every layer but the last: there a vector is a bias on the logits."""
    return tuple(range(n_layers - 1))


def ranked(cells: Sequence[tuple[int, Strength]], values: Sequence[float]) -> list[Candidate]:
    """Cells (layer, strength) by value, the best first; of equals the earlier layer and the smaller strength."""
    found = [Candidate(layer, strength, value) for (layer, strength), value in zip(cells, values, strict=True)]
    return sorted(found, key=lambda c: (-c.value, c.layer, abs(size(c.strength))))


def strength_column(strengths: Iterable[Any]) -> np.ndarray:
    """Strengths for a column of a table: numbers or, where one is a share, texts; empty if nothing is steered."""
    known = [None if strength is None or strength != strength else strength for strength in strengths]
    if any(isinstance(strength, str) for strength in known):
        return np.array([None if strength is None else label(strength) for strength in known], dtype=object)
    return np.array([np.nan if strength is None else strength for strength in known], dtype=float)
