"""What the model knows in English and says in another language: transfer given English, and consistency of rankings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from jaxtyping import Float

from figures import number
from interp.names import BASE, MACRO
from interp.plane import Cells, Effect, estimate, normalise, outcomes
from interp.progress import Advance
from interp.steering import Plan
from interp.study.ask import ScoreTables, Study, score_tasks
from interp.study.score._robustness import own_options
from probes import Interval

PROMPT = ["method", "language", "item"]
RATIO = ("known_right", "known")
"""Numerator and denominator of transfer among the items known in English."""


def english_scores(study: Study, advance: Advance) -> pd.DataFrame:
    """Scores of the unsteered model on all universal test items in English, its corpus' own among them.

    The columns are those of `interp.study.ask.COLUMNS`, the method is `base`.
    """

    def make() -> pd.DataFrame:
        tasks = study.universal_tasks("en", "test", everywhere=True)
        return ScoreTables(tasks, score_tasks(study, tasks, [Plan()], partial(advance, "English"))).tables([BASE])

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
            row |= _bounded("transfer_given_en", given_english(cells, members, language))
            row |= _bounded("d_transfer_given_en", given_english(cells, members, language, minus=BASE))
            row |= _bounded("rankc", estimate(cells, members, language, "rankc"))
            row |= _bounded("d_rankc", estimate(cells, members, language, "rankc", minus=BASE))
            row |= _bounded("english", estimate(cells, [BASE], language, "known"))
            row["n_known"] = sum(float(cells.sums(BASE, code, "known")[0].sum()) for code in codes)
            row["n"] = cells.count(language, "known")
            rows.append(row)
    return pd.DataFrame(rows)


def given_english(cells: Cells, methods: Sequence[str], language: str, minus: str | None = None) -> Interval:
    """Median over `methods` of transfer among the items known in English, optionally minus that of another method.

    A ratio of sums over the same clusters; `macro` is the mean of the languages' ratios. NaN where nothing is known.
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


def _bounded(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.estimate, f"{name}_lo": interval.lo, f"{name}_hi": interval.hi}


def consistency_line(table: pd.DataFrame) -> str:
    """How many of the facts that base knows in English it also gets right elsewhere, and how far its rankings agree."""
    row = table[(table["method"] == BASE) & (table["language"] == MACRO)].to_dict("records")[0]
    return (
        f"Unsteered, the model gets {number(row, 'english')} of the facts right in English; of these it gets "
        f"{number(row, 'transfer_given_en')} right in the other languages, and its rankings of the options agree with "
        f"English by RankC {number(row, 'rankc')} (consistency.csv)."
    )
