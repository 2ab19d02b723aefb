"""Does an effect depend on how scores are normalised, and does what is known in English come through?"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from figures import number
from interp.data import Split
from interp.names import BASE, MACRO
from interp.plane import Cells, Effect, Resampling, estimate, normalise, outcomes
from interp.progress import Advance
from interp.steering import Plan
from interp.study.ask import Study, scored_table
from interp.study.score._report import criteria, interval_columns, is_control, members_of
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
    """The rows that choices go by: listed options in the language asked, without a cue or with the culture's own.

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
    rows = [row for row in members_of(methods, draws) if row != BASE]
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
                row |= interval_columns(normalisation, effect)
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


PROMPT = ["method", "language", "item"]
RATIO = ("known_right", "known")
"""Numerator and denominator of transfer among the items known in English."""


def english_scores(study: Study, advance: Advance, split: Split = "test") -> pd.DataFrame:
    """Scores of the unsteered model on all universal items of a split in English, also those that its corpus states.

    The columns are those of `interp.study.ask.COLUMNS`, the method is `base`.
    """

    def make() -> pd.DataFrame:
        tasks = study.universal_tasks("en", split, everywhere=True)
        return scored_table(study, tasks, {BASE: Plan()}, partial(advance, "English"))

    return study.parts.frame("english", make)


def rank_consistency(
    scores: Float[np.ndarray, "task option"], english: Float[np.ndarray, "task option"]
) -> Float[np.ndarray, "task"]:
    """RankC of each task: how far two languages rank its options alike, 0 to 1.

    The sum over j = 1..N of w_j P@j. P@j is the share of the first j options of one language that are among the first j
    of the other; the weights w are the softmax of N - j (Qi, Fernandez and Bisazza 2023, "Cross-Lingual Consistency of
    Factual Knowledge in Multilingual Language Models", arXiv 2310.10378).
    Options that tie are taken in every order, each language on its own: this is the expectation over these orders.
    """
    n = scores.shape[1]
    ranks = np.arange(1, n + 1)
    weights = np.exp(1.0 - ranks)
    weights /= weights.sum()
    shared = np.einsum("toj,toj->tj", _among_first(scores, ranks), _among_first(english, ranks))
    return np.asarray((shared / ranks) @ weights)


def _among_first(scores: Float[np.ndarray, "task option"], ranks: np.ndarray) -> Float[np.ndarray, "task option rank"]:
    """Probability that an option is among the first j, for every j of `ranks`, ties in a random order."""
    above = (scores[:, None, :] > scores[:, :, None]).sum(axis=-1)
    tied = (scores[:, None, :] == scores[:, :, None]).sum(axis=-1)
    return np.asarray(np.clip((ranks - above[..., None]) / tied[..., None], 0.0, 1.0))


def beside_english(
    scores: pd.DataFrame, base_english: pd.DataFrame, own_english: pd.DataFrame, normalisation: str
) -> pd.DataFrame:
    """A row per method and universal prompt: `known`, `known_right` and `rankc`.

    scores: of any methods. base_english, own_english: `english_scores` of the base model and of the model that `scores`
    are of. known: whether the base model gets the item right in English. known_right: known, and right here. rankc:
    over the options that both languages have, against the model's own English.
    """
    own = own_options(scores)
    own = own[own["axis"] == "universal"]
    table = outcomes(own, normalisation)[["method", "axis", "cue", "language", "item", "cluster", "transfer"]]
    right = outcomes(own_options(base_english), normalisation).set_index("item")["transfer"]
    known = table["item"].map(right)
    table = table.assign(known=known, known_right=known * table["transfer"])
    ranked = _ranked(own, own_options(own_english), normalisation)
    return table.join(ranked, on=PROMPT).drop(columns="transfer")


def _ranked(own: pd.DataFrame, english: pd.DataFrame, normalisation: str) -> pd.Series:
    here = own[[*PROMPT, "option"]].assign(here=normalise(own, normalisation).to_numpy(dtype=float))
    in_english = english[["item", "option"]].assign(english=normalise(english, normalisation).to_numpy(dtype=float))
    both = here.merge(in_english, on=["item", "option"]).sort_values([*PROMPT, "option"], ignore_index=True)
    size = both.groupby(PROMPT)["option"].transform("size")
    parts = []
    for n, rows in both.groupby(size):
        values = rank_consistency(*(rows[name].to_numpy().reshape(-1, n) for name in ("here", "english")))
        parts.append(rows.iloc[:: int(n)][PROMPT].assign(rankc=values))
    return pd.concat(parts).set_index(PROMPT)["rankc"]


def consistency_table(cells: Cells, methods: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """The rows of `consistency.csv`: per method and language, and `macro`, with 95% intervals over clusters.

    cells: of the rows of `beside_english`. methods: a row's name -> the methods it is the median of.
    transfer_given_en: of the items that the unsteered base model gets right in English, the share that is right here.
    rankc: mean over items. english: the base model's accuracy in English on the items that are asked here. n_known: of
    the n items how many it gets right in English (fewer than one where options tie).
    """
    rows = []
    for name, members in methods.items():
        for language in (*cells.languages, MACRO):
            codes = cells.languages if language == MACRO else [language]
            row: dict[str, object] = {"method": name, "language": language}
            row |= interval_columns("transfer_given_en", given_english(cells, members, language))
            row |= interval_columns("d_transfer_given_en", given_english(cells, members, language, minus=BASE))
            row |= interval_columns("rankc", estimate(cells, members, language, "rankc"))
            row |= interval_columns("d_rankc", estimate(cells, members, language, "rankc", minus=BASE))
            row |= interval_columns("english", estimate(cells, [BASE], language, "known"))
            row["n_known"] = sum(float(cells.sums(BASE, code, "known")[0].sum()) for code in codes)
            row["n"] = cells.count(language, "known")
            rows.append(row)
    return pd.DataFrame(rows)


def given_english(cells: Cells, methods: Sequence[str], language: str, minus: str | None = None) -> Interval:
    """Median over `methods` of transfer among the items known in English, optionally minus that of another method.

    A ratio of sums over the same clusters; `macro` is the mean of the languages' ratios. NaN if nothing is known.
    """
    codes = cells.languages if language == MACRO else [language]
    values, draws = _ratios(cells, methods, codes)
    if minus is not None:
        base_values, base_draws = _ratios(cells, [minus], codes)
        values, draws = values - base_values, draws - base_draws
    contributing = np.any([cells.sums(BASE, code, "known")[0] > 0 for code in codes], axis=0)
    return Effect(float(np.median(values)), np.median(draws, axis=0), contributing[contributing]).interval


def _ratios(
    cells: Cells, methods: Sequence[str], codes: Sequence[str]
) -> tuple[Float[np.ndarray, "method"], Float[np.ndarray, "method draw"]]:
    values = [
        np.mean([_divided(*(cells.estimate(m, code, name) for name in RATIO)) for code in codes]) for m in methods
    ]
    draws = [
        np.mean([_divided(*(cells.draws(m, code, name) for name in RATIO)) for code in codes], axis=0) for m in methods
    ]
    return np.array(values), np.stack(draws)


def _divided(right: Float[np.ndarray, "*draw"] | float, known: Float[np.ndarray, "*draw"] | float) -> np.ndarray:
    top, bottom = np.asarray(right, dtype=float), np.asarray(known, dtype=float)
    return np.divide(top, bottom, out=np.full(bottom.shape, np.nan), where=bottom > 0)


def consistency_line(table: pd.DataFrame) -> str:
    """How many of the facts that base knows in English it also gets right elsewhere, and how far its rankings agree."""
    row = table[(table["method"] == BASE) & (table["language"] == MACRO)].to_dict("records")[0]
    return (
        f"The unsteered model answers {number(row, 'english')} of the facts correctly in English, and "
        f"{number(row, 'transfer_given_en')} of those correctly in the other languages. Its rankings of the options "
        f"agree with the English rankings with a RankC of {number(row, 'rankc')} (consistency.csv)."
    )
