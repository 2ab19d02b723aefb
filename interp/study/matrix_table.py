"""The tables of a matrix: every cell, and means over all, over the languages' own and over other cultures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from interp.plane import Cells, Effect, Resampling, outcomes
from interp.rows import BASE, MACRO
from interp.steering.search import strength_column
from interp.study.matrix_cells import CONDITIONS, Choices
from probes.intervals import Interval, holm

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

    localization: share of items whose option of the culture is chosen. d_localization: minus that of base, paired, with
    sign-flip p over clusters and Holm's adjustment over the conditions of the cell. layer, strength: chosen on dev. n:
    test items.
    """
    cells = _cells(right, resampling)
    rows: list[dict[str, object]] = []
    for code, culture, own in _pairs(right):
        name = f"{code} {culture}"
        levels = {condition: cells.effect({condition: 1.0}, name, METRIC) for condition in CONDITIONS}
        changes = {c: cells.effect({c: 1.0, BASE: -1.0}, name, METRIC) for c in CONDITIONS if c != BASE}
        p = np.array([change.p_value(seed) for change in changes.values()])
        tests = dict(zip(changes, zip(p, _adjusted(p), strict=True), strict=True))
        for condition, level in levels.items():
            row = {"language": code, "culture": culture, "own_culture": own, "condition": condition}
            row |= _bounded(METRIC, level) | _bounded(f"d_{METRIC}", changes.get(condition))
            row["p"], row["p_holm"] = tests.get(condition, (np.nan, np.nan))
            best = chosen[code, culture].get(condition)
            row |= {"layer": best.layer if best else None, "strength": best.strength if best else None}
            rows.append(row | {"n": cells.count(name, METRIC)})
    table = pd.DataFrame(rows).astype({"layer": "Int64"})
    return table.assign(strength=strength_column(row["strength"] for row in rows))


def _pairs(right: pd.DataFrame) -> list[tuple[str, str, bool]]:
    """Language, culture, whether it is the language's own; in order of first appearance."""
    table = right[["language", "culture", "own_culture"]].drop_duplicates()
    return [(str(code), str(culture), bool(own)) for code, culture, own in table.itertuples(index=False)]


def summary_table(right: pd.DataFrame, resampling: Resampling, seed: int) -> pd.DataFrame:
    """The rows of `matrix_summary.csv`: means over cells, paired differences, and `own` against others cell by cell.

    over: `all` cells, the `diagonal` (the language's own culture), `off_diagonal`, or one `cell`. against: what is
    subtracted, empty for a level. p: sign-flip over clusters; p_holm: over the conditions compared with base, and over
    those that `own` is compared with.
    """
    rows: list[dict[str, object]] = []
    parts = {"all": right, "diagonal": right[right["own_culture"]], "off_diagonal": right[~right["own_culture"]]}
    for over, part in parts.items():
        if len(part):
            cells = _cells(part, resampling)
            where = {"over": over, "language": "", "culture": "", "n_cells": len(cells.languages)}
            rows += [where | _level(cells, condition) for condition in CONDITIONS]
            pairs = [(condition, BASE) for condition in CONDITIONS if condition != BASE]
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
