"""The sweep over layers and strengths on dev: what EN and LOC do to both axes, cell by cell of the grid."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd

from interp.names import BASE, MACRO
from interp.plane import Cells, Resampling, estimate
from interp.progress import Advance, halved
from interp.steering import Plan, Strength, label, strength_column
from interp.study.ask import Study, choices, score_tasks
from interp.study.fit import Vectors
from interp.study.search._chosen import Chosen
from interp.study.search._rounds import AXES, METRIC, SplitTasks

Cell = tuple[str, int, Strength]
"""(en or loc, layer, strength)."""


def sweep_cells(study: Study, chosen: Container[str]) -> list[Cell]:
    """Every layer and strength of the grid, for EN and LOC where they were chosen."""
    return [
        (method, layer, strength)
        for method in ("en", "loc")
        if method in chosen
        for layer, strength in study.design.cells
        if study.design.swept
    ]


def sweep_in(
    study: Study, dev: SplitTasks, vectors: Vectors, cells: Sequence[Cell], code: str, advance: Advance
) -> pd.DataFrame:
    """One row per cell, base included, and dev prompt in a language: the share of the choice that falls on
    the right (local) option.

    Columns: method (`en@3@0.5`, or base), axis, language, item, cluster, hit.
    """

    def make() -> pd.DataFrame:
        steered = [
            vectors[m][code].plan(layer, strength, positions=study.config.positions) for m, layer, strength in cells
        ]
        names = [BASE, *map(_name, cells)]
        parts = []
        for axis, role in AXES.items():
            tasks = dev.tasks(axis, code)
            scores = score_tasks(study, tasks, [Plan(), *steered], partial(halved, advance, f"sweep {axis} {code}"))
            hits = choices(tasks, scores, role, study.config.normalisation)
            parts.append(
                pd.DataFrame(
                    {
                        "method": np.repeat(names, len(tasks)),
                        "axis": axis,
                        "language": code,
                        "item": [task.prompt.item for task in tasks] * len(names),
                        "cluster": [task.cluster for task in tasks] * len(names),
                        "hit": hits.ravel(),
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)

    return study.parts.frame(f"sweep/{code}", make)


def sweep_table(
    found: pd.DataFrame,
    cells: Sequence[Cell],
    chosen: Mapping[str, Mapping[str, Chosen]],
    resampling: Resampling,
) -> pd.DataFrame:
    """The rows of `sweep.csv`: change from base in accuracy and localization of every cell, per language and `macro`.

    found: rows of `sweep_in`, all languages. chosen: 1 where the cell was chosen for the language, for `macro` how many
    languages chose it.
    """
    hit = found["hit"]
    rated = {metric: hit.where(found["axis"] == axis) for axis, metric in METRIC.items()}
    means = Cells(found.assign(**rated), resampling)
    picked = {(m, code, *choice.steers[0][1:]) for m, by in chosen.items() for code, choice in by.items()}
    rows: list[dict[str, object]] = []
    for cell in cells:
        method, layer, strength = cell
        here = [code for code in means.languages if (method, code, layer, strength) in picked]
        for language in (*means.languages, MACRO):
            row: dict[str, object] = {"method": method, "layer": layer, "strength": strength, "language": language}
            for metric in METRIC.values():
                change = estimate(means, [_name(cell)], language, metric, minus=BASE)
                row |= {f"d_{metric}": change.estimate, f"d_{metric}_lo": change.lo, f"d_{metric}_hi": change.hi}
            rows.append(row | {"chosen": len(here) if language == MACRO else int(language in here)})
    table = pd.DataFrame(rows)
    return table.assign(strength=strength_column(table["strength"])) if len(table) else table


def _name(cell: Cell) -> str:
    method, layer, strength = cell
    return f"{method}@{layer}@{label(strength)}"
