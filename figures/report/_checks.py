"""Sections on what stands beside the plane: other normalisations, English, the language itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

from figures import MACRO, RunTables, number
from figures import _theme as theme
from figures.report import _tables as tables

SIGNS = {"same": "", "changes": "changes sign", "reverses": "reverses"}
UNDER = ("sum", "bytes", "mean")

NOTES = {
    "robustness": "An effect changes sign where its estimate is above 0 under one normalisation and below 0 under "
    "another. It reverses where an interval lies above 0 under one and below 0 under another.",
    "consistency": "T|en (transfer given en) is transfer among the items that the unsteered model gets right in "
    "English. RankC (Qi, Fernandez and Bisazza 2023) is how far the options are ranked as the unsteered model ranks "
    "them in English; 1 is the same order.",
    "damage": "Sentences in the scored languages that no vector was fitted on. A method that raises their negative "
    "log-likelihood (nll, in nats) makes the model's language worse.",
}


def checked(run: RunTables, manifest: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(name, heading, body) of every section that the run can fill: sentences of its manifest, and its table."""
    sentences: Mapping[str, Sequence[str]] = manifest.get("checks", {})
    sections = []
    for name, heading, draw in SECTIONS:
        table = run.table(name)
        lines = [str(line) for line in sentences.get(name, ())]
        if table is None and not lines:
            continue
        body = "".join(f"<p>{escape(line)}</p>" for line in lines)
        if table is not None:
            body += draw(table[table["language"] == MACRO]) + f'<p class="note">{escape(NOTES[name])}</p>'
        sections.append((name, heading, body))
    return sections


def _robustness(rows: pd.DataFrame) -> str:
    shown = [
        [
            row["metric"].replace("_", " "), row["method"], row["against"],
            *(number(row, name, signed=True) for name in UNDER), SIGNS[row["sign"]],
        ]
        for row in rows.to_dict("records")
        if not theme.is_control(row["method"]) and not theme.of_seed(row["method"])
    ]  # fmt: skip
    header = ("metric", "method", "against", *UNDER, "sign")
    return tables.html_table(header, shown, "Effects under three normalisations, mean over languages")


def _consistency(rows: pd.DataFrame) -> str:
    columns = ("transfer_given_en", "d_transfer_given_en", "rankc", "d_rankc")
    return tables.numbers_table(rows, ("method",), columns, "T|en and RankC, mean over languages")


def _damage(rows: pd.DataFrame) -> str:
    columns = ("perplexity", "nll_token", "d_nll_token", "nll_byte", "d_nll_byte")
    return tables.numbers_table(rows, ("method",), columns, "Parallel sentences under each method, mean over languages")


SECTIONS: tuple[tuple[str, str, Callable[[pd.DataFrame], str]], ...] = (
    ("robustness", "Under other normalisations", _robustness),
    ("consistency", "What the model knows in English", _consistency),
    ("damage", "Damage to the language", _damage),
)
