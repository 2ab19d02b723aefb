"""Successive halving (Jamieson & Talwalkar 2016): many cells of the grid on few prompts, few cells on many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np
import pandas as pd

from interp.data import Axis, Task
from interp.progress import Advance
from interp.steering import Plan, SteeringVectors
from interp.study.search._prompts import SplitTasks

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
            tasks = dev.tasks(axis, code)
            start, stop = bounds(dev, number)
            candidates = [
                (name, *_sides(axis, cell), _plan(dev, vectors[code], cell))
                for name, vectors in searches.items()
                for cell in alive[name]
            ]
            rows.append(score_candidates(dev, axis, code, candidates, (number, start, tasks[start:stop]), advance))
        if number < len(design.rounds) - 1:
            sofar = pd.concat(rows, ignore_index=True)
            alive = {name: standing(sofar, name, axis)[: each.kept] for name in searches}
    return pd.concat(rows, ignore_index=True)


def bounds(dev: SplitTasks, number: int) -> tuple[int, int | None]:
    """The first of a language's prompts that a round adds, and the first of the next."""
    rounds, languages = dev.study.design.rounds, len(dev.study.languages)
    ends = [0, *(None if each.prompts is None else ceil(each.prompts / languages) for each in rounds)]
    return ends[number] or 0, ends[number + 1]


def _sides(axis: Axis, cell: int) -> tuple[int, int]:
    return (cell, NONE) if axis == "universal" else (NONE, cell)


def _plan(dev: SplitTasks, vectors: SteeringVectors, cell: int) -> Plan:
    layer, strength = dev.study.design.cells[cell]
    return vectors.plan(layer, strength, positions=dev.study.config.positions)


def score_candidates(
    dev: SplitTasks,
    axis: Axis,
    code: str,
    candidates: Sequence[Candidate],
    asked: tuple[int, int, Sequence[Task]],
    advance: Advance,
) -> pd.DataFrame:
    """Rows of candidates in a language. asked: the round's number, its first prompt's place, and its prompts."""
    number, start, tasks = asked
    if not tasks:
        return pd.DataFrame({name: pd.Series(dtype=KINDS.get(name, object)) for name in COLUMNS})
    gains, hits = dev.gains(axis, code, [plan for *_, plan in candidates], tasks, advance)
    n = len(tasks)
    names, en, loc = (np.repeat([one[i] for one in candidates], n) for i in range(3))
    return pd.DataFrame(
        {"search": names, "axis": axis, "language": code, "round": number, "en": en, "loc": loc,
         "prompt": np.tile(np.arange(start, start + n), len(candidates)), "gain": gains.ravel(), "hit": hits.ravel()}
    )  # fmt: skip


def standing(rows: pd.DataFrame, search: str, axis: Axis, language: str | None = None) -> list[int]:
    """A search's cells, the best first: those of later rounds before others, then by mean gain over their prompts.

    The mean is over languages, or in one. Of equals the earlier cell.
    """
    side = "en" if axis == "universal" else "loc"
    own = rows[(rows["search"] == search) & (rows["axis"] == axis)]
    if language is not None:
        own = own[own["language"] == language]
    reached = own.groupby(side)["round"].max()
    gain = own.groupby([side, "language"])["gain"].mean().groupby(side).mean()
    table = pd.DataFrame({"round": reached, "gain": gain}).reset_index()
    ordered = table.sort_values(["round", "gain", side], ascending=[False, False, True], kind="stable")
    return [int(cell) for cell in ordered[side]]
