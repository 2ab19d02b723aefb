"""Tables of the page: rows of texts, which the template escapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import pandas as pd

from figures import ADJUSTED, MACRO, PANELS, TABLES, Row, RunTables, number
from figures import _theme as theme


class Table(NamedTuple):
    """A table whose first column names its rows."""

    caption: str
    header: list[str]
    rows: list[list[str]]


class Estimates(NamedTuple):
    """Which columns of a run's table are shown: keys, then estimates with their intervals."""

    keys: tuple[str, ...]
    columns: tuple[str, ...]
    caption: str


ESTIMATES: Mapping[str, Estimates] = {
    "headroom": Estimates(
        ("language",),
        (
            "transfer_english", "transfer", "headroom_transfer", "explicit_localization", "localization",
            "headroom_localization", "us_bias", "chance_effective",
        ),
        "The unsteered model on test, per language and as their mean (macro), with 95% intervals",
    ),
    "consistency": Estimates(
        ("method",),
        ("transfer_given_en", "d_transfer_given_en", "rankc", "d_rankc"),
        "T|en and RankC, mean over languages",
    ),
    "damage": Estimates(
        ("method",),
        ("perplexity", "nll_token", "d_nll_token", "nll_byte", "d_nll_byte"),
        "Parallel sentences under each method, mean over languages",
    ),
    "sweep": Estimates(
        ("method", "layer", "strength"), ("d_transfer", "d_localization"), "Changes from base on dev"
    ),
    "layers": Estimates(
        ("layer",),
        tuple(curve.column for panel in PANELS for curve in panel.curves),
        "Probes, alignment, directions and effects by layer",
    ),
    "lens": Estimates(
        ("layer", "cue"), ("local", "us", "lead"), "Which answer the logit lens puts first, on test"
    ),
    "erasure": Estimates(
        ("method",),
        ("erasure", "knowledge_lost", "recoverable", "recoverable_wrong", "returned"),
        "Localization lost in training, and what restores it, mean over languages",
    ),
    "ablations": Estimates(
        ("ablation",),
        ("d_transfer", "d_localization", "vs_transfer", "vs_localization"),
        "Changes from base (d), and from the searched plan (vs), mean over languages",
    ),
}  # fmt: skip


def tables(run: RunTables) -> dict[str, Table | None]:
    """Every table of the page by its name; None where the run has no rows for it."""
    makers: dict[str, Callable[[pd.DataFrame], Table | None]] = {
        **{name: partial(_estimates, shown=shown) for name, shown in ESTIMATES.items()},
        "plane": plane_table,
        "contrasts": contrast_table,
        "recovered": _recovered,
        "robustness": _robustness,
        "onsets": _onsets,
    }
    loaded = {name: run.table(name) for name in makers}
    return {name: None if table is None or table.empty else makers[name](table) for name, table in loaded.items()}


def by_language(run: RunTables) -> dict[str, dict[str, list[list[str]]]]:
    """Rows of the tables that charts show, for every language they can be drawn for."""
    found: dict[str, dict[str, list[list[str]]]] = {}
    for name in ("plane", "contrasts", "sweep", "layers", "lens"):
        table = run.table(name)
        if table is None:
            continue
        for language, rows in table.groupby("language", sort=False):
            of_one = rows.assign(language=MACRO)
            made = _of(name, of_one, "") if name in TABLES else _estimates(of_one, ESTIMATES[name])
            found.setdefault(name, {})[str(language)] = made.rows
    return found


def plane_table(plane: pd.DataFrame) -> Table:
    """Macro rows: levels and changes with intervals."""
    return _of("plane", plane, "Every method, with 95% intervals")


def contrast_table(contrasts: pd.DataFrame) -> Table:
    """Macro contrasts with intervals and p."""
    return _of("contrasts", contrasts, ADJUSTED)


def _of(name: str, table: pd.DataFrame, caption: str) -> Table:
    """The rows of a paper's table, under headers in small letters."""
    rows = TABLES[name].rows(table)
    return Table(caption, [str(header).lower() for header in rows], rows.to_numpy().tolist())


def _estimates(table: pd.DataFrame, shown: Estimates) -> Table:
    """Rows of every language where that is a key, else of their mean; columns that the table lacks are left out."""
    rows = table if "language" in shown.keys else table[table["language"] == MACRO]
    columns = [name for name in shown.columns if name in table]
    cells = [
        [*(_key(row[key]) for key in shown.keys), *(_estimate(row, name) for name in columns)]
        for row in rows.to_dict("records")
    ]
    return Table(shown.caption, [name.replace("_", " ") for name in (*shown.keys, *columns)], cells)


def _recovered(shares: pd.DataFrame) -> Table:
    cells = [
        [
            theme.label(row["method"]),
            row["metric"],
            number(row, "gain", signed=True),
            number(row, "headroom", signed=True),
            "no headroom shown" if pd.isna(row["recovered"]) else number(row, "recovered"),
        ]
        for row in _steered(shares)
    ]
    header = ["method", "metric", "gain", "headroom", "share recovered"]
    return Table("Gains as a share of the headroom, mean over languages", header, cells)


def _robustness(effects: pd.DataFrame) -> Table:
    names = ("sum", "bytes", "mean")
    signs = {"same": "", "changes": "changes sign", "reverses": "reverses"}
    cells = [
        [
            row["metric"].replace("_", " "),
            row["method"],
            row["against"],
            *(number(row, name, signed=True) for name in names),
            signs[row["sign"]],
        ]
        for row in _steered(effects)
    ]
    header = ["metric", "method", "against", *names, "sign"]
    return Table("Effects under three normalisations, mean over languages", header, cells)


def _onsets(onsets: pd.DataFrame) -> Table | None:
    """Layers of the onsets per language, with their intervals; None where the run looked for none."""
    names = ("universal", "cultural", "separation")
    if not set(names) <= set(onsets):
        return None
    cells = [[str(row["language"]), *(_layer(row, name) for name in names)] for row in onsets.to_dict("records")]
    caption = "Onsets: the first layers from which signals exceed their controls, and the distance between them"
    return Table(caption, ["language", *names], cells)


def _steered(table: pd.DataFrame) -> list[Row]:
    """Rows of the mean over languages, without controls and single training seeds."""
    aside = table["method"].map(lambda method: theme.is_control(method) or theme.of_seed(method))
    return list(table[(table["language"] == MACRO) & ~aside].to_dict("records"))


def _estimate(row: Row, name: str) -> str:
    return "" if pd.isna(row[name]) else number(row, name, signed=name.startswith(("d_", "vs_")))


def _layer(row: Row, name: str) -> str:
    if pd.isna(row[name]):
        return "not found"
    lo, hi = row[f"{name}_lo"], row[f"{name}_hi"]
    return f"{row[name]:g}" + ("" if pd.isna(lo) or pd.isna(hi) else f" [{lo:g}, {hi:g}]")


def _key(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
