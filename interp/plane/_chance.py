"""Effective chance level: the localization of a random choice between the local and the US option."""

from __future__ import annotations

import pandas as pd

from interp.names import BASE, MACRO
from interp.plane import Cells, estimate


def with_neither(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Outcomes with the column `neither`: whether the choice is neither the local nor the US option.

    NaN if there was no choice between them: cultural items without a US option, and all other prompts.
    """
    return outcomes.assign(neither=1.0 - outcomes["localization"] - outcomes["us_bias"])


def localization_chance(scores: pd.DataFrame) -> float:
    """Chance of localization: the mean of 1 / n over the uncued cultural prompts of a table of scores, of n options."""
    asked = scores["own"] & (scores["option"] >= 0) & (scores["cue"] == "none") & (scores["axis"] == "cultural")
    return float((1 / scores[asked].groupby(["language", "item"], observed=True).size()).mean())


def chance_table(cells: Cells) -> pd.DataFrame:
    """`neither` and `chance_effective` of the base model, per language and for `macro`, with intervals.

    neither: share of uncued cultural items with a US option where the choice is neither local nor the US's.
    chance_effective: (1 - neither) / 2 (our definition), the localization of a model that chooses neither as often as
    this one, and otherwise the local and the US option equally often. It is 0.5 if neither is never chosen, and 1 / n
    if n options are chosen equally often. cells: made from outcomes `with_neither`.
    """
    rows = []
    for language in (*cells.languages, MACRO):
        share = estimate(cells, [BASE], language, "neither")
        rows.append(
            {"language": language,
             "chance_effective": (1 - share.estimate) / 2,
             "chance_effective_lo": (1 - share.hi) / 2, "chance_effective_hi": (1 - share.lo) / 2,
             "neither": share.estimate, "neither_lo": share.lo, "neither_hi": share.hi}
        )  # fmt: skip
    return pd.DataFrame(rows)
