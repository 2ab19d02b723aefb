"""Whether an effect depends on how scores are normalised: every effect again under `sum`, `bytes` and `mean`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from figures import number
from interp.names import BASE, MACRO
from interp.plane import Cells, Resampling, estimate, outcomes
from interp.study.score._report import criteria, is_control
from probes import Interval

UNDER = ("sum", "bytes", "mean")
"""The normalisations that are compared: they need nothing but an option's log-likelihood and its lengths."""

METRICS = ("transfer", "transfer_sensitive", "localization", "explicit_localization", "us_bias")
"""What is compared: shares of choices. `preference` and `answer_language` go by the sum under every normalisation."""

ZERO = 1e-9
"""An estimate that is nearer to 0 has no sign: it is a difference of equal shares."""

NOT_SCORED = {"letter": "letter scores the letters of the options, not their texts"}
"""Normalisations of a run whose scores can't be normalised otherwise, and why."""


def own_options(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows that choices are made from: listed options in the language asked, without a cue or behind the own one.

    `scores` has the columns of `interp.study.ask.COLUMNS`.
    """
    return scores[scores["own"] & (scores["option"] >= 0) & scores["cue"].isin(("none", "explicit"))]


def outcomes_under(scores: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Normalisation -> outcomes of a table of scores; one row per method and task, a column per metric."""
    own = own_options(scores)
    return {normalisation: outcomes(own, normalisation) for normalisation in UNDER}


def compared_effects(
    methods: Sequence[str], draws: Mapping[str, Sequence[str]], trained: Sequence[str]
) -> list[tuple[str, str, str]]:
    """(metric, method, against): every method and control against base, and what `contrasts.csv` compares besides."""
    drawn = {draw for members in draws.values() for draw in members}
    rows = [*(method for method in methods if method not in drawn and method != BASE), *draws]
    effects = [(metric, method, BASE) for metric in METRICS for method in rows]
    effects += [
        (metric, method, against)
        for metric, method, against in criteria(trained)
        if metric in METRICS and against != BASE and method in rows and against in rows
    ]
    return list(dict.fromkeys(effects))


def robustness_table(
    tables: Mapping[str, pd.DataFrame],
    resampling: Resampling,
    draws: Mapping[str, Sequence[str]],
    means: Mapping[str, Sequence[str]],
    trained: Sequence[str],
) -> pd.DataFrame:
    """The rows of `robustness.csv`: an effect under each normalisation, with its interval.

    Effects that were not measured are left out.

    tables: outcomes by normalisation, as `outcomes_under` gives them. draws: control -> its draws, whose median is
    taken. means: as `Cells` takes them. sign, excludes_0: see `signs` and `excluding`.
    """
    cells = {normalisation: Cells(table, resampling, means) for normalisation, table in tables.items()}
    first = next(iter(cells.values()))
    rows = []
    for metric, method, against in compared_effects(first.methods, draws, trained):
        for language in (MACRO, *first.languages):
            effects = {
                normalisation: estimate(known, draws.get(method, (method,)), language, metric, minus=against)
                for normalisation, known in cells.items()
            }
            if any(np.isnan(effect.estimate) for effect in effects.values()):
                continue
            row: dict[str, object] = {"metric": metric, "method": method, "against": against, "language": language}
            for normalisation, effect in effects.items():
                row |= {normalisation: effect.estimate}
                row |= {f"{normalisation}_lo": effect.lo, f"{normalisation}_hi": effect.hi}
            rows.append(row | {"sign": signs(list(effects.values())), "excludes_0": " ".join(excluding(effects))})
    return pd.DataFrame(rows)


def signs(effects: Sequence[Interval]) -> str:
    """How the sign of an effect behaves over normalisations. Our definition.

    `reverses`: some interval lies above 0 and another below. `changes`: some estimate is above 0 and another below.
    `same`: neither; an estimate of 0 agrees with both.
    """
    if any(effect.lo > 0 for effect in effects) and any(effect.hi < 0 for effect in effects):
        return "reverses"
    estimates = [effect.estimate for effect in effects]
    return "changes" if max(estimates) > ZERO and min(estimates) < -ZERO else "same"


def excluding(effects: Mapping[str, Interval]) -> list[str]:
    """The normalisations under which the interval excludes 0."""
    return [normalisation for normalisation, effect in effects.items() if effect.lo > 0 or effect.hi < 0]


def robustness_lines(table: pd.DataFrame | None, normalisation: str) -> list[str]:
    """How many effects change sign; each of those of a method, over all languages, with its numbers.

    normalisation: the run's own.
    """
    if table is None:
        return [f"Whether signs depend on the normalisation is not known: {NOT_SCORED[normalisation]}."]
    of_what = " of the whole sentence" if normalisation == "sentence" else ""
    changing = table[table["sign"] != "same"]
    reversing = int((changing["sign"] == "reverses").sum())
    lines = [
        f"Of {len(table)} effects (macro and per language) {len(changing)} change sign between sum, bytes and "
        f"mean{of_what}; {reversing} of these have an interval above 0 under one and below 0 under another "
        "(robustness.csv)."
    ]
    rows = changing[(changing["language"] == MACRO) & ~changing["method"].map(is_control)]
    return lines + [_line(row) for row in rows.to_dict("records")]


def _line(row: Mapping[Hashable, Any]) -> str:
    numbers = ", ".join(f"{name} {number(row, name, signed=True)}" for name in UNDER)
    metric = row["metric"].replace("_", " ")
    return f"The effect of {row['method']} on {metric} against {row['against']} changes sign: {numbers}."
