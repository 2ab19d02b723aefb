"""The transfer-localization plane: one point per method, its interval, and what it moved from the base model."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from figures import _theme as theme
from figures._theme import Look
from figures._wording import MACRO

X, Y = "transfer", "localization"
BASE = "base"
COLUMNS = ("method", "language", X, f"{X}_lo", f"{X}_hi", Y, f"{Y}_lo", f"{Y}_hi", "chance")

SIZES: Mapping[theme.Marker, float] = {"*": 8.5, "x": 4.5, (4, 1, 0): 7.5, (6, 1, 0): 7.0}
"""Points that markers need to look as large as others of 5.5."""

Array = NDArray[np.float64]


def plane(
    table: pd.DataFrame,
    *,
    language: str = MACRO,
    culture: str | None = None,
    methods: Sequence[str] | None = None,
    changes: bool = False,
) -> Figure:
    """Draw the plane of one language, or of the macro-average: transfer to the right, localization upwards.

    Needs the columns `method, language, transfer, localization` (shares, 0 to 1), the last two also with `_lo` and
    `_hi`, and `chance`; one row per method, among them `base`. Where there is `chance_effective`, it is localization's
    dotted line. `methods` picks methods; base is always drawn.
    Without it, rows of single training seeds, and EN and controls on top of trained models, are left out.
    changes: draw changes from base, paired by item (`d_transfer`, `d_localization` with bounds), base being the origin;
    intervals are then those of the differences, and usually shorter.
    `culture` picks one culture of a language that has several. Raises ValueError for missing columns, an empty
    table, an unknown language, culture or method, more than one row of a method, or a point that is not finite.
    """
    rows = _select(table, methods)
    rows = _pick(_pick(rows, "language", language), "culture", culture)
    rows = _as_changes(rows) if changes else rows
    _check_points(rows, language)
    looks = theme.looks(rows["method"])
    with theme.style():
        columns = _legend_columns(looks, rows, 3)
        figure = theme.new_figure(theme.page().single, 3.0 + 0.14 * math.ceil((len(looks) + 3) / columns))
        axes = figure.subplots()
        _draw(axes, rows, looks, _limits(rows), name=language)
        if changes:
            axes.set(xlabel="change of transfer (accuracy)", ylabel="change of localization (share)")
            for line in (axes.axvline, axes.axhline):
                line(0, color="#444444", lw=0.6, zorder=1)
        else:
            axes.set(xlabel="transfer (accuracy, universal items)", ylabel="localization (share right for own culture)")
        figure.legend(handles=_legend(looks, rows), loc="outside lower center", ncols=columns)
        theme.freeze(figure)
        _label(axes, rows, looks)
    return figure


def plane_by_language(
    table: pd.DataFrame, *, methods: Sequence[str] | None = None, columns: int = 4, shared: bool = False
) -> Figure:
    """Draw one small plane per language (per culture, where a language has several).

    Each has axes of its own, so that a language's changes can be seen; shared: all have the same.

    Needs the columns of `plane`, and `culture` where a language has several. Leaves out the macro rows and languages
    without localization (English). Raises ValueError as `plane` does, and when no language is left.
    """
    rows = _select(table, methods)
    rows = rows[(rows["language"] != MACRO) & rows.groupby("language")[Y].transform(lambda y: y.notna().any())]
    if rows.empty:
        raise ValueError("the plane table has no language with a localization of its own")
    keys = ["language", "culture"] if "culture" in rows else ["language"]
    panels = list(rows.groupby(keys, sort=False, dropna=False))
    languages = [str(key[0]) for key, _ in panels]
    names = ["-".join(map(str, key)) if languages.count(str(key[0])) > 1 else str(key[0]) for key, _ in panels]
    for name, (_, panel) in zip(names, panels, strict=True):
        _check_points(panel, name)
    looks = theme.looks(rows["method"])
    lines = math.ceil(len(panels) / columns)
    columns = math.ceil(len(panels) / lines)
    with theme.style():
        width = theme.page().double if columns > 2 else theme.page().single
        legend_columns = _legend_columns(looks, rows, 6 if columns > 2 else 3)
        height = min(width / columns, 1.8) * 0.95 * lines + 0.3 + 0.14 * math.ceil((len(looks) + 3) / legend_columns)
        figure = theme.new_figure(width, height)
        grid = figure.subplots(lines, columns, sharex=shared, sharey=shared, squeeze=False).ravel()
        together = _limits(rows)
        for axes, name, (_, panel) in zip(grid, names, panels, strict=False):
            _draw(axes, panel, looks, together if shared else _limits(panel), name=name, scale=0.8)
            theme.few_ticks(axes, "x")
            theme.few_ticks(axes, "y")
            code, _, culture = name.partition("-")
            axes.set_title(f"{theme.own_name(code)} {culture}".rstrip(), loc="left", pad=2)
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        for axes in grid[max(0, len(panels) - columns) : len(panels)]:
            axes.xaxis.set_tick_params(labelbottom=True)
            axes.set_xlabel("transfer")
        for axes in grid[: len(panels) : columns]:
            axes.set_ylabel("localization")
        figure.legend(handles=_legend(looks, rows), loc="outside lower center", ncols=legend_columns)
        theme.freeze(figure)
    return figure


def pareto(points: Array) -> NDArray[np.bool_]:
    """Which of the points [n, 2] no other point beats: at least as high on both axes and higher on one."""
    least = np.all(points[None] >= points[:, None], axis=-1)
    more = np.any(points[None] > points[:, None], axis=-1)
    return ~(least & more).any(axis=1)


def _select(table: pd.DataFrame, methods: Sequence[str] | None) -> pd.DataFrame:
    theme.require_columns(table, COLUMNS, "plane")
    if "model" in table and table["model"].nunique() > 1:
        raise ValueError(f"the plane table mixes models {sorted(table['model'].unique())}; keep one")
    if methods is None:
        return table[~table["method"].map(theme.of_seed) & ~_shadowed(table["method"])]
    known = table["method"].unique()
    unknown = [method for method in methods if method not in known]
    if unknown:
        raise ValueError(f"unknown methods {unknown}; the plane table has {list(known)}")
    return table[table["method"].isin([BASE, *methods])]


def _shadowed(methods: pd.Series) -> "pd.Series[bool]":
    """Rows on top of a trained model that a plane leaves out: controls, and EN alone."""
    return methods.map(lambda name: "+" in name and (theme.is_control(name) or name.endswith("+en"))).astype(bool)


def _as_changes(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with changes from base in the place of levels; base is the origin, and there is no chance."""
    ends = ("", "_lo", "_hi")
    theme.require_columns(rows, [f"d_{axis}{end}" for axis in (X, Y) for end in ends], "plane")
    moved = {
        f"{axis}{end}": rows[f"d_{axis}{end}"].where(rows["method"] != BASE, 0.0) for axis in (X, Y) for end in ends
    }
    return rows.assign(**moved, chance=np.nan, chance_cultural=np.nan, chance_effective=np.nan)


def _pick(rows: pd.DataFrame, column: str, value: str | None) -> pd.DataFrame:
    if value is None:
        return rows
    theme.require_columns(rows, [column], "plane")
    picked = rows[rows[column] == value]
    if picked.empty:
        raise theme.DrawingError(
            f"no {column} {value!r} in the plane table; allowed: {', '.join(rows[column].unique())}"
        )
    return picked


def _check_points(rows: pd.DataFrame, name: str) -> None:
    methods = rows["method"]
    theme.require_one_row_each(rows, ["language", "method"], "plane")
    if BASE not in methods.values:
        raise ValueError(f"{name}: no row of the method {BASE!r}, from which the arrows start; it has {list(methods)}")
    unmeasured = methods[~np.isfinite(rows[[X, Y]].to_numpy(float)).all(1)]
    if len(unmeasured):
        raise ValueError(f"{name}: no finite {X} and {Y} of the methods {list(unmeasured)}")


def _limits(rows: pd.DataFrame) -> tuple[tuple[float, float], tuple[float, float]]:
    return _span(rows, X), _span(rows, Y)


def _span(rows: pd.DataFrame, column: str) -> tuple[float, float]:
    """Limits around points and intervals; chance is taken in where that costs less than half the room."""
    values = rows[[column, f"{column}_lo", f"{column}_hi"]].to_numpy(float)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    reach = max(high - low, 0.02)
    for chance in _chances(rows, column):
        if low - reach / 2 < chance < high + reach / 2:
            low, high = min(low, chance), max(high, chance)
    pad = 0.1 * max(high - low, 0.02)
    return low - pad, high + pad


def _chances(rows: pd.DataFrame, axis: str) -> list[float]:
    """Where chance lies on an axis: for localization in effect, where that was measured."""
    chance = rows["chance"]
    for better in ("chance_cultural", "chance_effective") if axis == Y else ():
        chance = rows[better].fillna(chance) if better in rows else chance
    return [float(value) for value in chance.dropna().unique()]


def _draw(
    axes: Axes,
    rows: pd.DataFrame,
    looks: Mapping[str, Look],
    limits: tuple[tuple[float, float], tuple[float, float]],
    *,
    name: str,
    scale: float = 1.0,
) -> None:
    axes.set(xlim=limits[0], ylim=limits[1])
    for axis, line in ((X, axes.axvline), (Y, axes.axhline)):
        for chance in _chances(rows, axis):
            line(chance, color=theme.GREY, lw=0.7, ls=":", zorder=1, gid=f"{name}:chance-{axis}:{chance:.3g}")
    _draw_front(axes, rows, name)
    start = rows.loc[rows["method"] == BASE, [X, Y]].to_numpy(float)[0]
    for row in rows.to_dict("records"):
        method = str(row["method"])
        look = looks[theme.family(method)]
        x, y = row[X], row[Y]
        order = 2.0 if look.control else 4.0
        drawn_often = theme.family(method) != method
        alpha = 0.25 if drawn_often else 0.55 if look.control else 0.8
        bar: dict[str, Any] = {"color": look.color, "lw": 0.7 * scale, "alpha": alpha, "zorder": order}
        axes.plot([row[f"{X}_lo"], row[f"{X}_hi"]], [y, y], gid=f"{name}:{method}:x-interval", **bar)
        axes.plot([x, x], [row[f"{Y}_lo"], row[f"{Y}_hi"]], gid=f"{name}:{method}:y-interval", **bar)
        if not look.control and method != BASE:
            arrow = {
                "arrowstyle": "-|>,head_length=0.3,head_width=0.14", "color": look.color, "lw": 0.8 * scale,
                "shrinkA": 3.5 * scale, "shrinkB": 4.5 * scale, "alpha": 0.7, "zorder": 3,
            }  # fmt: skip
            axes.annotate("", (x, y), tuple(start), arrowprops=arrow, gid=f"{name}:{method}:arrow")
        axes.add_line(_marker(look, [x], [y], scale, gid=f"{name}:{method}:point", zorder=order + 1))


def _draw_front(axes: Axes, rows: pd.DataFrame, name: str) -> None:
    real = rows[~rows["method"].map(theme.is_control)]
    front = _front(real[[X, Y]].to_numpy(float))
    left, bottom = axes.get_xlim()[0], axes.get_ylim()[0]
    xs, ys = [left, *front[:, 0], front[-1, 0]], [front[0, 1], *front[:, 1], bottom]
    axes.plot(xs, ys, drawstyle="steps-pre", color="#444444", lw=0.6, ls=(0, (6, 2)), zorder=1.5, gid=f"{name}:front")


def _front(points: Array) -> Array:
    return np.unique(points[pareto(points)], axis=0)


def _marker(
    look: Look, x: Sequence[float], y: Sequence[float], scale: float = 1.0, *, zorder: float = 2, gid: str | None = None
) -> Line2D:
    fill, edge, width = ("white", look.color, 0.9) if look.control else (look.color, "#222222", 0.5)
    return Line2D(
        x, y, ls="none", marker=look.marker, color=look.color, ms=SIZES.get(look.marker, 5.5) * scale, mfc=fill,
        mec=edge, mew=width * scale, label=look.label, zorder=zorder, gid=gid,
    )  # fmt: skip


LETTERS, HANDLE = 58, 5
"""Letters, wide ones, that a legend of a single width of 3.4 inches has room for, and what a handle takes of them."""


def _legend_columns(looks: Mapping[str, Look], rows: pd.DataFrame, most: int) -> int:
    """As many columns, up to `most`, as the page has room for."""
    labels = [str(artist.get_label()) for artist in _legend(looks, rows)]
    width = theme.page().single if most <= 3 else theme.page().double
    for columns in range(most, 1, -1):
        long = math.ceil(len(labels) / columns)
        parts = [labels[i : i + long] for i in range(0, len(labels), long)]
        if sum(HANDLE + max(map(len, part)) for part in parts) <= LETTERS * width / 3.4:
            return columns
    return 1


def _legend(looks: Mapping[str, Look], rows: pd.DataFrame) -> list[Artist]:
    limits = dict(zip((X, Y), _limits(rows), strict=True))
    drawn = [c for axis in (X, Y) for c in _chances(rows, axis) if limits[axis][0] <= c <= limits[axis][1]]
    chances = sorted({f"{chance:.2f}" for chance in drawn})
    ordered = sorted(looks.values(), key=lambda look: look.control)
    handles: list[Artist] = [_marker(look, [], []) for look in ordered]
    handles.append(Line2D([], [], color="#444444", lw=0.6, ls=(0, (6, 2)), label="Pareto front"))
    handles.append(Line2D([], [], color="#444444", lw=0.7, marker="|", ms=7, mew=0.7, label="95% interval"))
    if chances:
        handles.append(Line2D([], [], color=theme.GREY, lw=0.7, ls=":", label=f"chance ({'/'.join(chances)})"))
    return handles


@dataclass(frozen=True)
class _Spot:
    """A place for a label: its box in pixels, its centre's offset from the point in points, and its own cost."""

    box: Array
    offset: tuple[float, float]
    cost: float
    far: bool


def _label(axes: Axes, rows: pd.DataFrame, looks: Mapping[str, Look]) -> None:
    """Write the methods' short names where they cover no point, no other name, and as few lines as possible."""
    pixel = axes.figure.dpi / 72
    real = rows[~rows["method"].map(theme.is_control)]
    labelled = [looks[theme.family(method)] for method in real["method"]]
    points = real[[X, Y]].to_numpy(float)
    markers = _boxes(axes.transData.transform(rows[[X, Y]].to_numpy(float)), 4 * pixel)
    lines = _boxes(_line_pixels(axes, rows), 1.0 * pixel)
    spots = [
        _spots(anchor, _text_size(axes, look.short), pixel, axes.get_window_extent(), markers, lines)
        for anchor, look in zip(axes.transData.transform(points), labelled, strict=True)
    ]
    for look, spot, point in zip(labelled, _choose(spots), points, strict=True):
        leader = {"arrowstyle": "-", "color": look.color, "lw": 0.5, "shrinkA": 0, "shrinkB": 4}
        axes.annotate(
            look.short, tuple(point), spot.offset, textcoords="offset points", ha="center", va="center", fontsize=6.5,
            color="#111111", arrowprops=leader if spot.far else None, zorder=8, gid=f"label:{look.short}",
        )  # fmt: skip


def _spots(anchor: Array, size: Array, pixel: float, frame: Bbox, markers: Array, lines: Array) -> list[_Spot]:
    spots = []
    for radius in (5.0, 8.0, 13.0, 20.0, 28.0):
        for angle in np.linspace(0, 2 * np.pi, 24, endpoint=False):
            direction = np.array([np.cos(angle), np.sin(angle)])
            shift = direction * (radius * pixel + size / 2)
            low, high = anchor + shift - size / 2, anchor + shift + size / 2
            box = np.concatenate([low, high])
            outside = (low < (frame.x0, frame.y0)).any() or (high > (frame.x1, frame.y1)).any()
            cost = 12 * _share(box, markers) + 2 * _share(box, lines) + 100 * outside + 0.02 * radius
            x, y = shift / pixel
            spots.append(_Spot(box, (float(x), float(y)), float(cost), far=radius > 10))
    return spots


def _choose(spots: list[list[_Spot]]) -> list[_Spot]:
    """One spot per label by coordinate descent from each label's own best; the order of methods breaks ties."""
    chosen = [min(options, key=lambda spot: spot.cost) for options in spots]
    for _ in range(4):
        for i, options in enumerate(spots):
            others = np.array([spot.box for j, spot in enumerate(chosen) if j != i]).reshape(-1, 4)
            chosen[i] = min(options, key=lambda spot: spot.cost + 40 * _share(spot.box, others))
    return chosen


def _share(box: Array, obstacles: Array) -> float:
    """How much of the obstacles [n, 4] a box covers: the sum over obstacles, each relative to its own area."""
    if not len(obstacles):
        return 0.0
    sides = np.minimum(box[2:], obstacles[:, 2:]) - np.maximum(box[:2], obstacles[:, :2])
    areas = (obstacles[:, 2:] - obstacles[:, :2]).prod(1)
    return float((sides.clip(min=0).prod(1) / areas).sum())


def _boxes(centres: Array, half: float) -> Array:
    return np.hstack([centres - half, centres + half])


def _line_pixels(axes: Axes, rows: pd.DataFrame) -> Array:
    """Points along intervals, arrows and the front, in pixels [n, 2]."""
    x, y = rows[X].to_numpy(float), rows[Y].to_numpy(float)
    base = rows.loc[rows["method"] == BASE, [X, Y]].to_numpy(float)
    moved = rows.loc[~rows["method"].map(theme.is_control), [X, Y]].to_numpy(float)
    corners = np.repeat(_front(moved), 2, axis=0)
    corners = np.c_[corners[:-1, 0], corners[1:, 1]]
    starts = [np.c_[rows[f"{X}_lo"], y], np.c_[x, rows[f"{Y}_lo"]], np.broadcast_to(base, moved.shape), corners[:-1]]
    ends = [np.c_[rows[f"{X}_hi"], y], np.c_[x, rows[f"{Y}_hi"]], moved, corners[1:]]
    start, end = axes.transData.transform(np.vstack(starts)), axes.transData.transform(np.vstack(ends))
    known = np.isfinite(start).all(1) & np.isfinite(end).all(1)
    steps = np.linspace(0, 1, 60)[:, None, None]
    return (start[known] + steps * (end - start)[known]).reshape(-1, 2)


def _text_size(axes: Axes, text: str) -> Array:
    probe = axes.text(0, 0, text, fontsize=6.5)
    extent = probe.get_window_extent()
    probe.remove()
    return np.array([extent.width, extent.height])
