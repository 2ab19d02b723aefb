"""Erased or inaccessible: what training lost of localization, and what LOC, the cue and a probe still find."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import _theme as theme
from figures._theme import Look
from figures._wording import MACRO

_APART = 0.62
"""Room that the methods of one quantity share, of the 1 between two quantities."""


@dataclass(frozen=True)
class Quantity:
    """One column of the table and how it is named; `control`: what there would be without the thing measured."""

    column: str
    label: str
    control: bool = False
    of_base: bool = False


@dataclass(frozen=True)
class Panel:
    """Quantities that share an axis, and whether that axis has a zero line."""

    title: str
    label: str
    quantities: tuple[Quantity, ...]
    zero: bool = False


PANELS = (
    Panel(
        "lost, and given back",
        "difference in share right",
        (
            Quantity("erasure", "lost: localization"),
            Quantity("knowledge_lost", "lost: with the cue"),
            Quantity("probe_lost", "lost: in the probe"),
            Quantity("recoverable", "back: LOC, beyond base"),
            Quantity("recoverable_wrong", "back: wrong culture", control=True),
        ),
        zero=True,
    ),
    Panel(
        "the answers that were lost",
        "share right again",
        (
            Quantity("returned", "with LOC"),
            Quantity("returned_cue", "with the cue"),
            Quantity("returned_wrong", "with wrong culture", control=True),
            Quantity("gained", "never right: with LOC", control=True),
        ),
    ),
    Panel(
        "read by a probe",
        "share of items",
        (
            Quantity("probe_base", "in base", of_base=True),
            Quantity("probe_trained", "in the trained model"),
            Quantity("probe_unasked", "without the question", control=True),
            Quantity("probe_embedding", "option's token alone", control=True),
            Quantity("probe_control", "shuffled labels", control=True),
        ),
    ),
)

COLUMNS = (
    "method",
    "language",
    *(f"{q.column}{end}" for panel in PANELS for q in panel.quantities for end in ("", "_lo", "_hi")),
    "probe_chance",
)


def erasure(table: pd.DataFrame) -> Figure:
    """Draw, for each trained method, the localization lost and what restores it (macro rows). Controls are hollow.

    Needs `COLUMNS`: `method, language`, each quantity of `PANELS` with `_lo` and `_hi`, and `probe_chance`. NaN values
    are not drawn. Raises ValueError for missing columns, no macro row, more than one of a method, or no erasure.
    """
    rows = theme.rows_of(table, MACRO, COLUMNS, "erasure")
    theme.require_one_row_each(rows, ["method"], "erasure")
    unmeasured = rows.loc[~np.isfinite(rows["erasure"].to_numpy(float)), "method"]
    if len(unmeasured):
        raise ValueError(f"no finite erasure of the methods {list(unmeasured)}")
    looks = theme.looks([*rows["method"], "base"])
    base = looks["base"]
    with theme.style():
        counts = [len(panel.quantities) for panel in PANELS]
        height = sum(counts) * (0.17 + 0.055 * len(rows)) + 1.75
        figure = theme.new_figure(theme.page().single, height)
        grid = figure.subplots(len(PANELS), squeeze=False, height_ratios=counts).ravel()
        for axes, panel in zip(grid, PANELS, strict=True):
            _draw(axes, panel, rows, looks)
        for chance in rows["probe_chance"].dropna().unique():
            grid[-1].axvline(chance, color=theme.GREY, lw=0.7, ls=":", zorder=1, gid=f"chance:{chance:.3g}")
        handles = [_mark(looks[theme.family(method)], hollow=False) for method in rows["method"]]
        handles += [
            _mark(base, hollow=False),
            Line2D([], [], color="#444444", ls="none", marker="o", mfc="white", ms=4, label="control (hollow)"),
            Line2D([], [], color="#444444", lw=0.9, label="95% interval"),
            Line2D([], [], color=theme.GREY, lw=0.7, ls=":", label="chance"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
        theme.freeze(figure)
    return figure


def _draw(axes: Axes, panel: Panel, rows: pd.DataFrame, looks: dict[str, Look]) -> None:
    if panel.zero:
        axes.axvline(0, color="#444444", lw=0.6, zorder=1, gid="zero")
    places = np.linspace(-_APART / 2, _APART / 2, len(rows)) if len(rows) > 1 else np.zeros(1)
    for height, quantity in enumerate(panel.quantities):
        if quantity.of_base:  # the same in every row
            _draw_one(axes, quantity, "base", rows.iloc[0], height, looks["base"])
            continue
        for place, (_, row) in zip(places, rows.iterrows(), strict=True):
            look = looks[theme.family(row["method"])]
            _draw_one(axes, quantity, row["method"], row, height + float(place), look)
    axes.set_yticks(range(len(panel.quantities)), [quantity.label for quantity in panel.quantities])
    axes.set_ylim(len(panel.quantities) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    theme.few_ticks(axes, "x")
    axes.set_xlabel(panel.label)
    axes.set_title(panel.title, loc="left", pad=3)


def _draw_one(axes: Axes, quantity: Quantity, method: str, row: pd.Series, y: float, look: Look) -> None:
    value, lo, hi = (float(row[f"{quantity.column}{end}"]) for end in ("", "_lo", "_hi"))
    if not np.isfinite(value):
        return
    gid = f"{quantity.column}:{method}"
    axes.plot([lo, hi], [y, y], color=look.color, lw=0.9, alpha=0.8, zorder=2, gid=f"{gid}:interval")
    mark = _mark(look, hollow=quantity.control)
    mark.set(xdata=[value], ydata=[y], zorder=3, gid=f"{gid}:point")
    axes.add_line(mark)


def _mark(look: Look, *, hollow: bool) -> Line2D:
    edge = look.color if hollow else "#222222"
    return Line2D(
        [], [], ls="none", marker=look.marker, color=look.color, ms=4.5, mfc="white" if hollow else look.color,
        mec=edge, mew=0.8 if hollow else 0.4, label=look.label,
    )  # fmt: skip
