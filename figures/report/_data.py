"""What the page's scripts draw from: plain values of the run's tables, cut where the file would grow too large."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import pandas as pd
from jinja2.utils import htmlsafe_json_dumps

from figures import FIGURES, PANELS, RunTables
from figures import _theme as theme
from figures.report._tables import by_language

MOST_ITEMS_BYTES = 2_000_000
"""How much of the file items may take."""

SYMBOLS = {
    "o": "circle", "^": "triangle-up", "s": "square", "h": "hexagon", "*": "star", "D": "diamond", "P": "cross",
    "X": "x", "v": "triangle-down", "x": "x-thin-open", "+": "cross-thin-open", "<": "triangle-left-open",
    ">": "triangle-right-open", "d": "diamond-tall-open", "p": "pentagon-open", "8": "octagon-open",
    "(4, 1, 0)": "star-diamond", "(6, 1, 0)": "hexagram",
}  # fmt: skip
"""matplotlib's markers in plotly's words, so that a method looks alike on paper and here."""

TIED = " | "
"""Between the texts of options that tie, in `chosen`."""

ENDS = ("", "_lo", "_hi")
AXES = ("transfer", "localization")
PLANE = (
    "method", "language", *(f"{start}{axis}{end}" for axis in AXES for start in ("", "d_") for end in ENDS),
    "n_universal", "n_cultural", "chance",
)  # fmt: skip
LENS = ("layer", "language", "cue", *(f"{name}{end}" for name in ("local", "us", "lead") for end in ENDS))
DIRECTIONS = ("layer", "language", *(f"cosine{end}" for end in (*ENDS, "_null_lo", "_null_hi")))
ATTRIBUTION = (
    "kind", "layer", "component", "head", "language", "contrast",
    "estimate", "lo", "hi", "control", "control_lo", "control_hi",
)  # fmt: skip
DRAWN = {"lens": LENS, "directions": DIRECTIONS, "attribution": ATTRIBUTION}
"""Tables that are drawn as they are: their columns."""

CONTROLS = ("control", "draw", "metric", "language", "difference")


def payload(run: RunTables) -> dict[str, Any]:
    """Everything that is drawn, of the tables that the run has."""
    plane = run.require("plane")
    plane = plane[~plane["method"].map(theme.of_seed)]
    drawn = {name: _records(run.table(name), columns) for name, columns in DRAWN.items()}
    return {
        "looks": _looks(plane["method"].unique().tolist()),
        "plane": _records(plane, PLANE),
        "chosen": _chosen(run),
        "layers": _layers(run),
        "sweep": _sweep(run),
        "controls": _records(run.table("controls"), CONTROLS),
        "items": items(run),
        "words": words_by_language(run),
        "numbers": by_language(run),
    } | drawn


def words_by_language(run: RunTables) -> dict[str, dict[str, str]]:
    """What the charts that no script puts into words say, for each language."""
    found: dict[str, dict[str, str]] = {}
    for name in ("sweep", "layers", "lens"):
        table = run.table(name)
        if table is not None and len(table):
            found[name] = {code: FIGURES[name].says(run, code) for code in map(str, table["language"].unique())}
    return found


def as_json(value: Any) -> str:
    """JSON that can stand inside a script element: no text of it can end the element or begin a comment."""
    return htmlsafe_json_dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def items(run: RunTables) -> dict[str, Any]:
    """Items as a table: `rows` of [axis, language, item, question, right, us, [chosen, hit] per method, English
    question, options].

    A hit is 0, 1, or a share where options tie; then their texts follow it as a list. Options are
    [text, role, [log-likelihood per method]], in nats; there are none where the run's scores are not there. Where all
    would take more than MOST_ITEMS_BYTES, those whose answer some method changes come first, in the order of the table,
    and then the others; `total` says how many there are.
    """
    table = run.table("items")
    if table is None or table.empty:
        return {"methods": [], "rows": [], "total": 0}
    table = table[~table["method"].map(theme.of_seed)]
    methods = list(dict.fromkeys(table["method"]))
    options = _options(run, methods)
    asked: dict[tuple[str, ...], list[Any]] = {}
    for row in table.to_dict("records"):
        key = (str(row["axis"]), str(row["language"]), str(row["item"]))
        if key not in asked:
            texts = (row["question"], row["right"], row["us"])
            asked[key] = [*key, *texts, [None] * len(methods), row.get("english", ""), options.get(key, [])]
        options_of = [text for text, *_ in asked[key][8]]
        tied = [] if row["chosen"] in options_of else [o for o in options_of if o in row["chosen"].split(TIED)]
        answer = [row["chosen"], float(row["hit"]), *([tied] if tied else [])]
        asked[key][6][methods.index(row["method"])] = answer
    rows = list(asked.values())
    return {"methods": methods, "rows": _cut(rows), "total": len(rows)}


def _options(run: RunTables, methods: Sequence[str]) -> dict[tuple[str, ...], list[list[Any]]]:
    """(axis, language, item) -> its options with the log-likelihood under each method, of uncued questions."""
    found: dict[tuple[str, ...], dict[int, list[Any]]] = {}
    for place, method in enumerate(methods):
        scores = run.scores(method)
        if scores is None:
            continue
        own = scores["own"] & (scores["option"] >= 0) & (scores["cue"] == "none")
        columns = ("axis", "language", "item", "option", "text", "role", "logp")
        for axis, language, item, option, text, role, logp in scores.loc[own, list(columns)].itertuples(index=False):
            options = found.setdefault((str(axis), str(language), str(item)), {})
            told = options.setdefault(int(option), [str(text), str(role), [None] * len(methods)])
            told[2][place] = round(float(logp), 3)
    return {key: list(options.values()) for key, options in found.items()}


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
    ends = (*ENDS, "_control")
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
    return {"panels": panels, "rows": _records(table, ["layer", "language", *columns])}


def _sweep(run: RunTables) -> list[dict[str, Any]]:
    table = run.table("sweep")
    return _records(table, [] if table is None else list(table.columns))


def _records(table: pd.DataFrame | None, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Rows as JSON has them, with those of the columns that the table has: missing values are null."""
    if table is None:
        return []
    rows = table.filter(items=list(columns)).to_dict("records")
    return [{str(name): _plain(value) for name, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
