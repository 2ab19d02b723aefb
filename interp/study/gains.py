"""What plans do to an item: right or not, and how probable the right option is; as rows that intervals are taken of."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import pandas as pd

from interp.plane import Cells, Effect
from interp.progress import Advance, halved
from interp.rows import BASE, MACRO
from interp.steering.plans import Plan
from interp.study.evaluate import choices, confidence, score_tasks
from interp.study.search.prompts import AXES, SplitTasks

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
