"""The numbers on the page about Gemma are those of the tables stored beside it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from figures import number

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE = (DOCS / "gemma3-270m.md").read_text("utf-8")
MEASURES = ("transfer_english", "transfer", "explicit_localization")


def choices() -> pd.DataFrame:
    """Macro rows of the unsteered model on dev, with the mean that the choice goes by."""
    tables = [pd.read_csv(DOCS / "gemma3-270m" / f"dev-{shots}.csv").assign(shots=shots) for shots in (0, 4)]
    rows = pd.concat(tables)
    return rows[rows["language"] == "macro"].assign(mean=lambda table: table[list(MEASURES)].mean(axis=1))


@pytest.mark.parametrize("row", choices().to_dict("records"), ids=lambda row: f"{row['shots']}-{row['normalisation']}")
def test_choices_before_effects(row: dict) -> None:
    numbers = [number(row, name) for name in MEASURES]
    assert f"| {row['shots']} | {row['normalisation']} | {' | '.join(numbers)} | {row['mean']:.3f} |" in PAGE


def test_what_was_chosen_follows_from_the_rule() -> None:
    table = choices().set_index(["shots", "normalisation"])["mean"]
    best = table.idxmax()
    chosen = best if table[best] - table[0, "bytes"] > 0.01 else (0, "bytes")
    assert f"So the runs below have {chosen[0]} worked examples and go by `{chosen[1]}`." in PAGE
