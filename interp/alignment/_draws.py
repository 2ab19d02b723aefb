"""Which units a step sees: a function of the seed and the step's number alone, so that a run can go on anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from interp.alignment._pairs import Unit


class Draws:
    """Micro-batches of different units, in epochs that are shuffled anew; what is left over of an epoch is skipped."""

    def __init__(self, units: Sequence[Unit], batch: int, seed: int) -> None:
        self.units, self.seed = tuple(units), seed
        self.size = min(batch, len(self.units))
        self._order = lru_cache(maxsize=2)(self._shuffled)

    def _shuffled(self, epoch: int) -> list[int]:
        return np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.units)).tolist()

    def __call__(self, number: int) -> tuple[list[Unit], np.random.Generator]:
        """The units of micro-batch `number`, and a generator of its own for all further choices."""
        epoch, place = divmod(number, len(self.units) // self.size)
        rows = self._order(epoch)[place * self.size : (place + 1) * self.size]
        return [self.units[row] for row in rows], np.random.default_rng([self.seed, 1, number])


def pick(rng: np.random.Generator, values: Sequence[str]) -> str:
    """One of several, each as likely."""
    return values[int(rng.integers(len(values)))]
