"""The logit lens on options: whose answer leads after every layer, without a cue and with it."""

import pandas as pd
from matplotlib.figure import Figure

from figures import _theme as theme
from figures._wording import MACRO

COLUMNS = ("layer", "language", "cue", "local", "local_lo", "local_hi", "us", "us_lo", "us_hi")
CUES = {"none": "without a cue", "explicit": "with the cue"}
ANSWERS = {"local": ("local answer", theme.VERMILLION, "s"), "us": ("US answer", theme.BLUE, "^")}
"""Column -> label, colour and marker of its line."""


def lens(table: pd.DataFrame, *, language: str = MACRO) -> Figure:
    """Draw how often the local and the US answer lead after every layer, in one panel per cue.

    Needs the columns `layer` (-1 for the embedding output), `language`, `cue` (`none` or `explicit`), and `local` and
    `us` (shares, 0 to 1) with `_lo` and `_hi`; one row per layer and cue. Raises ValueError for missing columns, an
    empty table, an unknown language, or more than one row of a layer and cue.
    """
    rows = theme.rows_of(table, language, COLUMNS, "lens").sort_values("layer")
    theme.require_one_row_each(rows, ["language", "cue", "layer"], "lens")
    cues = {cue: label for cue, label in CUES.items() if cue in set(rows["cue"])}
    with theme.style():
        figure = theme.new_figure(theme.page().single, 1.25 * len(cues) + 0.6)
        grid = figure.subplots(len(cues), sharex=True, sharey=True, squeeze=False).ravel()
        for axes, (cue, label) in zip(grid, cues.items(), strict=True):
            own = rows[rows["cue"] == cue]
            for column, (name, color, marker) in ANSWERS.items():
                gid = f"{column}:{cue}"
                axes.plot(own["layer"], own[column], label=name, color=color, marker=marker, ms=3.4, gid=gid, zorder=4)
                theme.band(axes, own, column, color, alpha=0.16, gid=f"{gid}:band")
            axes.set_ylabel(f"{label}\nshare that leads")
            theme.few_ticks(axes, "y")
        theme.legend_above(grid[0], 2)
        theme.layer_axis(grid[-1])
        theme.letters(grid)
        figure.align_ylabels(grid)
        theme.freeze(figure)
    return figure
