"""Tables of a run for a paper, in LaTeX with booktabs: estimates with their 95% intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from figures import _theme as theme
from figures._run_tables import RunTables
from figures._theme import DrawingError
from figures._wording import ADJUSTED, MACRO, Row, difference, number, p_value, shown_p


@dataclass(frozen=True)
class Tabular:
    """A table of a paper. needs: the run's table; rows: header -> cells; caption: its split and intervals too."""

    needs: str
    rows: Callable[[pd.DataFrame], pd.DataFrame]
    caption: Callable[[RunTables], str]


def latex(run: RunTables, only: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """(name, LaTeX) of the tables of `only`, or of all that the run can fill.

    They need the packages booktabs and nothing else; texts are escaped. Raises ValueError for an unknown name, and for
    a named table that the run can't fill.
    """
    for name in only:
        if name not in TABLES:
            raise DrawingError(f"table {name!r} is unknown; known are {list(TABLES)}")
        run.require(TABLES[name].needs)
    for name in only or TABLES:
        table = run.table(TABLES[name].needs)
        if table is None:
            continue
        rows = TABLES[name].rows(table)
        text = rows.map(escape).rename(columns=escape).to_latex(
            index=False, escape=False, caption=escape(TABLES[name].caption(run)), label=f"tab:{name}", position="t",
            column_format="l" + "r" * (rows.shape[1] - 1),
        )  # fmt: skip
        yield name, text


_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


def escape(text: object) -> str:
    """A text as LaTeX prints it; a minus sign before a digit is one, not a hyphen."""
    plain = "".join(_SPECIAL.get(char, char) for char in str(text))
    return "".join(
        "$-$" if char == "-" and plain[place + 1 : place + 2].isdigit() and plain[place - 1 : place] in ("", " ", "[")
        else char
        for place, char in enumerate(plain)
    )  # fmt: skip


def _plane(table: pd.DataFrame) -> pd.DataFrame:
    rows = table[(table["language"] == MACRO) & ~table["method"].map(theme.of_seed)]
    return _each(
        rows,
        lambda row: {
            "Method": _label(row),
            "Transfer": number(row, "transfer"),
            "Localization": number(row, "localization"),
            "Change of transfer": _change(row, "transfer"),
            "Change of localization": _change(row, "localization"),
        },
    )


def _erasure(table: pd.DataFrame) -> pd.DataFrame:
    return _each(
        table[table["language"] == MACRO],
        lambda row: {
            "Method": _label(row),
            "Lost": number(row, "erasure", signed=True),
            "Lost behind the cue": number(row, "knowledge_lost", signed=True),
            "Given back by LOC": number(row, "recoverable", signed=True),
            "By a wrong culture's": number(row, "recoverable_wrong", signed=True),
        },
    )


def _ablations(table: pd.DataFrame) -> pd.DataFrame:
    return _each(
        table[table["language"] == MACRO],
        lambda row: {
            "Plan": row["ablation"],
            "Gain in transfer": number(row, "d_transfer", signed=True),
            "Gain in localization": number(row, "d_localization", signed=True),
        },
    )


def _contrasts(table: pd.DataFrame) -> pd.DataFrame:
    return _each(
        table[table["language"] == MACRO],
        lambda row: {
            "Metric": row["metric"].replace("_", " "),
            "Method": _label(row),
            "Against": _label(row, "against"),
            "Difference": difference(row),
            "p": p_value(shown_p(row)),
        },
    )


def _each(rows: pd.DataFrame, cells: Callable[[Row], dict[str, str]]) -> pd.DataFrame:
    return pd.DataFrame([cells(row) for row in rows.to_dict("records")])


def _label(row: Row, column: str = "method") -> str:
    method = str(row[column])
    return theme.looks([method])[theme.family(method)].label


def _change(row: Row, metric: str) -> str:
    return "" if row["method"] == "base" else number(row, f"d_{metric}", signed=True)


def _of_test(what: str) -> Callable[[RunTables], str]:
    def caption(run: RunTables) -> str:
        plane = run.table("plane")
        n = ""
        if plane is not None:
            row = plane[(plane["language"] == MACRO)].iloc[0]
            n = f" ({row['n_universal']} universal and {row['n_cultural']} cultural prompts)"
        return f"{what} Test split{n}, mean over languages, with 95% intervals."

    return caption


TABLES: Mapping[str, Tabular] = {
    "plane": Tabular("plane", _plane, _of_test("Transfer and localization.")),
    "contrasts": Tabular("contrasts", _contrasts, _of_test(ADJUSTED)),
    "erasure": Tabular("erasure", _erasure, _of_test("Localization that training lost, and what gives it back.")),
    "ablations": Tabular("ablations", _ablations, _of_test("The searched plan and its ablations.")),
}
