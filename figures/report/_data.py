"""What the page's scripts draw from: plain values of the run's tables, cut where the file would grow too large."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import pandas as pd
from jinja2.utils import htmlsafe_json_dumps

from figures import PANELS, RunTables
from figures import _theme as theme

MOST_ITEMS_BYTES = 2_000_000
"""How much of the file items may take."""

SYMBOLS = {
    "o": "circle", "^": "triangle-up", "s": "square", "h": "hexagon", "*": "star", "D": "diamond", "P": "cross",
    "X": "x", "v": "triangle-down", "x": "x-thin-open", "+": "cross-thin-open", "<": "triangle-left-open",
    ">": "triangle-right-open", "d": "diamond-tall-open", "p": "pentagon-open", "8": "octagon-open",
    "(4, 1, 0)": "star-diamond", "(6, 1, 0)": "hexagram",
}  # fmt: skip
"""matplotlib's markers in plotly's words, so that a method looks alike on paper and here."""

PLANE = (
    "method", "language", "transfer", "transfer_lo", "transfer_hi", "localization", "localization_lo",
    "localization_hi", "n_universal", "n_cultural", "chance",
)  # fmt: skip


def payload(run: RunTables) -> dict[str, Any]:
    """Everything that is drawn, of the tables that the run has."""
    plane = run.require("plane")
    plane = plane[~plane["method"].map(theme.of_seed)]
    return {
        "looks": _looks(plane["method"].unique().tolist()),
        "plane": records(plane, PLANE),
        "chosen": _chosen(run),
        "layers": _layers(run),
        "sweep": _sweep(run),
        "items": items(run),
    }


def records(table: pd.DataFrame, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Rows as JSON has them: missing values are null."""
    return [
        {str(name): _plain(value) for name, value in row.items()}
        for row in table.filter(items=list(columns)).to_dict("records")
    ]


def as_json(value: Any) -> str:
    """JSON that can stand inside a script element: no text of it can end the element or begin a comment."""
    return htmlsafe_json_dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def items(run: RunTables) -> dict[str, Any]:
    """Items as a table: `rows` of [axis, language, item, question, right, us, [chosen, hit] per method].

    A hit is 0, 1, or a share where options tie.

    Where all would take more than MOST_ITEMS_BYTES, those whose answer some method changes come first, in the order of
    the table, and then the others; `total` says how many there are.
    """
    table = run.table("items")
    if table is None or table.empty:
        return {"methods": [], "rows": [], "total": 0}
    table = table[~table["method"].map(theme.of_seed)]
    methods = list(dict.fromkeys(table["method"]))
    asked: dict[tuple[str, ...], list[Any]] = {}
    for row in table.to_dict("records"):
        key = (str(row["axis"]), str(row["language"]), str(row["item"]))
        item = asked.setdefault(key, [*key, row["question"], row["right"], row["us"], [None] * len(methods)])
        item[6][methods.index(row["method"])] = [row["chosen"], float(row["hit"])]
    rows = list(asked.values())
    return {"methods": methods, "rows": _cut(rows), "total": len(rows)}


def changed(row: list[Any]) -> bool:
    """Whether some method's answer differs from the first's."""
    first = row[6][0]
    return any(answer is not None and first is not None and answer[0] != first[0] for answer in row[6])


def _cut(rows: list[list[Any]]) -> list[list[Any]]:
    sizes = [len(as_json(row).encode()) for row in rows]
    if sum(sizes) <= MOST_ITEMS_BYTES:
        return rows
    order = sorted(range(len(rows)), key=lambda place: not changed(rows[place]))
    totals = itertools.accumulate(sizes[place] for place in order)
    fitting = {place for place, total in zip(order, totals, strict=True) if total <= MOST_ITEMS_BYTES}
    return [row for place, row in enumerate(rows) if place in fitting]


def _looks(methods: Sequence[str]) -> dict[str, dict[str, Any]]:
    looks = theme.looks(methods)
    return {
        method: {
            "label": look.label,
            "color": look.color,
            "symbol": SYMBOLS.get(str(look.marker), "circle-open"),
            "control": look.control,
        }
        for method in methods
        for look in [looks[theme.family(method)]]
    }


def _chosen(run: RunTables) -> dict[str, dict[str, list[list[Any]]]]:
    """method -> language -> [vectors, layer, strength] of every steer."""
    methods = (run.plan or {}).get("methods", {})
    return {
        method: {
            code: [[_vector(steer["vectors"]), steer["layer"], steer["strength"]] for steer in plan["steers"]]
            for code, plan in by_language.items()
        }
        for method, by_language in methods.items()
    }


def _vector(file: str) -> str:
    return PurePosixPath(file).name.split(".")[0]


def _layers(run: RunTables) -> dict[str, Any]:
    """`panels`: what is drawn together; `rows`: their columns with intervals and controls."""
    table = run.table("layers")
    if table is None or table.empty:
        return {"panels": [], "rows": []}
    ends = ("", "_lo", "_hi", "_control")
    panels = []
    for panel in PANELS:
        curves = [
            [curve.column, curve.label, curve.color, SYMBOLS[curve.marker] + ("-open" if curve.hollow else "")]
            for curve in panel.curves
            if curve.column in table
        ]
        if curves:
            panels.append([panel.label.replace("\n", " "), curves])
    columns = [f"{curve[0]}{end}" for _, curves in panels for curve in curves for end in ends]
    return {"panels": panels, "rows": records(table, ["layer", "language", *columns])}


def _sweep(run: RunTables) -> list[dict[str, Any]]:
    table = run.table("sweep")
    return [] if table is None else records(table, list(table.columns))


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
