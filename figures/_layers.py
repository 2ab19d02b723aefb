"""Curves over layers: where probes read, where languages align, where the vectors agree, and what steering does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import _theme as theme
from figures._wording import MACRO

COLUMNS = ("layer", "language")


@dataclass(frozen=True)
class Curve:
    """One column of the table and how it is drawn."""

    column: str
    label: str
    color: str
    marker: str
    hollow: bool = False


@dataclass(frozen=True)
class Panel:
    """Curves that share an axis, and whether that axis has a zero line."""

    label: str
    curves: tuple[Curve, ...]
    zero: bool = False


PANELS = (
    Panel(
        "probe\naccuracy",
        (
            Curve("probe_universal", "universal", theme.BLUE, "o"),
            Curve("probe_language", "language", theme.ORANGE, "^"),
            Curve("probe_culture", "culture", theme.VERMILLION, "s"),
            Curve("probe_answer", "answer", theme.GREEN, "D"),
        ),
    ),
    Panel(
        "alignment\n(cosine margin)",
        (
            Curve("alignment_universal", "universal", theme.BLUE, "o"),
            Curve("alignment_cultural", "cultural", theme.VERMILLION, "s"),
        ),
        zero=True,
    ),
    Panel("cos(EN, LOC)", (Curve("cos_en_loc", "EN and LOC", theme.BLACK, "o"),), zero=True),
    Panel(
        "effect of\nsteering",
        (
            Curve("d_transfer_en", "EN: transfer", theme.BLUE, "^"),
            Curve("d_localization_en", "EN: localization", theme.BLUE, "v", hollow=True),
            Curve("d_transfer_loc", "LOC: transfer", theme.VERMILLION, "D"),
            Curve("d_localization_loc", "LOC: localization", theme.VERMILLION, "s", hollow=True),
        ),
        zero=True,
    ),
)

MARKS = {"en": ("EN", theme.BLUE, (0, (4, 1.5))), "loc": ("LOC", theme.VERMILLION, (0, (1.2, 1.2)))}
"""Label, colour and dashes of the layers that were chosen for a vector."""

ONSETS = {"universal": ("universal onset", theme.BLUE), "cultural": ("cultural onset", theme.VERMILLION)}


def layers(
    table: pd.DataFrame,
    *,
    chosen: Mapping[str, int] | None = None,
    onsets: pd.DataFrame | None = None,
    directions: pd.DataFrame | None = None,
    language: str = MACRO,
) -> Figure:
    """Draw the curves of one language, or of the macro-average, in stacked panels that share the layer axis.

    Needs the columns `layer` (0-based block) and `language`, one row per layer, and at least one metric column of
    `PANELS`; each may have `_lo`, `_hi` and `_control`. What is absent, or nowhere measured, is not drawn. `chosen`
    maps a vector's name (`en`, `loc`) to its layer, marked in every panel. onsets: rows of `onsets.csv`, of which that
    of the language gives the layers where universal and cultural signals set in: a bar below the first panel's curves
    over the interval, with a mark at the estimate; an onset that was not found has none. directions: rows of
    `directions.csv`, whose grey band says where the cosine of random directions lies. Raises ValueError for missing
    columns, an empty table, an unknown language, more than one row of a layer, no metric, or a chosen layer not in the
    table.
    """
    rows = theme.rows_of(table, language, COLUMNS, "layers").sort_values("layer")
    theme.require_one_row_each(rows, ["language", "layer"], "layers")
    chosen = dict(chosen or {})
    for name, layer in chosen.items():
        if layer not in rows["layer"].values:
            raise ValueError(f"chosen layer {layer} of {name!r} is not in the table: {rows['layer'].tolist()}")
    panels = [(panel, [curve for curve in panel.curves if _measured(rows, curve.column)]) for panel in PANELS]
    panels = [(panel, curves) for panel, curves in panels if curves]
    if not panels:
        known = [curve.column for panel in PANELS for curve in panel.curves]
        raise ValueError(f"the layers table has no measured metric column; known are {known}")
    with theme.style():
        heights = [1.0 if len(curves) > 1 else 0.7 for _, curves in panels]
        figure = theme.new_figure(theme.page().single, 1.35 * sum(heights) + 0.5)
        grid = figure.subplots(len(panels), sharex=True, squeeze=False, height_ratios=heights).ravel()
        for i, (axes, (panel, curves)) in enumerate(zip(grid, panels, strict=True)):
            _draw(axes, panel, curves, rows)
            if directions is not None and any(curve.column == "cos_en_loc" for curve in curves):
                _chance(axes, directions, language)
            _mark(axes, chosen, gid=f"panel{i}")
        _name_marks(grid[-1], chosen, rows)
        if onsets is not None and {"language", *ONSETS} <= set(onsets):
            _onsets(grid[0], onsets[onsets["language"] == language])
        theme.layer_axis(grid[-1])
        first, last = rows["layer"].min(), rows["layer"].max()
        margin = max(0.4, 0.025 * (last - first))
        grid[-1].set_xlim(first - margin, last + margin)
        figure.align_ylabels(grid)
        theme.letters(grid)
        theme.freeze(figure)
    return figure


def _measured(rows: pd.DataFrame, column: str) -> bool:
    return column in rows and bool(rows[column].notna().any())


def _draw(axes: Axes, panel: Panel, curves: list[Curve], rows: pd.DataFrame) -> None:
    if panel.zero:
        axes.axhline(0, color="#444444", lw=0.6, zorder=1, gid=f"{panel.curves[0].column}:zero")
    every = max(1, len(rows) // 12)
    controls = False
    for i, curve in enumerate(curves):
        line: dict[str, Any] = {"color": curve.color, "marker": curve.marker, "ms": 3.4, "mew": 0.7, "mec": curve.color}
        measured = rows[rows[curve.column].notna()]  # an effect may be measured at every second layer
        step = max(1, every * len(measured) // len(rows))
        line |= {"mfc": "white" if curve.hollow else curve.color, "markevery": (i * step // len(curves), step)}
        axes.plot(measured["layer"], measured[curve.column], label=curve.label, gid=curve.column, zorder=4, **line)
        _band(axes, measured, curve.column, curve.color)
        control = f"{curve.column}_control"
        if _measured(rows, control):
            axes.plot(rows["layer"], rows[control], color=curve.color, lw=0.9, ls=(0, (3, 1.5)), gid=control, zorder=3)
            _band(axes, rows, control, curve.color)
            controls = True
    axes.set_ylabel(panel.label)
    theme.few_ticks(axes, "y")
    if controls:
        axes.plot([], [], color=theme.GREY, lw=0.9, ls=(0, (3, 1.5)), label="control")
    if len(curves) > 1 or controls:
        theme.legend_above(axes, 2 if max(len(curve.label) for curve in curves) > 12 else 3)


def _band(axes: Axes, rows: pd.DataFrame, column: str, color: str) -> None:
    theme.band(axes, rows, column, color, alpha=0.16, gid=f"{column}:band")


def _onsets(axes: Axes, rows: pd.DataFrame) -> None:
    """Bars in room made below the curves."""
    low, high = axes.get_ylim()
    step = 0.09 * (high - low)
    onsets = [(name, rows.iloc[0]) for name in ONSETS if len(rows) == 1 and pd.notna(rows.iloc[0][name])]
    for place, (name, row) in enumerate(onsets, 1):
        label, color = ONSETS[name]
        y = low - place * step + step / 2
        lo, hi = (row[name] if pd.isna(row[f"{name}_{end}"]) else row[f"{name}_{end}"] for end in ("lo", "hi"))
        axes.plot(
            [lo - 0.12, hi + 0.12], [y, y], color=color, lw=3.5, alpha=0.35, solid_capstyle="butt",
            gid=f"onset:{name}:band",
        )  # fmt: skip
        axes.plot([row[name]], [y], "|", color=color, ms=6, mew=1.6, gid=f"onset:{name}")
        axes.annotate(
            label, (hi + 0.12, y), (3, 0), textcoords="offset points", ha="left", va="center", fontsize=6,
            color="#222222",
        )  # fmt: skip
    axes.set_ylim(low - len(onsets) * step, high)


def _chance(axes: Axes, directions: pd.DataFrame, language: str) -> None:
    """Where random directions lie: in the language, or as the mean of the languages' bands."""
    own = directions[directions["language"] == language]
    if language == MACRO or own.empty:
        own = directions[directions["language"] != MACRO]
    band = own.groupby("layer", as_index=False)[["cosine_null_lo", "cosine_null_hi"]].mean()
    theme.band(axes, band, "cosine_null", theme.GREY, alpha=0.15, gid="cosine_null:band", label="random directions")
    theme.legend_above(axes)


def _mark(axes: Axes, chosen: Mapping[str, int], gid: str) -> None:
    for name, layer in chosen.items():
        _, color, dashes = MARKS.get(name, (name, theme.GREY, (0, (2, 2))))
        axes.axvline(layer, color=color, lw=0.9, ls=dashes, alpha=0.8, zorder=1.5, gid=f"{gid}:chosen:{name}")


def _name_marks(axes: Axes, chosen: Mapping[str, int], rows: pd.DataFrame) -> None:
    """Write the chosen vectors' names at the marks' upper ends, in room made above the curves."""
    places = sorted(set(chosen.values()))
    if not places:
        return
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.16 * (high - low))
    near = 0.12 * (rows["layer"].max() - rows["layer"].min())
    for i, layer in enumerate(places):
        crowded_right = i + 1 < len(places) and places[i + 1] - layer < near
        crowded_left = i > 0 and layer - places[i - 1] < near
        side = "center" if crowded_left == crowded_right else "right" if crowded_right else "left"
        names = ", ".join(MARKS.get(name, (name,))[0] for name, at in chosen.items() if at == layer)
        axes.annotate(
            names, (layer, 1), (0, 0), xycoords=axes.get_xaxis_transform(), textcoords="offset points", ha=side,
            va="top", fontsize=6.5, bbox={"boxstyle": "square,pad=0.12", "fc": "white", "ec": "none"}, zorder=6,
            gid=f"chosen-label:{layer}",
        )  # fmt: skip
