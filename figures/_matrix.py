"""Localization of every language to every culture: a heat map per condition, side by side."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from figures import _theme as theme

TITLES = {
    "base": "base (unsteered)",
    "universal": "LOC, mean of all cultures",
    "left_out": "LOC, mean of the others",
    "other": "LOC of another culture",
    "own": "LOC of the culture",
    "cue": "explicit cue",
    "cue_own": "cue + LOC of the culture",
    "cue_home": "cue + LOC of the language's culture",
}
"""Panels, in reading order."""

COLUMNS = ("language", "culture", "own_culture", "condition", "localization")

_ABREAST = 3
_COLORS = LinearSegmentedColormap.from_list("localization", ["#F7FBFF", theme.SKY, theme.BLUE, "#08223D"])
"""Light to dark in one hue: the order survives in grey and for colour-blind readers."""


def matrix(table: pd.DataFrame) -> Figure:
    """Draw `localization` of a matrix table, languages down and cultures across, in order of first appearance.

    Cells of a language's own culture have a frame; a cell that is not in the table stays empty. Every panel has the
    scale from 0 to 1. Raises ValueError for missing COLUMNS, no condition of TITLES, or two rows of one cell.
    """
    theme.require_columns(table, COLUMNS, "matrix")
    conditions = [name for name in TITLES if name in set(table["condition"])]
    if not conditions:
        raise ValueError(f"the matrix table has no condition among {list(TITLES)}")
    theme.require_one_row_each(table, ["language", "culture", "condition"], "matrix")
    languages, cultures = (list(dict.fromkeys(table[name])) for name in ("language", "culture"))
    own = table.pivot_table(index="language", columns="culture", values="own_culture", aggfunc="any")
    framed = own.reindex(index=languages, columns=cultures).eq(True).to_numpy()
    down = -(-len(conditions) // _ABREAST)
    with theme.style():
        figure = theme.new_figure(theme.page().double, 0.3 + down * (0.4 + 0.2 * len(languages)))
        grid = figure.subplots(down, min(_ABREAST, len(conditions)), sharex=True, sharey=True, squeeze=False)
        panels = grid.ravel()
        for axes, condition in zip(panels, conditions, strict=False):
            rows = table[table["condition"] == condition].set_index(["language", "culture"])["localization"]
            values = rows.unstack("culture").reindex(index=languages, columns=cultures).to_numpy(float)
            mesh = _heat(axes, condition, values)
            for y, x in zip(*np.nonzero(framed), strict=True):
                axes.add_patch(theme.frame(int(x), int(y), f"{condition}:own:{y}:{x}"))
        for axes in panels[len(conditions) :]:
            axes.set_visible(False)
        panels[0].set_xticks(np.arange(len(cultures)) + 0.5, cultures)
        panels[0].set_yticks(np.arange(len(languages)) + 0.5, languages)
        panels[0].set_ylim(len(languages), 0)
        for axes in grid[:, 0]:
            axes.set_ylabel("asked in")
        for axes in grid[-1]:
            axes.set_xlabel("scored for the culture")
        bar = figure.colorbar(mesh, ax=panels.tolist(), fraction=0.02, pad=0.01, aspect=30)
        bar.set_label("localization")
        theme.freeze(figure)
    return figure


def _heat(axes: Axes, condition: str, values: np.ndarray) -> QuadMesh:
    mesh = axes.pcolormesh(
        np.ma.masked_invalid(values), cmap=_COLORS, vmin=0, vmax=1, edgecolors="white", lw=0.6, gid=f"{condition}:cells"
    )
    for (y, x), value in np.ndenumerate(values):
        if np.isfinite(value):
            text = f"{value:.2f}".removeprefix("0") if value < 0.995 else "1"
            axes.text(
                x + 0.5, y + 0.53, text, ha="center", va="center", fontsize=6, color=theme.ink(_COLORS(value)),
                gid=f"{condition}:{y}:{x}",
            )  # fmt: skip
    axes.set_title(TITLES[condition], loc="left", pad=3)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return mesh
