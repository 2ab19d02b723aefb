"""Prompts of a split, in the order in which rounds take them, and what plans do to the options that count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import ceil

import numpy as np
import pandas as pd
from jaxtyping import Float

from interp.data import Axis, Split, Task, unit
from interp.names import BASE, MACRO
from interp.plane import Cells, Effect
from interp.progress import Advance, halved
from interp.steering import Plan
from interp.steering.engine import BoundedNormaliser
from interp.study.ask import Study, bounded_for, choices, confidence, score_tasks
from interp.study.search._design import in_turn

AXES: dict[Axis, str] = {"universal": "right", "cultural": "local"}
"""Axis -> the role whose mean probability is the objective on it."""


@dataclass
class SplitTasks:
    """Tasks of a split, made once per axis and language."""

    study: Study
    split: Split = "dev"
    _tasks: dict[tuple[Axis, str], list[Task]] = field(default_factory=dict)
    _normalisers: dict[tuple[Axis, str], BoundedNormaliser | None] = field(default_factory=dict)

    def tasks(self, axis: Axis, code: str) -> list[Task]:
        """All prompts that count, those first that a round of few prompts takes: one per cluster, then a second.

        Which items come first differs between languages, so that a round over several languages sees more of them.
        """
        if (axis, code) not in self._tasks:
            made = self.made(axis, code)
            salt = ("search", str(self.study.config.seed), axis, code)
            order = in_turn([task.cluster for task in made], [unit(*salt, task.prompt.item) for task in made])
            self._tasks[axis, code] = [made[place] for place in order]
        return self._tasks[axis, code]

    def made(self, axis: Axis, code: str) -> list[Task]:
        """The prompts in the order of the dataset."""
        make = self.study.universal_tasks if axis == "universal" else self.study.cultural_tasks
        return make(code, self.split)

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
        study, role = self.study, AXES[axis]
        normaliser = self.normaliser(axis, code)
        step = partial(advance, f"{axis} {code}")
        scores = score_tasks(study, tasks, [Plan(), *plans], step, normaliser=normaliser)
        likely = confidence(tasks, scores, role, study.config.normalisation)
        taken = choices(tasks, scores, role, study.config.normalisation)
        return likely[1:] - likely[0], taken[1:] - taken[0]


def searched(study: Study) -> int | None:
    """How many of a language's dev prompts an axis' search looks at, the pairs' at the end; None for all."""
    prompts = study.design.paired
    return None if prompts is None else ceil(prompts / len(study.languages))


METRIC = {"universal": "transfer", "cultural": "localization"}
"""Axis -> the share that test reports; with `p_` in front, the mean probability that choices on dev go by."""

COLUMNS = (
    "method", "axis", "cue", "language", "item", "cluster",
    "transfer", "localization", "p_transfer", "p_localization",
)  # fmt: skip


def gain_table(
    items: SplitTasks, code: str, plans: Mapping[str, Plan], advance: Advance, prompts: int | None = None
) -> pd.DataFrame:
    """One row per method (`base` first, then `plans`) and item of a split in a language, with COLUMNS.

    transfer and localization are those of `interp.plane.outcomes`. prompts: only those that a search looks at first, so
    many per axis.
    """
    study, parts = items.study, []
    for axis, role in AXES.items():
        tasks = items.tasks(axis, code)[:prompts]
        scores = score_tasks(study, tasks, [Plan(), *plans.values()], partial(halved, advance, f"{axis} {code}"))
        right = choices(tasks, scores, role, study.config.normalisation)
        likely = confidence(tasks, scores, role, study.config.normalisation)
        names = [BASE, *plans]
        rows = pd.DataFrame([(axis, t.cue, code, t.prompt.item, t.cluster) for t in tasks], columns=list(COLUMNS[1:6]))
        table = pd.concat([rows] * len(names), ignore_index=True)
        table.insert(0, "method", np.repeat(names, len(tasks)))
        parts.append(table.assign(**{METRIC[axis]: right.ravel(), f"p_{METRIC[axis]}": likely.ravel()}))
    return pd.concat(parts, ignore_index=True).reindex(columns=list(COLUMNS))


def gain(cells: Cells, method: str, language: str, metric: str) -> Effect:
    """A method's difference from the unsteered model."""
    return cells.effect({method: 1.0, BASE: -1.0}, language, metric)


def languages_of(cells: Cells) -> tuple[str, ...]:
    """Every language, and `macro`."""
    return (*cells.languages, MACRO)
