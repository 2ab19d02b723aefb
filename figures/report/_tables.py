"""Tables of numbers in HTML, every text escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import pandas as pd

from figures import ADJUSTED, MACRO, Row, difference, number, p_value, shown_p
from figures import _theme as theme


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """A table whose first column names its rows."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    told = escape(caption)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{told}"><table><caption>{told}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def plane_table(plane: pd.DataFrame) -> str:
    """Macro rows: levels and changes with intervals."""
    rows = []
    for row in plane[(plane["language"] == MACRO) & ~plane["method"].map(theme.of_seed)].to_dict("records"):
        changes = ["", ""] if row["method"] == "base" else [number(row, f"d_{m}", signed=True) for m in AXES]
        rows.append([_label(row), *(number(row, metric) for metric in AXES), *changes])
    header = ("method", *AXES, *(f"change of {metric}" for metric in AXES))
    return html_table(header, rows, "Every method, mean over languages, with 95% intervals")


def contrast_table(contrasts: pd.DataFrame) -> str:
    """Macro contrasts with intervals and p."""
    rows = [
        [
            row["metric"].replace("_", " "), _label(row), _label(row, "against"),
            difference(row),
            p_value(shown_p(row)),
        ]
        for row in contrasts[contrasts["language"] == MACRO].to_dict("records")
    ]  # fmt: skip
    header = ("metric", "method", "against", "difference", "p")
    return html_table(header, rows, ADJUSTED)


def numbers_table(table: pd.DataFrame, keys: Sequence[str], columns: Sequence[str], caption: str) -> str:
    """Rows of a table: keys, then estimates with their intervals where the table has them."""
    rows = []
    for row in table.to_dict("records"):
        cells = [
            "" if pd.isna(row[name]) else number(row, name, signed=name.startswith(("d_", "vs_"))) for name in columns
        ]
        rows.append([*(_key(row[key]) for key in keys), *cells])
    return html_table([name.replace("_", " ") for name in (*keys, *columns)], rows, caption)


AXES = ("transfer", "localization")


def onset_table(onsets: pd.DataFrame) -> str:
    """Layers of the onsets per language, with their intervals."""
    names = ("universal", "cultural", "separation")
    rows = [[str(row["language"]), *(_layer(row, name) for name in names)] for row in onsets.to_dict("records")]
    caption = "Onsets: layers from which on signals exceed their controls, and how far they are apart"
    return html_table(("language", *names), rows, caption)


def _layer(row: Row, name: str) -> str:
    if pd.isna(row[name]):
        return "not found"
    ends = [row[f"{name}_{end}"] for end in ("lo", "hi")]
    return f"{row[name]:g}" + ("" if any(map(pd.isna, ends)) else f" [{ends[0]:g}, {ends[1]:g}]")


def _key(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _label(row: Row, column: str = "method") -> str:
    method = str(row[column])
    return theme.looks([method])[theme.family(method)].label
