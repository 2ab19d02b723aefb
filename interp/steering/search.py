"""What can be searched: settings of a plan, the space that they come from, and grids of layers and strengths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

import numpy as np

from interp.steering.plans import Plan
from interp.steering.positions import TEXT, Positions
from interp.steering.strengths import Strength, label, size, times
from interp.steering.vectors import SteeringVectors

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
    """A candidate: either side or both, and how LOC is fitted beside EN; neither side leaves the model as it is.

    orthogonal: LOC without its component along EN. sequential: LOC fitted on the stream that EN steers. filtered: LOC
    fitted on the items that the model answers locally with the cue and not without.
    """

    en: Side | None = None
    loc: Side | None = None
    orthogonal: bool = False
    sequential: bool = False
    filtered: bool = False

    def described(self) -> dict[str, object]:
        """Plain values: a column each."""
        found: dict[str, object] = {}
        for name, side in (("en", self.en), ("loc", self.loc)):
            for key in ("fitter", "layer", "strength", "operator", "positions", "window"):
                found[f"{name}_{key}"] = None if side is None else getattr(side, key)
        return found | {key: getattr(self, key) for key in ("orthogonal", "sequential", "filtered")}

    def variants(self) -> list[Setting]:
        """This pair with every way of fitting LOC beside EN, itself left out; none where a side is missing."""
        if self.en is None or self.loc is None:
            return []
        ways = product((False, True), repeat=3)
        found = [replace(self, orthogonal=o, sequential=s, filtered=f) for o, s, f in ways]
        return [one for one in found if one != self]


@dataclass(frozen=True)
class SearchSpace:
    """Every value that a side may take; LOC may also be fitted by `loc_fitters`."""

    layers: tuple[int, ...]
    strengths: tuple[Strength, ...] = (0.25, 0.5, 1.0, 2.0)
    fitters: tuple[str, ...] = ("mean", "pca", "lda", "probe")
    loc_fitters: tuple[str, ...] = ("contrast",)
    operators: tuple[str, ...] = ("add", "add_keep_norm", "rotate")
    positions: tuple[Positions, ...] = ("text", "last")
    windows: tuple[int, ...] = (1, 3)

    def sides(self, vector: Vector) -> list[Side]:
        """The whole factorial of one vector, in a fixed order."""
        fitters = (*self.fitters, *(self.loc_fitters if vector == "loc" else ()))
        return [
            Side(fitter, layer, strength, operator, positions, window)
            for fitter, layer, strength, operator, positions, window in product(
                fitters, self.layers, self.strengths, self.operators, self.positions, self.windows
            )
        ]

    def drawn(self, vector: Vector, n: int, seed: int) -> list[Side]:
        """`n` sides (all, where there are fewer): the plain grid of layers and strengths first, then a random draw.

        Random search finds what a grid finds in fewer trials where few settings matter (Bergstra & Bengio 2012).
        """
        whole = self.sides(vector)
        plain = [side for side in whole if side == self._plain(side)]
        others = [side for side in whole if side != self._plain(side)]
        order = np.random.default_rng((seed, vector == "loc")).permutation(len(others))
        return [*plain, *(others[i] for i in order)][: max(n, 1)]

    def _plain(self, side: Side) -> Side:
        """The first value of everything but layer and strength."""
        return Side(self.fitters[0], side.layer, side.strength, self.operators[0], self.positions[0], self.windows[0])


@dataclass(frozen=True)
class Candidate:
    """One cell of a grid, with what it reached on dev (more is better)."""

    layer: int
    strength: Strength
    value: float


def layer_grid(n_layers: int) -> tuple[int, ...]:
    """Every layer but the last: there a vector is a bias on the logits."""
    return tuple(range(n_layers - 1))


def share_grid(n_layers: int, shares: Sequence[float]) -> tuple[int, ...]:
    """Layers at shares of the depth, the last block left out."""
    return tuple(dict.fromkeys(min(int(share * n_layers), n_layers - 2) for share in shares))


def ranked(cells: Sequence[tuple[int, Strength]], values: Sequence[float]) -> list[Candidate]:
    """Cells (layer, strength) by value, the best first; of equals the earlier layer and the smaller strength."""
    found = [Candidate(layer, strength, value) for (layer, strength), value in zip(cells, values, strict=True)]
    return sorted(found, key=lambda c: (-c.value, c.layer, abs(size(c.strength))))


def strength_column(strengths: Iterable[Any]) -> np.ndarray:
    """Strengths for a column of a table: numbers or, where one is a share, texts; empty where nothing is steered."""
    known = [None if strength is None or strength != strength else strength for strength in strengths]
    if any(isinstance(strength, str) for strength in known):
        return np.array([None if strength is None else label(strength) for strength in known], dtype=object)
    return np.array([np.nan if strength is None else strength for strength in known], dtype=float)
