"""The shift caused by training: its parts along EN and LOC, and the localization that undoing it restores, by layer."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import _theme as theme
from figures._layers import Curve
from figures._wording import MACRO

SHARES = (
    Curve("share_en", "EN", theme.BLUE, "^"),
    Curve("share_loc", "LOC", theme.VERMILLION, "s"),
    Curve("share_rest", "rest", theme.GREEN, "D"),
)
RESTORED = (
    Curve("restored", "whole shift", theme.BLACK, "o"),
    Curve("restored_en", "EN part", theme.BLUE, "^"),
    Curve("restored_loc", "LOC part", theme.VERMILLION, "s"),
)
RANDOM_SHARE = Curve("share_random", "random", theme.GREY, "")
RANDOM_RESTORED = Curve("restored_random", "random", theme.GREY, "")

COLUMNS = (
    "method", "layer", "language",
    *(
        f"{column}{bound}"
        for column in (*(c.column for c in (*SHARES, RANDOM_SHARE, *RESTORED, RANDOM_RESTORED)), "erasure")
        for bound in ("", "_lo", "_hi")
    ),
)  # fmt: skip


def mechanism(table: pd.DataFrame) -> Figure:
    """Draw the macro rows of a mechanism table: a row of two panels per method, in order of first appearance.

    Left: the parts of the shift's mean square along EN, along LOC and elsewhere, with the level of random directions.
    Right: the localization restored by undoing the shift after a layer, whole and in part, with that of random
    directions, and the whole erasure as a horizontal line. Bands are intervals; what is nowhere measured is not drawn.
    Raises ValueError for missing COLUMNS, a table without macro rows, or more than one row of a method's layer.
    """
    rows = theme.rows_of(table, MACRO, COLUMNS, "mechanism")
    theme.require_one_row_each(rows, ["method", "layer"], "mechanism")
    methods = list(dict.fromkeys(rows["method"]))
    looks = theme.looks(methods)
    with theme.style():
        figure = theme.new_figure(theme.page().double, 1.45 * len(methods) + 0.8)
        grid = figure.subplots(len(methods), 2, sharex=True, sharey="col", squeeze=False)
        for (left, right), method in zip(grid, methods, strict=True):
            own = rows[rows["method"] == method].sort_values("layer")
            left.set_ylabel(f"{looks[theme.family(method)].label}\nshare of the shift")
            _draw(left, method, own, SHARES, RANDOM_SHARE)
            right.set_ylabel("localization\nrestored")
            right.axhline(0, color="#444444", lw=0.6, zorder=1, gid=f"{method}:zero")
            _erasure(right, method, own)
            _draw(right, method, own, RESTORED, RANDOM_RESTORED)
        for axes in grid[0]:
            if axes.get_legend_handles_labels()[0]:  # there are no shares where nothing shifted
                theme.legend_above(axes, spacing=1.2)
        for axes in grid[-1]:
            theme.layer_axis(axes)
        figure.align_ylabels(grid)
        theme.freeze(figure)
    return figure


def _draw(axes: Axes, method: str, rows: pd.DataFrame, curves: Sequence[Curve], random: Curve) -> None:
    for curve in (*curves, random):
        measured = rows[rows[curve.column].notna()]
        if measured.empty:
            continue
        every = max(1, len(measured) // 12)
        dashes = (0, (3, 1.5)) if curve is random else "-"
        axes.plot(
            measured["layer"], measured[curve.column], label=curve.label, gid=f"{method}:{curve.column}",
            color=curve.color, ls=dashes, marker=curve.marker, ms=3.4, mew=0.7, markevery=every,
            zorder=3 if curve is random else 4,
        )  # fmt: skip
        _band(axes, method, measured, curve.column, curve.color)
    theme.few_ticks(axes, "y")


def _erasure(axes: Axes, method: str, rows: pd.DataFrame) -> None:
    if rows["erasure"].notna().any():
        axes.plot(
            rows["layer"], rows["erasure"], color=theme.PURPLE, ls=(0, (1.2, 1.2)), label="erasure",
            gid=f"{method}:erasure", zorder=3,
        )  # fmt: skip
        _band(axes, method, rows, "erasure", theme.PURPLE)


def _band(axes: Axes, method: str, rows: pd.DataFrame, column: str, color: str) -> None:
    theme.band(axes, rows, column, color, alpha=0.12, gid=f"{method}:{column}:band")
