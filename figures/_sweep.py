"""What a vector does at every layer and strength: a heat map per vector and axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from figures import _theme as theme
from figures._wording import MACRO, Row

VECTORS = {"en": "EN-steering", "loc": "LOC-steering"}
AXES = {"d_transfer": "transfer", "d_localization": "localization"}
COLUMNS = (
    "method", "layer", "strength", "language", "chosen",
    *(f"{axis}{end}" for axis in AXES for end in ("", "_lo", "_hi")),
)  # fmt: skip

_COLORS = LinearSegmentedColormap.from_list("change", ["#7A2E00", theme.VERMILLION, "#FFFFFF", theme.BLUE, "#08223D"])
"""Down in orange, up in blue, nothing in white: told apart by colour-blind readers; signs are written in for grey."""


def sweep(table: pd.DataFrame, *, language: str = MACRO) -> Figure:
    """Draw changes from base at every layer and strength: a row per vector, a column per axis, one scale around 0.

    table: rows of `sweep.csv`. A cell shows its change in percentage points, in bold if the 95% interval excludes 0.
    Cells that were chosen on dev have a frame; for `macro` the frame shows in how many languages. Raises ValueError for
    missing COLUMNS, an unknown language, or two rows of a cell.
    """
    rows = theme.rows_of(table, language, COLUMNS, "sweep")
    theme.require_one_row_each(rows, ["method", "layer", "strength"], "sweep")
    vectors = [name for name in VECTORS if name in set(rows["method"])]
    if not vectors:
        raise ValueError(f"the sweep table has no method among {list(VECTORS)}")
    reach = max(0.01, float(np.nanmax(np.abs(rows[list(AXES)].to_numpy(float)))))
    layers = sorted(rows["layer"].unique())
    with theme.style():
        wide = len(layers) > 10
        height = 0.5 + len(vectors) * (0.45 + 0.2 * rows["strength"].nunique())
        figure = theme.new_figure(theme.page().double if wide else theme.page().single * 1.45, height)
        grid = figure.subplots(len(vectors), len(AXES), sharex=True, sharey=True, squeeze=False)
        for line, name in zip(grid, vectors, strict=True):
            own = rows[rows["method"] == name]
            for axes, column in zip(line, AXES, strict=True):
                mesh = _heat(axes, own, column, reach, say=len(layers) <= 16)
                axes.set_title(f"{VECTORS[name]}: {AXES[column]}", loc="left", pad=3)
            line[0].set_ylabel("strength")
        for axes in grid[-1]:
            axes.set_xlabel("layer")
        bar = figure.colorbar(mesh, ax=grid.ravel().tolist(), fraction=0.03, pad=0.01, aspect=25)
        bar.set_label("change from base (percentage points)")
        bar.formatter = FuncFormatter(lambda value, _: f"{100 * value:+.3g}")
        theme.letters(grid.ravel())
        theme.freeze(figure)
    return figure


def _heat(axes: Axes, rows: pd.DataFrame, column: str, reach: float, *, say: bool) -> QuadMesh:
    layers, strengths = sorted(rows["layer"].unique()), sorted(rows["strength"].unique(), key=_order)
    values = rows.pivot(index="strength", columns="layer", values=column).loc[strengths, layers].to_numpy(float)
    mesh = axes.pcolormesh(
        np.ma.masked_invalid(values), cmap=_COLORS, vmin=-reach, vmax=reach, edgecolors="white", lw=0.5,
        gid=f"{rows['method'].iloc[0]}:{column}",
    )  # fmt: skip
    for row in rows.to_dict("records"):
        x, y = layers.index(row["layer"]), strengths.index(row["strength"])
        if say:
            _say(axes, row, column, x, y, reach)
        if row["chosen"] > 0:
            gid = f"chosen:{row['method']}:{column}:{row['layer']}:{strength_label(row['strength'])}"
            axes.add_patch(theme.frame(x, y, gid, theme.BLACK))
            if row["language"] == MACRO:
                axes.text(
                    x + 0.93, y + 0.9, f"{row['chosen']:.0f}", ha="right", va="top", fontsize=6,
                    color=theme.ink(_COLORS(0.5 + row[column] / reach / 2)),
                )  # fmt: skip
    axes.set_xticks(*_ticks(layers))
    axes.set_yticks(np.arange(len(strengths)) + 0.5, [strength_label(strength) for strength in strengths])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return mesh


def strength_label(strength: float | str) -> str:
    """A strength as it is written: a multiple, or a share of the residual norm such as `0.1r`."""
    return strength if isinstance(strength, str) else f"{strength:g}"


def _order(strength: float | str) -> tuple[bool, float]:
    """Multiples first, then shares, both by size."""
    text = strength_label(strength)
    return text.endswith("r"), float(text.removesuffix("r"))


def _say(axes: Axes, row: Row, column: str, x: int, y: int, reach: float) -> None:
    value = float(row[column])
    if not np.isfinite(value):
        return
    clear = row[f"{column}_lo"] > 0 or row[f"{column}_hi"] < 0
    text = f"{100 * value:+.0f}"
    axes.text(
        x + 0.5, y + 0.5, "0" if text in ("+0", "-0") else text, ha="center", va="center", fontsize=6,
        fontweight="bold" if clear else "normal", fontfamily="DejaVu Sans",
        color=theme.ink(_COLORS(0.5 + value / reach / 2)),
        gid=f"{row['method']}:{column}:{row['layer']}:{strength_label(row['strength'])}",
    )  # fmt: skip


def _ticks(layers: Sequence[int]) -> tuple[np.ndarray, list[str]]:
    every = max(1, len(layers) // 12)
    shown = range(0, len(layers), every)
    return np.array(shown) + 0.5, [str(layers[place]) for place in shown]
