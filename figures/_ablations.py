"""The searched plan and every ablation of it: gains on both axes, a row each, with intervals."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import _theme as theme

AXES = {"transfer": "gain in transfer", "localization": "gain in localization"}
COLUMNS = ("ablation", "group", *(f"d_{axis}{end}" for axis in AXES for end in ("", "_lo", "_hi")))
_ROW = 0.125
"""Inches per row."""


def ablations(table: pd.DataFrame, plans: pd.DataFrame | None = None) -> Figure:
    """Draw gains over the unsteered model on test, with 95% intervals. The band is the interval of the searched plan.

    table: rows of `ablations.csv` of one language (or `macro`); the group `searched` comes first. plans: rows of
    `regret.csv` of the same language: the other choices and the oracle (chosen on test, hollow) above the ablations.
    Raises ValueError for missing columns, no rows, or not exactly one searched row.
    """
    theme.require_columns(table, COLUMNS, "ablations")
    searched = table[table["group"] == "searched"]
    if len(searched) != 1:
        raise ValueError(f"the ablations table must have one row of the group 'searched', got {len(searched)}")
    rows = _rows(table, plans)
    with theme.style():
        figure = theme.new_figure(theme.page().double, 0.8 + _ROW * (len(rows) + rows["group"].nunique()))
        places = _places(rows)
        pair = figure.subplots(1, 2, sharey=True)
        for axes, (metric, label) in zip(pair, AXES.items(), strict=True):
            _panel(axes, rows, places, searched.iloc[0], metric)
            axes.set_xlabel(label)
            theme.few_ticks(axes, "x")
        pair[0].set_yticks(places, rows["ablation"])
        pair[0].set_ylim(places.max() + 0.8, -0.8)
        for axes in pair:
            axes.tick_params(axis="y", length=0)
        theme.freeze(figure)
    return figure


def _rows(table: pd.DataFrame, plans: pd.DataFrame | None) -> pd.DataFrame:
    rows = table[list(COLUMNS)]
    if plans is None:
        return rows.reset_index(drop=True)
    other = plans[~plans["plan"].isin(rows["ablation"])].rename(columns={"plan": "ablation"})
    other = other.assign(group=np.where(other["ablation"] == "oracle", "oracle", "choices"))
    searched = rows["group"] == "searched"
    return pd.concat([rows[searched], other[list(COLUMNS)], rows[~searched]], ignore_index=True)


def _places(rows: pd.DataFrame) -> np.ndarray:
    """A gap of one row between groups; the oracle stands with the choices."""
    group = rows["group"].replace({"oracle": "choices", "searched": "choices"})
    return np.arange(len(rows)) + (group != group.shift()).cumsum().to_numpy() - 1.0


def _panel(axes: Axes, rows: pd.DataFrame, places: np.ndarray, searched: pd.Series, metric: str) -> None:
    column = f"d_{metric}"
    axes.axvspan(searched[f"{column}_lo"], searched[f"{column}_hi"], color=theme.GREEN, alpha=0.12, lw=0)
    axes.axvline(0, color=theme.GREY, lw=0.6, ls=(0, (2, 2)))
    colors = {"searched": theme.GREEN, "choices": theme.BLUE, "oracle": theme.BLUE, "controls": theme.GREY}
    for place, row in zip(places, rows.to_dict("records"), strict=True):
        color = colors.get(str(row["group"]), theme.BLACK)
        axes.plot(
            [row[f"{column}_lo"], row[f"{column}_hi"]], [place, place], color=color, lw=0.9, solid_capstyle="butt"
        )
        hollow = row["group"] == "oracle"
        axes.plot(
            row[column], place, "o", ms=3.2, color=color, mfc="white" if hollow else color, mew=0.8,
            gid=f"{row['ablation']}:{column}",
        )  # fmt: skip
