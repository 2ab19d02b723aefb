"""The cells of a matrix, a language and a culture each: which are scored, how they are steered, what that gives."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial

import pandas as pd

from interp.data.items import CulturalSet, Split
from interp.data.tasks import Counts, Cue, cultural_tasks
from interp.errors import DataError, Notice
from interp.progress import Advance
from interp.rows import BASE
from interp.steering.plans import Plan
from interp.steering.search import Candidate, ranked
from interp.steering.strengths import Strength
from interp.steering.vectors import SteeringVectors
from interp.study.culture_vectors import CultureVectors
from interp.study.enough import CLUSTERS
from interp.study.evaluate import ScoreTables, confidence, score_tasks
from interp.study.prepare import Study
from interp.study.steered import Cultures

Cell = tuple[str, str]
"""A language, and the culture that its prompts are steered to and scored for."""

Choices = Mapping[Cell, Mapping[str, Candidate]]
"""Cell -> condition -> the layer and strength chosen on dev."""

STEERED = ("own", "universal", "left_out", "other")
"""Conditions with a vector, in the order of `CultureVectors.of`."""

CUE = "cue"
"""The condition without a vector whose prompts name the culture."""

CONDITIONS = (BASE, *STEERED, CUE)


def scored_cells(dataset: CulturalSet, languages: Sequence[str], counts: Counts, cultures: Cultures) -> list[Cell]:
    """Cells with items of two clusters or more on dev and on test; a notice names the others.

    Raises DataError where none is left.
    """

    def clusters(cell: Cell, split: Split) -> int:
        return len({task.cluster for task in cultural_tasks(dataset, *cell, split, counts)})

    cells = [(code, culture) for code in languages for culture in cultures.steered]
    able = [cell for cell in cells if all(clusters(cell, split) >= CLUSTERS for split in ("dev", "test"))]
    if lacking := [f"{code} {culture}" for code, culture in cells if (code, culture) not in able]:
        text = f"too few items to score on dev or test in {', '.join(lacking)}"
        if not able:
            raise DataError(
                text, allowed="items from at least 2 clusters", remedy="raise --limit or leave out --steered"
            )
        warnings.warn(f"left out of the matrix: {text}", Notice, stacklevel=2)
    return able


def _columns(cells: Sequence[Cell]) -> dict[str, list[str]]:
    """Language -> the cultures of its cells."""
    found: dict[str, list[str]] = {}
    for code, culture in cells:
        found.setdefault(code, []).append(culture)
    return found


def _needed(vectors: CultureVectors, cultures: Sequence[str]) -> dict[str, SteeringVectors]:
    """Each vector that a cell of the language is steered with, once, by its name."""
    return {one.name: one for culture in cultures for one in vectors.of(culture).values()}


def _grid(study: Study) -> list[tuple[int, Strength]]:
    return list(study.design.cells)


def evaluations(study: Study, vectors: Mapping[str, CultureVectors], cells: Sequence[Cell]) -> int:
    """How many plans `choose_cells` scores on dev."""
    return len(_grid(study)) * sum(len(_needed(vectors[code], some)) for code, some in _columns(cells).items())


def choose_cells(
    study: Study, vectors: Mapping[str, CultureVectors], cells: Sequence[Cell], advance: Advance
) -> Choices:
    """Layer and strength of every vector of every cell, by the mean probability of the culture's option on dev.

    Cells of a language ask the same questions and share vectors, so its prompts and plans are scored in one call.
    """
    grid, chosen = _grid(study), dict[Cell, dict[str, Candidate]]()
    for code, cultures in _columns(cells).items():
        tasks = [(c, task) for c in cultures for task in study.cultural_tasks(code, "dev", culture=c)]
        needed = _needed(vectors[code], cultures)
        plans = [
            one.plan(layer, strength, positions=study.config.positions)
            for one in needed.values()
            for layer, strength in grid
        ]
        asked = [task for _, task in tasks]
        scores = score_tasks(study, asked, plans, partial(advance, f"dev {code}"))
        values = confidence(asked, scores, "local", study.config.normalisation).reshape(len(needed), len(grid), -1)
        for culture in cultures:
            own = values[:, :, [c == culture for c, _ in tasks]].mean(axis=-1)
            best = {name: ranked(grid, row.tolist())[0] for name, row in zip(needed, own, strict=True)}
            chosen[code, culture] = {c: best[one.name] for c, one in vectors[code].of(culture).items()}
    return chosen


def score_cells(study: Study, vectors: Mapping[str, CultureVectors], chosen: Choices, advance: Advance) -> pd.DataFrame:
    """Scores of every cell's test options, with `interp.study.evaluate.COLUMNS` and `culture`; methods: CONDITIONS."""
    parts = []
    for (code, culture), choice in chosen.items():
        several = vectors[code].of(culture)
        plans = {
            name: several[name].plan(best.layer, best.strength, positions=study.config.positions)
            for name, best in choice.items()
        }
        asked: dict[Cue, dict[str, Plan]] = {"none": {BASE: Plan(), **plans}, "explicit": {CUE: Plan()}}
        for cue, named in asked.items():
            tasks = study.cultural_tasks(code, "test", cue, culture=culture)
            step = partial(advance, f"test {code} {culture}")
            scored = ScoreTables(tasks, score_tasks(study, tasks, list(named.values()), step))
            parts += [scored.table(i, name).assign(culture=culture) for i, name in enumerate(named)]
    return pd.concat(parts, ignore_index=True)
