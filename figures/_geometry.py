"""Geometry of EN and LOC layer by layer: cosine, smallest angle between their spans, norms, and stability."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import _theme as theme
from figures._wording import MACRO

VECTORS = {"en": ("EN", theme.BLUE, "^"), "loc": ("LOC", theme.VERMILLION, "s")}
COLUMNS = (
    "layer", "language", "cosine", "cosine_null_lo", "cosine_null_hi",
    *(f"{name}_{what}" for name in VECTORS for what in ("norm", "norm_null", "stability", "stability_null")),
)  # fmt: skip


def geometry(table: pd.DataFrame, layers: pd.DataFrame | None = None) -> Figure:
    """Draw a directions table: thin lines for languages, a thick one for their mean, grey bands for controls.

    Panels: cosine of EN and LOC, with the mean band of random directions of the residuals' covariance; the smallest
    principal angle between the spans of all EN and all LOC vectors (macro rows), with that of random spans; norms over
    the residual's; stability (cosine of refits on halves). layers: rows of `layers.csv`, whose macro rows have the
    interval of the mean cosine. Raises ValueError for missing COLUMNS or no row of a language.
    """
    theme.require_columns(table, COLUMNS, "directions")
    own = table[table["language"] != MACRO].sort_values("layer")
    if own.empty:
        raise ValueError("the directions table has no row of a language")
    macro = table[table["language"] == MACRO].sort_values("layer")
    angles = "angle_1" in macro and bool(macro["angle_1"].notna().any())
    with theme.style():
        figure = theme.new_figure(theme.page().double, 3.6)
        grid = figure.subplots(2, 2, sharex=True)
        panels = grid.ravel()
        _cosine(panels[0], own, layers)
        if angles:
            _angle(panels[1], macro)
        else:
            panels[1].set_visible(False)
        for axes, what, label in ((panels[2], "norm", "norm / residual's norm"), (panels[3], "stability", "stability")):
            _pair(axes, own, what)
            axes.set_ylabel(label)
        for axes in panels:
            theme.few_ticks(axes, "y")
        for axes in grid[-1]:
            theme.layer_axis(axes)
        figure.align_ylabels(grid)
        theme.letters(axes for axes in panels if axes.get_visible())
        theme.freeze(figure)
    return figure


def _languages(axes: Axes, own: pd.DataFrame, column: str, color: str) -> pd.Series:
    """A thin line per language; gives the mean by layer."""
    for code, rows in own.groupby("language", sort=False):
        axes.plot(rows["layer"], rows[column], color=color, lw=0.5, alpha=0.45, zorder=2, gid=f"{column}:{code}")
    return own.groupby("layer")[column].mean()


def _cosine(axes: Axes, own: pd.DataFrame, layers: pd.DataFrame | None) -> None:
    axes.axhline(0, color="#444444", lw=0.6, zorder=1)
    null = own.groupby("layer", as_index=False)[["cosine_null_lo", "cosine_null_hi"]].mean()
    _band(axes, null, "cosine_null", theme.GREY, 0.15, "random directions")
    mean = _languages(axes, own, "cosine", theme.BLUE)
    axes.plot([], [], color=theme.BLUE, lw=0.5, alpha=0.6, label="each language")
    if layers is not None:
        _band(axes, layers[layers["language"] == MACRO].sort_values("layer"), "cos_en_loc", theme.BLACK, 0.2)
    axes.plot(mean.index, mean, "o-", color=theme.BLACK, ms=3.2, label="mean", zorder=4, gid="cosine")
    axes.set_ylabel("cos(EN, LOC)")
    theme.legend_above(axes)


def _angle(axes: Axes, rows: pd.DataFrame) -> None:
    _band(axes, rows, "angle_1_null", theme.GREY, 0.15, "random spans")
    _band(axes, rows, "angle_1", theme.PURPLE, 0.2)
    axes.plot(
        rows["layer"], rows["angle_1"], "D-", color=theme.PURPLE, ms=3, label="all EN and all LOC", zorder=4,
        gid="angle_1",
    )  # fmt: skip
    axes.set_ylabel("smallest angle\n(degrees)")
    theme.legend_above(axes)


def _pair(axes: Axes, own: pd.DataFrame, what: str) -> None:
    for name, (label, color, marker) in VECTORS.items():
        column = f"{name}_{what}"
        mean, null = _languages(axes, own, column, color), own.groupby("layer")[f"{column}_null"].mean()
        axes.plot(mean.index, mean, marker=marker, color=color, ms=3.2, label=label, zorder=4, gid=column)
        axes.plot(null.index, null, color=color, lw=0.9, ls=(0, (3, 1.5)), gid=f"{column}_null")
    axes.plot([], [], color=theme.GREY, lw=0.9, ls=(0, (3, 1.5)), label="control")
    theme.legend_above(axes)


def _band(axes: Axes, rows: pd.DataFrame, column: str, color: str, alpha: float, label: str | None = None) -> None:
    theme.band(axes, rows, column, color, alpha=alpha, gid=f"{column}:band", label=label, zorder=1)
