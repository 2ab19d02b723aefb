"""Searches over noise: the gain that each shows on dev, and what test says of it."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import _theme as theme

AXES = ("transfer", "localization")
COLUMNS = (
    "seed", "random",
    *(f"dev_d_{axis}" for axis in AXES),
    *(f"d_{axis}{end}" for axis in AXES for end in ("", "_lo", "_hi")),
)  # fmt: skip


def noise(table: pd.DataFrame) -> Figure:
    """Draw searches over noise, ordered by their estimate on test, with intervals: a row per kind, a column per axis.

    table: rows of `noise.csv` of one language (or `macro`). Intervals whose lower bound is above 0 are coloured, and
    counted in the panel. Crosses are the gains on dev, in probability. Raises ValueError for missing columns or rows.
    """
    theme.require_columns(table, COLUMNS, "noise")
    kinds = list(dict.fromkeys(table["random"]))
    with theme.style():
        figure = theme.new_figure(theme.page().double, 0.4 + 1.7 * len(kinds))
        panels = figure.subplots(len(kinds), 2, squeeze=False, sharex=True)
        for line, kind in zip(panels, kinds, strict=True):
            for axes, metric in zip(line, AXES, strict=True):
                _panel(axes, table[table["random"] == kind], metric)
                axes.set_title(f"random {kind}: {metric}")
        for axes in panels[-1]:
            axes.set_xlabel("searches, by their gain on test")
        for line in panels:
            line[0].set_ylabel("gain")
        panels[0][0].legend(loc="upper left")
        theme.freeze(figure)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, metric: str) -> None:
    rows = rows.sort_values([f"d_{metric}", "seed"])
    above = (rows[f"d_{metric}_lo"] > 0).to_numpy()
    places = range(len(rows))
    for place, wrong, lo, hi in zip(places, above, rows[f"d_{metric}_lo"], rows[f"d_{metric}_hi"], strict=True):
        axes.plot([place, place], [lo, hi], color=theme.VERMILLION if wrong else theme.GREY, lw=0.8, alpha=0.8)
    axes.plot(
        places, rows[f"d_{metric}"], "o", ms=1.8, color=theme.BLACK, label="test, 95% interval", gid=f"{metric}:test"
    )
    axes.plot(places, rows[f"dev_d_{metric}"], "x", ms=2.4, mew=0.6, color=theme.BLUE, label="dev", gid=f"{metric}:dev")
    axes.axhline(0, color="#333333", lw=0.6)
    axes.text(
        0.98, 0.04, f"lower bound above 0: {int(above.sum())} of {len(rows)}", transform=axes.transAxes, ha="right",
        va="bottom", fontsize=6.5,
    )  # fmt: skip
