"""Which culture a probe reads in prompts without a cue, held against prompts that can't hold a culture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from math import perm

import numpy as np
from jaxtyping import Float

from probes._signals import Chance, Sample, Signal

MOST_CASES = 10_000
"""Assignments of cultures to languages are all tried where there are at most so many, and else drawn."""


@dataclass(frozen=True)
class CultureReading:
    """Predictions of a culture probe for one language's prompts, as indices into `cultures` [layer, example].

    cultural: uncued prompts about customs. universal: prompts about facts, which hold no culture. own: the index of the
    language's own culture. A probe that always predicts `own` reads nothing, so its rate of `own` on universal prompts
    is the baseline. Its rates of other cultures show how far such defaults differ by chance.
    """

    own: int
    cultures: tuple[str, ...]
    cultural: Sample
    universal: Sample

    def signal(self) -> Signal:
        """Rate of the own culture on cultural prompts, with the rate on universal prompts as its baseline."""
        hits, base = ((np.asarray(s.values) == self.own).astype(np.float64) for s in (self.cultural, self.universal))
        return Signal(hits, self.cultural.clusters, baseline=Sample(base, self.universal.clusters))

    @cached_property
    def excess(self) -> Float[np.ndarray, "culture layer"]:
        """Rate of each culture on cultural prompts minus that on universal ones."""
        numbers = np.arange(len(self.cultures))[:, None, None]
        cultural, universal = ((np.asarray(s.values) == numbers).mean(axis=2) for s in (self.cultural, self.universal))
        return np.asarray(cultural - universal)


def wrong_pairs(readings: Sequence[CultureReading]) -> Chance:
    """Excess of every culture in every language that it doesn't belong to: the null distribution of the own excess.

    Under the null hypothesis it makes no difference which culture is a language's own, so all pairs that don't belong
    together serve as null cases. Raises ValueError if the readings have different cultures.
    """
    _check(readings)
    return Chance(np.concatenate([r.excess[np.arange(len(r.cultures)) != r.own] for r in readings]))


def wrong_assignments(readings: Sequence[CultureReading], seed: int = 0) -> Chance:
    """Mean excess over languages under other assignments of cultures to languages: its null distribution.

    All assignments are used if there are at most MOST_CASES; otherwise that many are drawn. Languages with the same
    culture keep sharing one. Raises ValueError if the readings have different cultures.
    """
    _check(readings)
    n_cultures = len(readings[0].cultures)
    own, place = np.unique([reading.own for reading in readings], return_inverse=True)
    if perm(n_cultures, len(own)) <= MOST_CASES:
        drawn = np.array(list(permutations(range(n_cultures), len(own))))
    else:
        every = np.tile(np.arange(n_cultures), (MOST_CASES, 1))
        drawn = np.random.default_rng(seed).permuted(every, axis=1)[:, : len(own)]
    codes = drawn[(drawn != own).any(axis=1)][:, place]
    return Chance(np.mean([reading.excess[codes[:, i]] for i, reading in enumerate(readings)], axis=0))


def _check(readings: Sequence[CultureReading]) -> None:
    known = {reading.cultures for reading in readings}
    if len(known) != 1 or len(next(iter(known))) < 2:
        raise ValueError(f"all readings must have the same two or more cultures, got {sorted(known)}")
