"""Verdict cards on tables whose verdict is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from figures import RunTables
from figures.report._cards import Card, cards, overall

SMALLEST = {"transfer": 0.05, "localization": 0.05}
Effects = dict[tuple[str, str], float]
"""(method, metric) -> the change from base, whose interval reaches .03 to both sides."""


def row(method: str, metric: str, estimate: float, language: str = "macro", **more: Any) -> dict[str, Any]:
    ends = {"estimate": estimate, "lo": estimate - 0.03, "hi": estimate + 0.03, "p": 0.01, "p_holm": 0.01}
    return {"metric": metric, "method": method, "against": "base", "language": language, "n_clusters": 40} | ends | more


def drawn(
    folder: Path, effects: Effects, called: dict[str, str], headroom: tuple[float, float] = (0.3, 0.3), beaten: int = 20
) -> dict[str, Card]:
    """The cards of a run with these effects. headroom: estimate on both axes, of which the interval reaches .05."""
    rows = [row(*key, value) for key, value in effects.items()]
    rows += [row(*key, value, language) for key, value in effects.items() for language in ("es", "ko")]
    pd.DataFrame(rows).to_csv(folder / "contrasts.csv", index=False)
    verdicts = [
        {
            "method": method,
            "language": "macro",
            "metric": "transfer" if method == "en" else "localization",
            "called": name,
        }
        for method, name in called.items()
    ]
    pd.DataFrame(verdicts, columns=["method", "language", "metric", "called"]).to_csv(
        folder / "verdicts.csv", index=False
    )
    told: dict[str, Any] = {"language": "macro"}
    for axis, value in zip(("transfer", "localization"), headroom, strict=True):
        told |= {f"headroom_{axis}": value, f"headroom_{axis}_lo": value - 0.05, f"headroom_{axis}_hi": value + 0.05}
    pd.DataFrame([told]).to_csv(folder / "headroom.csv", index=False)
    controls = [
        {"control": "random", "draw": draw, "metric": metric, "language": "macro", "beaten_by_surgical": beaten}
        for metric in ("transfer", "localization")
        for draw in range(20)
    ]
    pd.DataFrame(controls).to_csv(folder / "controls.csv", index=False)
    return {card.method: card for card in cards(RunTables(folder), SMALLEST)}


@pytest.mark.parametrize(
    ("own", "other", "called", "headroom", "verdict", "tone"),
    [
        (0.2, 0.0, "transfer", 0.3, "works", "good"),
        (0.2, -0.2, "transfer", 0.3, "works, but localization falls", "open"),
        (0.2, 0.0, "shift of output", 0.3, "shift of output only", "open"),
        (0.2, -0.2, "shift of output", 0.3, "shift of output only, and localization falls", "open"),
        (0.2, 0.0, "undecided", 0.3, "rises; controls are missing", "open"),
        (-0.2, 0.0, "loss", 0.3, "harmful", "bad"),
        (0.0, -0.2, "no clear gain", 0.3, "harmful", "bad"),
        (0.0, 0.0, "no clear gain", 0.3, "no gain large enough to see", "open"),
        (0.025, 0.0, "no clear gain", 0.3, "can't tell with this design", "open"),
        (0.025, 0.0, "no clear gain", 0.01, "little headroom", "open"),
        (0.025, 0.0, "no clear gain", float("nan"), "can't tell with this design", "open"),
    ],
)
def test_a_vectors_card(
    tmp_path: Path, own: float, other: float, called: str, headroom: float, verdict: str, tone: str
) -> None:
    effects = {("en", "transfer"): own, ("en", "localization"): other}
    card = drawn(tmp_path, effects, {"en": called}, (headroom, 0.3))["en"]
    assert (card.verdict, card.tone) == (verdict, tone)
    assert card.effects[0].startswith(f"transfer {own:+.3f} [")


def test_headroom_of_one_axis_does_not_hang_on_the_others(tmp_path: Path) -> None:
    effects = {("loc", "localization"): 0.0, ("loc", "transfer"): 0.0}
    card = drawn(tmp_path, effects, {"loc": "no clear gain"}, (float("nan"), 0.01))["loc"]
    assert card.verdict == "little headroom"
    assert "Headroom for localization +0.010 [-0.040, +0.060]." in card.notes


@pytest.mark.parametrize(
    ("transfer", "localization", "specific", "beaten", "verdict"),
    [
        (0.2, 0.2, 0.2, 20, "both rise"),
        (0.2, 0.2, 0.0, 20, "both rise; controls are not all beaten"),
        (0.2, 0.2, 0.2, 19, "both rise; controls are not all beaten"),
        (0.2, -0.2, 0.2, 20, "transfer rises, localization falls"),
        (0.0, 0.2, 0.2, 20, "localization alone rises"),
        (0.0, -0.2, 0.0, 20, "harmful"),
        (0.0, 0.0, 0.0, 20, "no gain large enough to see"),
        (0.0, 0.025, 0.0, 20, "can't tell with this design"),
    ],
)
def test_the_card_of_surgical_steering(
    tmp_path: Path, transfer: float, localization: float, specific: float, beaten: int, verdict: str
) -> None:
    effects = {("surgical", "transfer"): transfer, ("surgical", "localization"): localization}
    effects["surgical", "transfer_specific"] = specific
    card = drawn(tmp_path, effects, {}, beaten=beaten)["surgical"]
    assert card.verdict == verdict
    assert (card.tone == "good") == (verdict == "both rise")


def test_languages_that_go_the_other_way_make_it_mixed_and_are_named(tmp_path: Path) -> None:
    rows = [row("en", metric, value) for metric, value in (("transfer", 0.2), ("localization", 0.0))]
    rows += [
        row("en", "transfer", value, code, n_clusters=9) for code, value in (("es", 0.4), ("zh", -0.2), ("ko", 0.0))
    ]
    rows += [row("en", "localization", 0.0, code) for code in ("es", "zh", "ko")]
    rows[0]["n_clusters"] = 9
    pd.DataFrame(rows).to_csv(tmp_path / "contrasts.csv", index=False)
    called = [{"method": "en", "language": "macro", "metric": "transfer", "called": "transfer"}]
    pd.DataFrame(called).to_csv(tmp_path / "verdicts.csv", index=False)
    (card,) = cards(RunTables(tmp_path), SMALLEST)
    assert card.verdict == "mixed"
    assert "Transfer: up in Spanish; down in Chinese; unclear in Korean." in card.notes
    assert "Only 9 groups of questions: the intervals are rough." in card.notes


def test_few_questions_make_no_green_card_and_an_uncounted_interval_is_explained(tmp_path: Path) -> None:
    rows = [row("loc", "localization", 0.2, n_clusters=14), row("loc", "transfer", 0.05, p_holm=0.2)]
    pd.DataFrame(rows).to_csv(tmp_path / "contrasts.csv", index=False)
    sentence = "LOC raises it, and this counts as localization: it beats both."
    called = [
        {"method": "loc", "language": "macro", "metric": "localization", "called": "localization", "sentence": sentence}
    ]
    pd.DataFrame(called).to_csv(tmp_path / "verdicts.csv", index=False)
    (card,) = cards(RunTables(tmp_path), SMALLEST)
    assert (card.verdict, card.tone) == ("works, on few questions", "open")
    assert any(
        note.startswith("Transfer is not counted: its interval excludes 0, but not after") for note in card.notes
    )
    assert overall([card]) == "LOC-steering: works, on few questions."


def test_a_card_says_which_criterion_failed(tmp_path: Path) -> None:
    effects = {("en", "transfer"): 0.2, ("en", "localization"): 0.0}
    drawn(tmp_path, effects, {"en": "shift of output"})
    verdicts = pd.read_csv(tmp_path / "verdicts.csv")
    failing = "it does not clearly beat a vector towards a third language (+0.010 [-0.010, +0.030])"
    told = f"On average, EN raises accuracy, but this does not count as transfer: {failing}. The headroom is +0.3."
    verdicts.assign(sentence=told).to_csv(tmp_path / "verdicts.csv", index=False)
    (card,) = cards(RunTables(tmp_path), SMALLEST)
    assert card.notes[0] == f"It does not count as transfer: {failing}."
