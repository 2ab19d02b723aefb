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


FORMER = {path.stem: pd.read_csv(path) for path in sorted((DOCS / "gemma3-270m" / "former").glob("*.csv"))}


def onset(row: dict, name: str) -> str:
    return "none" if pd.isna(row[name]) else f"{row[name]:.0f} [{row[f'{name}_lo']:.0f}, {row[f'{name}_hi']:.0f}]"


@pytest.mark.parametrize("row", FORMER["headroom"].to_dict("records"), ids=lambda row: row["language"])
def test_headroom(row: dict) -> None:
    names = ("transfer_english", "transfer", "headroom_transfer", "localization", "headroom_localization", "us_bias")
    numbers = [number(row, name, signed=name.startswith("headroom")) for name in names]
    assert f"| {row['language']} | {' | '.join(numbers)} |" in PAGE


@pytest.mark.parametrize("row", FORMER["onsets"].to_dict("records"), ids=lambda row: row["language"])
def test_onsets(row: dict) -> None:
    numbers = [onset(row, name) for name in ("universal", "cultural", "separation")]
    assert f"| {row['language']} | {' | '.join(numbers)} |" in PAGE


def test_lens() -> None:
    rows = FORMER["lens"][FORMER["lens"]["language"] == "macro"].set_index(["layer", "cue"])
    for layer in (4, 8, 12, 15, 17):
        leads = [number(rows.loc[(layer, cue)].to_dict(), "lead", signed=True) for cue in ("none", "explicit")]
        assert f"| {layer} | {' | '.join(leads)} |" in PAGE
    for cue, first in (("none", 13), ("explicit", 12)):
        clear = [layer for layer in range(18) if rows.loc[(layer, cue), "lead_lo"] > 0]
        assert set(range(first, 18)) <= set(clear)
        assert first - 1 not in clear


def macro(name: str) -> pd.DataFrame:
    return FORMER[name][FORMER[name]["language"] == "macro"].set_index("method")


@pytest.mark.parametrize("method", [name for name in macro("plane").index if not name[-1].isdigit()])
def test_the_former_run(method: str) -> None:
    row, damage = macro("plane").loc[method].to_dict(), macro("damage")
    cells = [f"{row['transfer']:.3f}", f"{row['localization']:.3f}"]
    cells += ["" if method == "base" else number(row, name, signed=True) for name in ("d_transfer", "d_localization")]
    there = method in damage.index and method != "base"
    cells.append(number(damage.loc[method].to_dict(), "d_nll_token", signed=True) if there else "")
    assert f"| `{method}` | {' | '.join(cells)} |" in PAGE
