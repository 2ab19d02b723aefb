"""How numbers, p-values and languages are written in sentences and tables: one way for everything."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from babel import Locale
from babel.lists import format_list

from figures._numbers import estimate

MACRO = "macro"

ADJUSTED = "Comparisons, paired; p by sign flips of clusters, Holm's where several methods are compared with base."
"""Caption of a table of contrasts: how its p-values were computed."""

LEVEL = 0.05
"""Below it, Holm's p counts as small."""

Row = Mapping[Any, Any]


def number(row: Row, column: str, *, signed: bool = False, digits: int = 3) -> str:
    """An estimate with its interval: `0.480 [0.451, 0.512]`; `not measured` where it is missing.

    The bounds are in `column_lo` and `column_hi`, those of `estimate` in `lo` and `hi`.
    """
    ends = ("lo", "hi") if column == "estimate" else (f"{column}_lo", f"{column}_hi")
    values = (row.get(name) for name in (column, *ends))
    return estimate(*(math.nan if pd.isna(v) else float(v) for v in values), signed=signed, digits=digits)


def difference(row: Row) -> str:
    """The estimate of a row of `contrasts.csv` with its interval, signed."""
    return number(row, "estimate", signed=True)


def p_value(p: float) -> str:
    """A p-value with three digits, or `< 0.001`; empty if there is none."""
    return "" if pd.isna(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_equals(p: float) -> str:
    """`p = 0.012` or `p < 0.001`, for a sentence."""
    return "p not measured" if pd.isna(p) else f"p {p_value(p)}" if p < 0.001 else f"p = {p_value(p)}"


def named_p(row: Row) -> str:
    """The p-value of a contrast for a sentence, with its rule: `Holm's p = 0.056`."""
    adjusted = row.get("p_holm")
    holm = adjusted is not None and not pd.isna(adjusted)
    return ("Holm's " if holm else "") + p_equals(shown_p(row))


def shown_p(row: Row) -> float:
    """The p-value to show: Holm's if the row has it, else the unadjusted one."""
    adjusted = row.get("p_holm")
    return float(row["p"] if adjusted is None or pd.isna(adjusted) else adjusted)


def direction(row: Row) -> int:
    """1 if a contrast is clearly above 0, -1 if it is clearly below, else 0.

    Clearly: the 95% interval lies on one side of 0 and, if several methods are compared, Holm's p is below LEVEL.
    """
    adjusted = row.get("p_holm")
    if adjusted is not None and not pd.isna(adjusted) and adjusted >= LEVEL:
        return 0
    return int(row["lo"] > 0) - int(row["hi"] < 0)


def language_name(code: str) -> str:
    """A language's English name, or its code if Babel has none."""
    return str(Locale("en").languages.get(code, code))


def other_way(mean: float, languages: Iterable[Row], column: str, *, digits: int = 3) -> str:
    """Names the languages whose value has the opposite sign of the mean: `; the other way in Chinese -0.269`.

    Empty if there are none, or if the mean rounds to 0. languages: rows with `language` and the column, which may
    have `_lo` and `_hi`; a `macro` row among them is passed over.
    """
    if pd.isna(mean) or round(mean, digits) == 0:
        return ""
    against = [
        f"{language_name(str(row['language']))} {number(row, column, signed=True, digits=digits)}"
        for row in languages
        if row["language"] != MACRO and not pd.isna(row[column]) and round(row[column], digits) * mean < 0
    ]
    return f"; the other way in {listed(against)}" if against else ""


def listed(names: list[str]) -> str:
    """Names as a sentence lists them: `a`, `a and b`, `a, b and c`."""
    return format_list(names, locale="en_GB")
