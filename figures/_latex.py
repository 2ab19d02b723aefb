"""Tables of a run for a paper, in LaTeX with booktabs: estimates with their 95% intervals."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from figures import _theme as theme
from figures._run_tables import RunTables
from figures._theme import DrawingError
from figures._wording import ADJUSTED, MACRO, Row, difference, number, p_value, shown_p


@dataclass(frozen=True)
class Tabular:
    """A table of a paper. needs: the run's table; cells: header -> a row's text under it; title: what it shows."""

    needs: str
    cells: Mapping[str, Callable[[Row], str]]
    title: str

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """Texts of the rows of the mean over languages, without single training seeds."""
        rows = [row for row in table[table["language"] == MACRO].to_dict("records") if not _of_seed(row)]
        return pd.DataFrame({header: [cell(row) for row in rows] for header, cell in self.cells.items()}, dtype=object)

    def caption(self, run: RunTables) -> str:
        """The title, with the split, its prompts and the intervals."""
        plane = run.table("plane")
        n = ""
        if plane is not None:
            row = plane[plane["language"] == MACRO].iloc[0]
            n = f" ({row['n_universal']} universal and {row['n_cultural']} cultural prompts)"
        return f"{self.title} Test split{n}, mean over languages, with 95% intervals."


def latex(run: RunTables, only: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """The LaTeX tables in `only`, or all that the run can fill, as (name, LaTeX).

    They only need the package booktabs; texts are escaped. Raises ValueError for an unknown name, and for
    a named table that the run can't fill.
    """
    for name in only:
        if name not in TABLES:
            raise DrawingError(f"table {name!r} is unknown; allowed: {', '.join(TABLES)}")
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


_SPECIAL = str.maketrans({
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
})  # fmt: skip


def escape(text: object) -> str:
    """A text as LaTeX prints it; a hyphen before a number, at the start or after a space or bracket, is a minus."""
    return re.sub(r"(?<![^ \[])-(?=\d)", "$-$", str(text).translate(_SPECIAL))


def _of_seed(row: Row) -> bool:
    return theme.of_seed(row.get("method", ""))


def _label(row: Row, column: str = "method") -> str:
    return theme.label(str(row[column]))


def _change(row: Row, metric: str) -> str:
    return "" if row["method"] == "base" else number(row, f"d_{metric}", signed=True)


def _signed(column: str) -> Callable[[Row], str]:
    return partial(number, column=column, signed=True)


TABLES: Mapping[str, Tabular] = {
    "plane": Tabular(
        "plane",
        {
            "Method": _label,
            "Transfer": partial(number, column="transfer"),
            "Localization": partial(number, column="localization"),
            "Change of transfer": partial(_change, metric="transfer"),
            "Change of localization": partial(_change, metric="localization"),
        },
        "Transfer and localization.",
    ),
    "contrasts": Tabular(
        "contrasts",
        {
            "Metric": lambda row: row["metric"].replace("_", " "),
            "Method": _label,
            "Against": partial(_label, column="against"),
            "Difference": difference,
            "p": lambda row: p_value(shown_p(row)),
        },
        ADJUSTED,
    ),
    "erasure": Tabular(
        "erasure",
        {
            "Method": _label,
            "Lost": _signed("erasure"),
            "Lost with the cue": _signed("knowledge_lost"),
            "Restored by LOC": _signed("recoverable"),
            "By a wrong culture": _signed("recoverable_wrong"),
        },
        "Localization lost in training, and what restores it.",
    ),
    "ablations": Tabular(
        "ablations",
        {
            "Plan": lambda row: row["ablation"],
            "Gain in transfer": _signed("d_transfer"),
            "Gain in localization": _signed("d_localization"),
        },
        "The searched plan and its ablations.",
    ),
}
"""The tables of a paper by name."""
