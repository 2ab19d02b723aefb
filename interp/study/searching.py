"""Search a language's plan on dev: rounds over more and more items, with fewer and fewer candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
import pandas as pd
from jaxtyping import Float

from interp.data.items import Split
from interp.data.tasks import Task
from interp.steering.goals import Goal
from interp.steering.search import Setting, Side, strength_column
from interp.study.choose import Advance, halved
from interp.study.evaluate import confidence, score_tasks
from interp.study.fits import Fits, plan_of
from interp.study.prepare import Study

AXES = {"universal": "right", "cultural": "local"}
"""Axis -> the role whose mean probability is the objective on it."""


@dataclass(frozen=True)
class Effort:
    """How wide a search is, per language.

    sides: settings of one vector in the first round, half of them EN's. pairs: candidates of the second, finalists of
    the last round. varied: how many of the best pairs are tried with every way of fitting LOC beside EN. shares: of dev
    clusters (at least `fewest` of an axis) in the first and second round; the last one has all.
    """

    sides: int = 320
    pairs: int = 64
    finalists: int = 24
    varied: int = 3
    shares: tuple[float, float] = (0.25, 0.5)
    fewest: int = 16

    def plans(self, extra: int = 0) -> int:
        """How many plans are scored in a language, at most."""
        return self.sides + self.pairs + self.finalists + 7 * self.varied + extra + 3


@dataclass(frozen=True)
class Scored:
    """Settings, and the probability of the right (local) option of each dev item under them, and without steering."""

    settings: list[Setting]
    items: Mapping[str, Float[np.ndarray, "setting item"]]
    base: Mapping[str, Float[np.ndarray, "item"]]
    clusters: Mapping[str, Sequence[str]]

    @cached_property
    def gains(self) -> tuple[Float[np.ndarray, "setting"], Float[np.ndarray, "setting"]]:
        """Mean gain in transfer and in localization."""
        found = [(self.items[axis] - self.base[axis]).mean(axis=1) for axis in AXES]
        return found[0], found[1]

    def best(self, goal: Goal, n: int) -> list[Setting]:
        """The `n` best settings, the best first, the earlier of equals."""
        order = np.argsort(-goal.rank(*self.gains), kind="stable")
        return [self.settings[i] for i in order[:n]]


@dataclass
class Items:
    """Tasks of a split per axis and language; a round looks at some of their clusters."""

    study: Study
    split: Split
    _tasks: dict[tuple[str, str], list[Task]] = field(default_factory=dict)

    def tasks(self, axis: str, code: str) -> list[Task]:
        """All prompts of the split."""
        if (axis, code) not in self._tasks:
            make = self.study.universal_tasks if axis == "universal" else self.study.cultural_tasks
            self._tasks[axis, code] = make(code, self.split)
        return self._tasks[axis, code]

    def some(self, axis: str, code: str, share: float, fewest: int) -> list[Task]:
        """Prompts of a share of the clusters; a larger share has the smaller one's."""
        tasks = self.tasks(axis, code)
        names = sorted({task.cluster for task in tasks})
        order = np.random.default_rng((self.study.config.seed, axis == "universal")).permutation(len(names))
        kept = {names[i] for i in order[: max(fewest, int(np.ceil(share * len(names))))]}
        return [task for task in tasks if task.cluster in kept]

    def score(
        self, fits: Fits, settings: Sequence[Setting], code: str, advance: Advance, share: float = 1.0, fewest: int = 0
    ) -> Scored:
        """Score settings on a share of the split."""
        plans = [plan_of(fits, setting, code) for setting in (Setting(), *settings)]
        found, base, clusters = {}, {}, {}
        for axis, role in AXES.items():
            tasks = self.some(axis, code, share, fewest)
            scores = score_tasks(self.study, tasks, plans, partial(halved, advance, f"{axis} {code}"))
            values = confidence(tasks, scores, role, self.study.config.normalisation)
            base[axis], found[axis], clusters[axis] = values[0], values[1:], [task.cluster for task in tasks]
        return Scored(list(settings), found, base, clusters)


def joined_pairs(alone: Scored, goal: Goal, n: int) -> list[Setting]:
    """The `n` most promising pairs of an EN and a LOC side that were scored alone, taking their gains to add up.

    A side is in at most a fifth of the pairs, so that they differ. An eighth of the settings are the best sides alone.
    """
    transfer, localization = alone.gains
    found = alone.best(goal, n // 8)
    return [*found, *joined_gains(alone.settings, transfer, localization, goal, n - len(found))]


def joined_gains(
    settings: Sequence[Setting],
    transfer: Float[np.ndarray, "setting"],
    localization: Float[np.ndarray, "setting"],
    goal: Goal,
    n: int,
) -> list[Setting]:
    """The `n` most promising pairs, from the gains of sides alone."""
    en = [i for i, one in enumerate(settings) if one.en]
    loc = [i for i, one in enumerate(settings) if one.loc]
    ranks = goal.rank(
        transfer[en][:, None] + transfer[loc][None, :], localization[en][:, None] + localization[loc][None, :]
    )
    most, used = max(1, n // 5), np.zeros(len(settings), dtype=int)
    found: list[Setting] = []
    for flat in np.argsort(-ranks, axis=None, kind="stable"):
        i, j = en[flat // len(loc)], loc[flat % len(loc)]
        if len(found) >= n:
            break
        if used[i] < most and used[j] < most:
            found.append(Setting(settings[i].en, settings[j].loc))
            used[[i, j]] += 1
    return found


def sides_of(en: Sequence[Side], loc: Sequence[Side]) -> list[Setting]:
    """Settings of one vector each."""
    return [*(Setting(en=side) for side in en), *(Setting(loc=side) for side in loc)]


@dataclass(frozen=True)
class Searched:
    """A language's rounds; `final` was scored on all of dev, and `chosen` is the best of it."""

    rounds: Sequence[Scored]
    chosen: Setting
    front: list[Setting]

    @property
    def final(self) -> Scored:
        """The last round."""
        return self.rounds[-1]


def search(
    items: Items, fits: Fits, alone: Scored, code: str, goal: Goal, effort: Effort, advance: Advance,
    extra: Sequence[Setting] = (),
) -> Searched:  # fmt: skip
    """Pairs of the sides scored alone, on more and more items; `extra` settings go straight to the last round.

    Successive halving (Jamieson & Talwalkar 2016), with pairs made between the first round and the second. Leaving the
    model as it is stands among the finalists.
    """
    pairs = items.score(fits, joined_pairs(alone, goal, effort.pairs), code, advance, effort.shares[1], effort.fewest)
    best = pairs.best(goal, effort.finalists)
    whole = [one for one in best if one.en and one.loc][: effort.varied]
    finalists = list(dict.fromkeys([Setting(), *best, *(v for one in whole for v in varied(one)), *extra]))
    final = items.score(fits, finalists, code, advance)
    return Searched([alone, pairs, final], final.best(goal, 1)[0], front(final))


def varied(setting: Setting) -> list[Setting]:
    """Every way of fitting LOC beside EN; a contrast has no cued items, so it is only made orthogonal or not."""
    if setting.loc and setting.loc.fitter == "contrast":
        return [replace(setting, orthogonal=not setting.orthogonal)]
    return setting.variants()


def front(final: Scored) -> list[Setting]:
    """Settings that no other beats on both axes, by their gain in transfer."""
    from interp.plane import pareto

    points = np.stack(final.gains, axis=1)
    order = np.argsort(points[:, 0], kind="stable")
    kept = pareto(points)
    return [final.settings[i] for i in order if kept[i]]


def candidate_table(found: Mapping[str, Searched], goal: Goal) -> pd.DataFrame:
    """The rows of `candidates.parquet`: every setting that was scored, per language and round, and its gains on dev."""
    parts = []
    for code, one in found.items():
        for number, scored in enumerate(one.rounds, start=1):
            table = pd.DataFrame([setting.described() for setting in scored.settings])
            transfer, localization = scored.gains
            after = set(one.rounds[number].settings) if number < len(one.rounds) else {one.chosen}
            parts.append(
                table.assign(
                    language=code,
                    round=number,
                    d_transfer=transfer,
                    d_localization=localization,
                    rank=goal.rank(transfer, localization),
                    allowed=goal.allowed(transfer, localization),
                    kept=[setting in after for setting in scored.settings],
                    n_universal=len(scored.clusters["universal"]),
                    n_cultural=len(scored.clusters["cultural"]),
                )
            )
    table = pd.concat(parts, ignore_index=True)
    return table.assign(**{name: strength_column(table[name]) for name in ("en_strength", "loc_strength")})
