"""Successive halving (Jamieson & Talwalkar 2016): many cells of the grid on few prompts, few cells on many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from interp.data import Axis, Split, Task, unit
from interp.names import BASE, MACRO
from interp.plane import Cells, Effect
from interp.progress import Advance, halved
from interp.steering import Plan, SteeringVectors
from interp.steering.engine import BoundedNormaliser, Scores
from interp.study.ask import Study, bounded_for, choices, confidence, score_tasks
from interp.study.search._design import in_turn

AXES: dict[Axis, str] = {"universal": "right", "cultural": "local"}
"""Axis -> the role whose mean probability is the objective on it."""


@dataclass
class SplitTasks:
    """Tasks of a split, made once per axis and language."""

    study: Study
    split: Split = "dev"
    _tasks: dict[tuple[Axis, str], list[Task]] = field(default_factory=dict, init=False, repr=False)
    _normalisers: dict[tuple[Axis, str], BoundedNormaliser | None] = field(default_factory=dict, init=False, repr=False)

    def tasks(self, axis: Axis, code: str) -> list[Task]:
        """All prompts that count, those first that a round of few prompts takes: one per cluster, then a second.

        Which items come first differs between languages, so that a round over several languages sees more of them.
        """
        if (axis, code) not in self._tasks:
            tasks = self.made(axis, code)
            salt = ("search", str(self.study.config.seed), axis, code)
            order = in_turn([task.cluster for task in tasks], [unit(*salt, task.prompt.item) for task in tasks])
            self._tasks[axis, code] = [tasks[place] for place in order]
        return self._tasks[axis, code]

    def made(self, axis: Axis, code: str) -> list[Task]:
        """The prompts in the order of the dataset."""
        return self.study.tasks(axis, code, self.split)

    def normaliser(self, axis: Axis, code: str) -> BoundedNormaliser | None:
        """What stands in for the whole vocabulary where the design allows it: of the prompts that are searched over."""
        if not self.study.design.bounded:
            return None
        if (axis, code) not in self._normalisers:
            tasks = self.tasks(axis, code)[: searched(self.study)]
            self._normalisers[axis, code] = bounded_for(self.study, tasks)
        return self._normalisers[axis, code]

    def gains(
        self, axis: Axis, code: str, plans: Sequence[Plan], tasks: Sequence[Task], advance: Advance
    ) -> tuple[Float[np.ndarray, "plan task"], Float[np.ndarray, "plan task"]]:
        """What each plan adds, item by item, to the probability of the option that counts, and to its being chosen."""
        step, normaliser = partial(advance, f"{axis} {code}"), self.normaliser(axis, code)
        scores = score_tasks(self.study, tasks, [Plan(), *plans], step, normaliser=normaliser)
        likely, chosen = self.rated(axis, tasks, scores)
        return likely[1:] - likely[0], chosen[1:] - chosen[0]

    def rated(
        self, axis: Axis, tasks: Sequence[Task], scores: Scores
    ) -> tuple[Float[np.ndarray, "plan task"], Float[np.ndarray, "plan task"]]:
        """The probability of the option that counts on an axis, and the share of the choice that falls on it."""
        role, normalisation = AXES[axis], self.study.config.normalisation
        return confidence(tasks, scores, role, normalisation), choices(tasks, scores, role, normalisation)


def searched(study: Study) -> int | None:
    """How many of a language's dev prompts an axis' search looks at, the pairs' at the end; None for all."""
    prompts = study.design.paired
    return None if prompts is None else ceil(prompts / len(study.languages))


METRIC = {"universal": "transfer", "cultural": "localization"}
"""Axis -> the share that test reports; with `p_` in front, the mean probability that choices on dev go by."""

GAIN_COLUMNS = (
    "method", "axis", "cue", "language", "item", "cluster",
    "transfer", "localization", "p_transfer", "p_localization",
)  # fmt: skip


def gain_table(
    items: SplitTasks, code: str, plans: Mapping[str, Plan], advance: Advance, prompts: int | None = None
) -> pd.DataFrame:
    """One row per method (`base` first, then `plans`) and item of a split in a language, with GAIN_COLUMNS.

    transfer and localization are those of `interp.plane.outcomes`. prompts: only those that a search looks at first, so
    many per axis.
    """
    names, parts = [BASE, *plans], []
    for axis in AXES:
        tasks, step = items.tasks(axis, code)[:prompts], partial(halved, advance, f"{axis} {code}")
        likely, chosen = items.rated(axis, tasks, score_tasks(items.study, tasks, [Plan(), *plans.values()], step))
        rows = pd.DataFrame(
            [(axis, t.cue, code, t.prompt.item, t.cluster) for t in tasks], columns=list(GAIN_COLUMNS[1:6])
        )
        table = pd.concat([rows] * len(names), ignore_index=True)
        table.insert(0, "method", np.repeat(names, len(tasks)))
        parts.append(table.assign(**{METRIC[axis]: chosen.ravel(), f"p_{METRIC[axis]}": likely.ravel()}))
    return pd.concat(parts, ignore_index=True).reindex(columns=list(GAIN_COLUMNS))


def gain(cells: Cells, method: str, language: str, metric: str) -> Effect:
    """A method's difference from the unsteered model."""
    return cells.effect({method: 1.0, BASE: -1.0}, language, metric)


def languages_of(cells: Cells) -> tuple[str, ...]:
    """Every language, and `macro`."""
    return (*cells.languages, MACRO)


NONE = -1
"""The cell of a side that a plan doesn't have."""

COLUMNS = ("search", "axis", "language", "round", "en", "loc", "prompt", "gain", "hit")
"""Of the rows of a search: one per plan and prompt. en, loc: cells of the design's grid. prompt: its place among the
language's dev prompts in the order of the rounds. gain: in the probability of the option that counts. hit: in its being
chosen."""

KINDS = {"round": int, "en": int, "loc": int, "prompt": int, "gain": float, "hit": float}
"""Of the columns that hold numbers."""

Candidate = tuple[str, int, int, Plan]
"""(search, cell of EN, cell of LOC, plan)."""


class Batch(NamedTuple):
    """The prompts that a round adds in a language; start: the first one's place among the language's."""

    number: int
    start: int
    tasks: Sequence[Task]


def halve(
    dev: SplitTasks, axis: Axis, searches: Mapping[str, Mapping[str, SteeringVectors]], advance: Advance
) -> pd.DataFrame:
    """The rows of several searches on one axis, each over the whole grid with its own vectors (by language).

    A round takes the same prompts for all, and gives each search's best cells, over all languages together, to the
    next, which adds prompts.
    """
    design, languages = dev.study.design, dev.study.languages
    alive: dict[str, list[int]] = {name: list(range(len(design.cells))) for name in searches}
    rows: list[pd.DataFrame] = []
    for number, each in enumerate(design.rounds):
        for code in languages:
            start, stop = bounds(dev, number)
            batch = Batch(number, start, dev.tasks(axis, code)[start:stop])
            candidates = [
                (name, *((cell, NONE) if axis == "universal" else (NONE, cell)), _plan(dev, vectors[code], cell))
                for name, vectors in searches.items()
                for cell in alive[name]
            ]
            rows.append(score_candidates(dev, axis, code, candidates, batch, advance))
        if number < len(design.rounds) - 1:
            scored = pd.concat(rows, ignore_index=True)
            alive = {name: standing(scored, name, axis)[: each.kept] for name in searches}
    return pd.concat(rows, ignore_index=True)


def bounds(dev: SplitTasks, number: int) -> tuple[int, int | None]:
    """The first of a language's prompts that a round adds, and the first of the next."""
    rounds, languages = dev.study.design.rounds, len(dev.study.languages)
    ends = [0, *(None if each.prompts is None else ceil(each.prompts / languages) for each in rounds)]
    return ends[number] or 0, ends[number + 1]


def _plan(dev: SplitTasks, vectors: SteeringVectors, cell: int) -> Plan:
    layer, strength = dev.study.design.cells[cell]
    return vectors.plan(layer, strength, positions=dev.study.config.positions)


def score_candidates(
    dev: SplitTasks, axis: Axis, code: str, candidates: Sequence[Candidate], batch: Batch, advance: Advance
) -> pd.DataFrame:
    """The rows of candidates on a batch of a language's prompts."""
    number, start, tasks = batch
    if not tasks:
        return pd.DataFrame({name: pd.Series(dtype=KINDS.get(name, object)) for name in COLUMNS})
    gains, hits = dev.gains(axis, code, [plan for *_, plan in candidates], tasks, advance)
    n = len(tasks)
    names, en, loc = (np.repeat(column, n) for column in list(zip(*candidates, strict=True))[:3])
    return pd.DataFrame(
        {"search": names, "axis": axis, "language": code, "round": number, "en": en, "loc": loc,
         "prompt": np.tile(np.arange(start, start + n), len(candidates)), "gain": gains.ravel(), "hit": hits.ravel()}
    )  # fmt: skip


def mean_gain(rows: pd.DataFrame, by: Sequence[str]) -> pd.Series:
    """Per group the mean over languages of the mean gain."""
    return rows.groupby([*by, "language"])["gain"].mean().groupby(list(by)).mean()


def cautious(rows: pd.DataFrame, by: Sequence[str]) -> pd.Series:
    """Per group the mean gain over languages, less one standard error over its prompts: what choices on dev go by.

    Of cells that few prompts have judged, the one with the highest mean is the luckiest, and strong steers vary most.
    """
    prompts = rows.groupby(list(by))["gain"]
    return mean_gain(rows, by) - prompts.std().fillna(0.0) / np.sqrt(prompts.size())


def standing(rows: pd.DataFrame, search: str, axis: Axis, language: str | None = None) -> list[int]:
    """A search's cells, the best first: those of later rounds before others, then by their `cautious` gain.

    Over all languages, or in one. Of equals the earlier cell.
    """
    side = "en" if axis == "universal" else "loc"
    own = rows[(rows["search"] == search) & (rows["axis"] == axis)]
    if language is not None:
        own = own[own["language"] == language]
    reached = own.groupby(side)["round"].max()
    gain = cautious(own, [side])
    table = pd.DataFrame({"round": reached, "gain": gain}).reset_index()
    ordered = table.sort_values(["round", "gain", side], ascending=[False, False, True], kind="stable")
    return [int(cell) for cell in ordered[side]]
