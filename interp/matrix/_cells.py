"""The cells of a matrix, a language and a culture each, and its tables: every cell, and means over groups of cells."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from urllib.parse import quote

import numpy as np
import pandas as pd
from jaxtyping import Float

from interp.data import Counts, Cue, CulturalSet, Split, Task, cultural_tasks
from interp.errors import DataError, Notice
from interp.matrix._vectors import Cultures, CultureVectors
from interp.names import BASE, MACRO
from interp.plane import Cells, Effect, Resampling, outcomes
from interp.progress import Advance
from interp.steering import Candidate, Plan, SteeringVectors, Strength, ranked, strength_column
from interp.study.ask import CLUSTERS, ScoreTables, Study, confidence, score_tasks
from probes import Interval, holm

Cell = tuple[str, str]
"""A language, and the culture that its prompts are steered to and scored for."""

Choices = Mapping[Cell, Mapping[str, Candidate]]
"""Cell -> condition -> the layer and strength chosen on dev."""

STEERED = ("own", "universal", "left_out", "other")
"""Conditions with a vector, in the order of `CultureVectors.of`."""

CUE = "cue"
"""The condition without a vector whose prompts name the culture."""

CUE_OWN, CUE_HOME = "cue_own", "cue_home"
"""Conditions with a vector on prompts with the culture's cue: its own vector, and the one of the language's culture.

The first says whether steering adds to the cue; the second, in cells of other cultures, whether it overrides an
identity that the prompt states.
"""

CONDITIONS = (BASE, *STEERED, CUE, CUE_OWN, CUE_HOME)
AGAINST_CUE = {CUE_OWN, CUE_HOME}
"""Conditions that are compared with the cue alone; the others with base."""


def scored_cells(dataset: CulturalSet, languages: Sequence[str], counts: Counts, cultures: Cultures) -> list[Cell]:
    """Cells with items of two clusters or more on dev and on test; a notice names the others.

    Raises DataError if none is left.
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

        def gains(asked: list[Task] = asked, plans: list[Plan] = plans, code: str = code) -> list[list[float]]:
            scores = score_tasks(study, asked, plans, partial(advance, f"dev {code}"))
            return [row.tolist() for row in confidence(asked, scores, "local", study.config.normalisation)]

        values = np.array(study.parts.value(f"dev/{code}", gains)).reshape(len(needed), len(grid), -1)
        for culture in cultures:
            own = values[:, :, [c == culture for c, _ in tasks]].mean(axis=-1)
            best = {name: ranked(grid, row.tolist())[0] for name, row in zip(needed, own, strict=True)}
            chosen[code, culture] = {c: best[one.name] for c, one in vectors[code].of(culture).items()}
    return chosen


def home_of(dataset: CulturalSet, cell: Cell, cells: Collection[Cell]) -> str:
    """The culture of the cell's language, if it is another one than the cell's and has a cell; else ""."""
    code, culture = cell
    home = dataset.own_culture[code]
    return home if home != culture and (code, home) in cells else ""


def scored(dataset: CulturalSet, cells: Sequence[Cell]) -> int:
    """How many conditions `score_cells` scores in all."""
    return sum(len(CONDITIONS) - (not home_of(dataset, cell, cells)) for cell in cells)


def score_cells(study: Study, vectors: Mapping[str, CultureVectors], chosen: Choices, advance: Advance) -> pd.DataFrame:
    """Scores of every cell's test options, with `interp.study.ask.COLUMNS` and `culture`; methods: CONDITIONS."""

    def make(cell: Cell) -> pd.DataFrame:
        code, culture = cell
        several, parts = vectors[code].of(culture), []
        plans = {
            name: several[name].plan(best.layer, best.strength, positions=study.config.positions)
            for name, best in chosen[cell].items()
        }
        cued = {CUE: Plan(), CUE_OWN: plans["own"]}
        if home := home_of(study.cultural, cell, chosen):
            best = chosen[code, home]["own"]
            vector = vectors[code].own[home]
            cued[CUE_HOME] = vector.plan(best.layer, best.strength, positions=study.config.positions)
        asked: dict[Cue, dict[str, Plan]] = {"none": {BASE: Plan(), **plans}, "explicit": cued}
        for cue, named in asked.items():
            tasks = study.cultural_tasks(code, "test", cue, culture=culture)
            step = partial(advance, f"test {code} {culture}")
            scored = ScoreTables(tasks, score_tasks(study, tasks, list(named.values()), step))
            parts += [scored.table(i, name).assign(culture=culture) for i, name in enumerate(named)]
        return pd.concat(parts, ignore_index=True)

    parts = [
        study.parts.frame(f"test/{code}/{quote(culture, safe='')}", partial(make, (code, culture)))
        for code, culture in chosen
    ]
    return pd.concat(parts, ignore_index=True)


AGAINST = ("universal", "left_out", "other")
"""Conditions that `own` is compared with."""

METRIC = "localization"


def answers(scores: pd.DataFrame, own_culture: Mapping[str, str], normalisation: str) -> pd.DataFrame:
    """One row per cell, condition and test item: whether the option that is right for the culture is chosen.

    `scores` is what `score_cells` gives. Columns: language, culture, own_culture (whether the culture is the
    language's), condition, item, cluster, localization (0 or 1).
    """
    parts = []
    for key, rows in scores.groupby(["language", "culture"], sort=False):
        code, culture = map(str, key)
        found = outcomes(rows, normalisation)
        right = found[METRIC].fillna(found["explicit_localization"])
        named = found[["language", "item", "cluster"]].assign(condition=found["method"], localization=right)
        parts.append(named.assign(culture=culture, own_culture=own_culture[code] == culture))
    columns = ["language", "culture", "own_culture", "condition", "item", "cluster", METRIC]
    return pd.concat(parts, ignore_index=True)[columns]


def _cells(right: pd.DataFrame, resampling: Resampling) -> Cells:
    """Cells of a matrix as languages and conditions as methods: `macro` is the mean over cells.

    A drawn cluster carries its items of every language, culture and condition.
    """
    names = [" ".join(pair) for pair in zip(right["language"], right["culture"], strict=True)]
    return Cells(right.assign(language=names, method=right["condition"], axis="cultural"), resampling)


def _bounded(name: str, found: Effect | None) -> dict[str, object]:
    interval = found.interval if found else Interval(np.nan, np.nan, np.nan)
    return {name: interval.estimate, f"{name}_lo": interval.lo, f"{name}_hi": interval.hi}


def _adjusted(p: Float[np.ndarray, "test"]) -> Float[np.ndarray, "test"]:
    """Holm's adjustment over the values that are there."""
    there = ~np.isnan(p)
    found = np.full(p.shape, np.nan)
    found[there] = holm(p[there])
    return found


def matrix_table(right: pd.DataFrame, chosen: Choices, resampling: Resampling, seed: int) -> pd.DataFrame:
    """The rows of `matrix.csv`: one per cell and condition.

    localization: share of items whose option of the culture is chosen. d_localization: minus that of base, or of the
    cue alone for AGAINST_CUE, paired, with sign-flip p over clusters and Holm's adjustment over the cell's conditions
    that are compared with the same. layer, strength: chosen on dev. n: test items.
    """
    cells = _cells(right, resampling)
    rows: list[dict[str, object]] = []
    for code, culture, own in _pairs(right):
        name = f"{code} {culture}"
        there = conditions_of(right[(right["language"] == code) & (right["culture"] == culture)])
        levels = {condition: cells.effect({condition: 1.0}, name, METRIC) for condition in there}
        changes = {c: cells.effect({c: 1.0, _against(c): -1.0}, name, METRIC) for c in there if c != BASE}
        tests: dict[str, tuple[float, float]] = {}
        for family in (set(there) - AGAINST_CUE, AGAINST_CUE):
            members = [condition for condition in changes if condition in family]
            p = np.array([changes[condition].p_value(seed) for condition in members])
            tests |= dict(zip(members, zip(p, _adjusted(p), strict=True), strict=True))
        for condition, level in levels.items():
            row = {"language": code, "culture": culture, "own_culture": own, "condition": condition}
            row |= _bounded(METRIC, level) | _bounded(f"d_{METRIC}", changes.get(condition))
            row["p"], row["p_holm"] = tests.get(condition, (np.nan, np.nan))
            best = chosen[code, culture].get(condition)
            row |= {"layer": best.layer if best else None, "strength": best.strength if best else None}
            rows.append(row | {"n": cells.count(name, METRIC)})
    table = pd.DataFrame(rows).astype({"layer": "Int64"})
    return table.assign(strength=strength_column(row["strength"] for row in rows))


def conditions_of(right: pd.DataFrame) -> list[str]:
    """The conditions that every cell of a table has."""
    sizes = right.groupby("condition")[["language", "culture"]].apply(lambda rows: len(rows.drop_duplicates()))
    most = len(right[["language", "culture"]].drop_duplicates())
    return [condition for condition in CONDITIONS if sizes.get(condition, 0) == most]


def _against(condition: str) -> str:
    return CUE if condition in AGAINST_CUE else BASE


def _pairs(right: pd.DataFrame) -> list[tuple[str, str, bool]]:
    """Language, culture, whether it is the language's own; in order of first appearance."""
    table = right[["language", "culture", "own_culture"]].drop_duplicates()
    return [(str(code), str(culture), bool(own)) for code, culture, own in table.itertuples(index=False)]


def summary_table(right: pd.DataFrame, resampling: Resampling, seed: int) -> pd.DataFrame:
    """The rows of `matrix_summary.csv`: means over cells, paired differences, and `own` against others cell by cell.

    over: `all` cells, the `diagonal` (the language's own culture), `off_diagonal`, or one `cell`. against: what is
    subtracted, empty for a level. p: sign-flip over clusters; p_holm: over the conditions compared with base, over
    those compared with the cue, and over those that `own` is compared with. A condition that some of the cells lack has
    no mean over them.
    """
    rows: list[dict[str, object]] = []
    parts = {"all": right, "diagonal": right[right["own_culture"]], "off_diagonal": right[~right["own_culture"]]}
    for over, part in parts.items():
        if len(part):
            cells = _cells(part, resampling)
            where = {"over": over, "language": "", "culture": "", "n_cells": len(cells.languages)}
            there = conditions_of(part)
            rows += [where | _level(cells, condition) for condition in there]
            for other in (BASE, CUE):
                pairs = [(one, other) for one in there if one != BASE and _against(one) == other]
                rows += [where | row for row in _differences(cells, MACRO, pairs, seed)]
            rows += [where | row for row in _differences(cells, MACRO, _OWN, seed)]
    cells = _cells(right, resampling)
    for code, culture, _ in _pairs(right):
        where = {"over": "cell", "language": code, "culture": culture, "n_cells": 1}
        rows += [where | row for row in _differences(cells, f"{code} {culture}", _OWN, seed)]
    columns = ["over", "language", "culture", "condition", "against", "estimate", "lo", "hi", "p", "p_holm"]
    return pd.DataFrame(rows)[[*columns, "n_cells", "n_clusters"]]


_OWN = [("own", against) for against in AGAINST]


def _level(cells: Cells, condition: str) -> dict[str, object]:
    found = cells.effect({condition: 1.0}, MACRO, METRIC)
    return _row(condition, "", found) | {"p": np.nan, "p_holm": np.nan}


def _row(condition: str, against: str, found: Effect) -> dict[str, object]:
    interval = found.interval
    return {
        "condition": condition, "against": against, "estimate": found.estimate, "lo": interval.lo, "hi": interval.hi,
        "n_clusters": len(found.contributions),
    }  # fmt: skip


def _differences(cells: Cells, name: str, pairs: Sequence[tuple[str, str]], seed: int) -> list[dict[str, object]]:
    """Paired differences of one mean, with Holm's adjustment over them."""
    found = [cells.effect({one: 1.0, other: -1.0}, name, METRIC) for one, other in pairs]
    p = np.array([effect.p_value(seed) for effect in found])
    return [
        _row(*pair, effect) | {"p": one, "p_holm": adjusted}
        for pair, effect, one, adjusted in zip(pairs, found, p, _adjusted(p), strict=True)
    ]
