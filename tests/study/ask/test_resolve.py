"""What a run refuses before it loads a model."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from interp.data import atlas
from interp.errors import DataError
from interp.study.ask import resolve
from interp.study.config import RunConfig


@pytest.fixture
def three_cultures(tmp_path: Path) -> Path:
    """Atlas' questions with the answers of three cultures alone: too few for four options."""
    path = tmp_path / "three.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("item", "language", "topic", "question", "culture", "answer"))
        for item in atlas.cultural().items:
            for code in ("en", "el"):
                for culture in ("US", "GR", "KR"):
                    name = item.names[item.answers[culture][0]][code]
                    writer.writerow((item.key, code, item.topic, item.questions[code], culture, name))
    return path


def test_too_few_items_are_told_with_the_commonest_reason(three_cultures: Path) -> None:
    config = RunConfig(cultural=str(three_cultures), languages=("el",), cultures=("el=GR",))
    with pytest.raises(
        DataError,
        match=r"0 cultural items to score in the fit split \(0 of 233 can be scored for GR; \d+ of the others can't: fewer than 4",
    ):
        resolve(config)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"universal": "mmlu"}, "universal dataset 'mmlu' is unknown.*did you mean 'mmmlu'"),
        ({"cultures": ("es=XX",)}, "--cultures es=XX: dataset 'atlas' does not have both; allowed: languages en, es"),
        ({"shots": 3000}, "--shots 3000: dataset 'atlas' has"),
        ({"template": "nowhere.jinja"}, "template 'nowhere.jinja' can't be read"),
        ({"data_dir": "nowhere", "cultural": "blend"}, "--data-dir nowhere does not exist"),
        ({"cultural": "culturalbench", "data_dir": "."}, "holds no folder for dataset 'culturalbench'"),
    ],
)
def test_mistakes_are_one_line(settings: dict, told: str) -> None:
    from interp.errors import TranslocalError

    with pytest.raises(TranslocalError, match=told) as caught:
        resolve(RunConfig(**settings))
    assert "\n" not in str(caught.value)


def test_a_language_can_be_scored_for_another_of_its_cultures() -> None:
    inputs = resolve(RunConfig(languages=("es",), cultures=("es=MX",)))
    assert inputs.cultural.own_culture["es"] == "MX"
