"""Headroom: how much better the unsteered model is in English than in other languages, and with a cue than without."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from figures import Row, language_name, listed, number
from interp.names import BASE, MACRO
from interp.plane import Cells, Resampling, chance_table, estimate, outcomes, with_neither
from interp.study.score import interval_columns, own_options
from probes import Interval, expanded_level

HEADROOM = {"transfer": "headroom_transfer", "localization": "headroom_localization"}
"""Metric -> the column of its headroom."""

METRICS = (
    "transfer_english", "transfer", "headroom_transfer",
    "localization", "explicit_localization", "headroom_localization", "us_bias",
)  # fmt: skip
"""Columns of `headroom.csv` that are means over prompts."""

NO_BOUND = "The cue is not an upper bound: a steering vector may raise localization further than the cue does."


def with_headroom(table: pd.DataFrame, english: pd.DataFrame, normalisation: str) -> pd.DataFrame:
    """Outcomes with `transfer_english`, `headroom_transfer` and `headroom_localization` in base's rows.

    table: of `outcomes`. english: the unsteered model's scores in English (columns of
    `interp.study.ask.COLUMNS`). transfer_english: what English has on the universal item that the row asks in its
    language; headroom_transfer: that minus `transfer`. headroom_localization: in the row without a cue, what the item
    has with the cue minus what it has without. NaN in other rows, and where an item lacks one of the two.
    """
    base = table["method"] == BASE
    in_english = outcomes(own_options(english), normalisation).set_index("item")["transfer"]
    known = table["item"].map(in_english).where(base & table["transfer"].notna())
    cued = table[base & table["explicit_localization"].notna()].set_index(["language", "item"])["explicit_localization"]
    behind_cue = cued.reindex(pd.MultiIndex.from_frame(table[["language", "item"]])).to_numpy()
    return table.assign(
        transfer_english=known,
        headroom_transfer=known - table["transfer"],
        headroom_localization=(behind_cue - table["localization"]).where(base),
    )


def base_cells(scores: pd.DataFrame, english: pd.DataFrame, normalisation: str, resampling: Resampling) -> Cells:
    """Cells for `headroom_table`, of the unsteered model alone: its scores on test, and those in English."""
    table = with_headroom(outcomes(scores, normalisation), english, normalisation)
    return Cells(with_neither(table), resampling)


def headroom_table(cells: Cells) -> pd.DataFrame:
    """The rows of `headroom.csv`: per language, and `macro`, METRICS and effective chance with 95% intervals.

    cells: of outcomes `with_headroom` and `with_neither`. The headroom is paired by item, over the same resampled
    clusters; n_universal and n_cultural count its prompts. The other columns are means over all prompts of their kind.
    """
    rows = []
    for language in (*cells.languages, MACRO):
        row: dict[str, object] = {"language": language}
        for metric in METRICS:
            row |= interval_columns(metric, estimate(cells, [BASE], language, metric))
        counts = {"n_universal": "headroom_transfer", "n_cultural": "headroom_localization"}
        rows.append(row | {name: cells.count(language, metric) for name, metric in counts.items()})
    return pd.DataFrame(rows).merge(chance_table(cells), on="language", how="left")


def recovered(cells: Cells, method: str, language: str, metric: str) -> Interval | None:
    """A method's gain over base as a share of the headroom, with a joint 95% interval; None if none is shown.

    metric: `transfer` or `localization`. A headroom is shown where the lower bound of its interval is above 0. Gain and
    headroom are resampled together, and `macro` is the mean gain over the mean headroom. A draw without headroom counts
    as a share without bound, of the sign of its gain. A share can be above 1 or below 0.
    """
    headroom = estimate(cells, [BASE], language, HEADROOM[metric])
    if not headroom.lo > 0:
        return None
    gain = cells.effect({method: 1.0, BASE: -1.0}, language, metric)
    below = cells.draws(BASE, language, HEADROOM[metric])
    unbounded = np.select([gain.draws > 0, gain.draws < 0], [np.inf, -np.inf], gain.draws)
    shares = np.divide(gain.draws, below, out=unbounded, where=below > 0)
    measured = cells.measured(BASE, language, HEADROOM[metric]) & cells.measured(method, language, metric)
    known = shares[~np.isnan(shares)]
    if measured.sum() < 2 or not len(known):
        return Interval(gain.estimate / headroom.estimate, np.nan, np.nan)
    level = expanded_level(int(measured.sum()))
    lo = np.quantile(known, (1 - level) / 2, method="lower")
    hi = np.quantile(known, (1 + level) / 2, method="higher")
    return Interval(gain.estimate / headroom.estimate, float(lo), float(hi))


def recovered_table(cells: Cells, methods: Sequence[str]) -> pd.DataFrame:
    """The rows of `recovered.csv`: per method, language (and `macro`) and metric, gain, headroom and `recovered`.

    Each with 95% intervals; `recovered` is empty if no headroom is shown.
    """
    rows = []
    for method in methods:
        for language in (*cells.languages, MACRO):
            for metric, headroom in HEADROOM.items():
                share = recovered(cells, method, language, metric) or Interval(np.nan, np.nan, np.nan)
                row = {"method": method, "language": language, "metric": metric}
                row |= interval_columns("gain", estimate(cells, [method], language, metric, minus=BASE))
                row |= interval_columns("headroom", estimate(cells, [BASE], language, headroom))
                rows.append(row | interval_columns("recovered", share))
    return pd.DataFrame(rows)


def headroom_lines(table: pd.DataFrame) -> list[str]:
    """What a `headroom_table` says, in words: the first lines of a run's output and report."""
    row = table[table["language"] == MACRO].to_dict("records")[0]
    languages = table[table["language"] != MACRO].to_dict("records")
    return [
        f"{_heading(row, 'transfer')}: the unsteered model answers {number(row, 'transfer_english')} of the facts "
        f"right in English and {number(row, 'transfer')} in the other languages, a difference of "
        f"{number(row, 'headroom_transfer', signed=True)}.{_where(languages, 'transfer')}",
        f"{_heading(row, 'localization')}: the unsteered model answers {number(row, 'explicit_localization')} of the "
        "cultural questions as the language's own culture would if a cue names the place, and "
        f"{number(row, 'localization')} without a cue, a difference of "
        f"{number(row, 'headroom_localization', signed=True)}."
        f"{_where(languages, 'localization')} {NO_BOUND}",
        f"Without a cue, it answers as the US would in {number(row, 'us_bias')} of the cases and chooses an option "
        f"that is neither local nor the US's in {number(row, 'neither')}. The effective chance level for localization "
        f"is therefore {number(row, 'chance_effective')}.",
    ]


def headroom_notes(shares: pd.DataFrame) -> dict[tuple[str, str, str], str]:
    """(method, language, metric) -> what a verdict says of the headroom, of the rows of `recovered_table`."""
    return {(row["method"], row["language"], row["metric"]): _note(row) for row in shares.to_dict("records")}


def _note(row: Row) -> str:
    if pd.isna(row["headroom"]):
        return "The headroom was not measured."
    where = "in English" if row["metric"] == "transfer" else "with the cue"
    gain = number(row, "headroom", signed=True)
    if pd.isna(row["recovered"]):
        return f"No headroom is shown: when asked {where}, the unsteered model gains {gain}."
    share = number(row, "recovered") if row["gain"] > 0 else "nothing"
    return (
        f"The headroom (what the unsteered model gains when asked {where}) is {gain}, and steering recovers {share} "
        "of it."
    )


def _heading(row: Row, metric: str) -> str:
    return f"Headroom for {metric}" if _shown(row, metric) else f"No headroom for {metric} is shown"


def _shown(row: Row, metric: str) -> bool:
    return bool(row[f"{HEADROOM[metric]}_lo"] > 0)


def _where(languages: Sequence[Row], metric: str) -> str:
    """In which languages there is a headroom, where they differ."""
    by_shown = {
        shown: [language_name(str(row["language"])) for row in languages if _shown(row, metric) is shown]
        for shown in (True, False)
    }
    if not by_shown[True] or not by_shown[False]:
        return ""
    return f" Headroom is shown in {listed(by_shown[True])} but not in {listed(by_shown[False])}."
