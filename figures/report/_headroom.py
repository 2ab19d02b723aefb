"""The section on headroom: what there is to gain before anything is steered, and the share that steering recovers."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd

from figures import MACRO, Row, RunTables, number
from figures import _theme as theme
from figures.report import _tables as tables

COLUMNS = (
    "transfer_english", "transfer", "headroom_transfer", "explicit_localization", "localization",
    "headroom_localization", "us_bias", "chance_effective",
)  # fmt: skip
NONE_SHOWN = "no headroom shown"


def headroom(run: RunTables, manifest: Mapping[str, Any]) -> str:
    """Sentences of the manifest, the table of headroom, and what each method recovers; empty without headroom.csv."""
    table = run.table("headroom")
    if table is None:
        return ""
    body = "".join(f"<p>{escape(str(line))}</p>" for line in manifest.get("headroom", ()))
    caption = "The unsteered model on test, per language and as their mean (macro), with 95% intervals"
    body += tables.numbers_table(table, ("language",), COLUMNS, caption)
    shares = run.table("recovered")
    return body if shares is None else body + _recovered(shares)


def _recovered(shares: pd.DataFrame) -> str:
    rows = [
        [theme.looks([row["method"]])[theme.family(row["method"])].label, row["metric"],
         number(row, "gain", signed=True), number(row, "headroom", signed=True), share(row)]
        for row in shares[shares["language"] == MACRO].to_dict("records")
        if not theme.is_control(row["method"]) and not theme.of_seed(row["method"])
    ]  # fmt: skip
    header = ("method", "metric", "gain", "headroom", "share recovered")
    return tables.html_table(header, rows, "Gains as a share of the headroom, mean over languages")


def share(row: Row) -> str:
    """A row's share of the headroom with its interval, or that no headroom is shown."""
    return NONE_SHOWN if pd.isna(row["recovered"]) else number(row, "recovered")
