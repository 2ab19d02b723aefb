"""Multiple choice, on invented rows in the published columns."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from interp.data import load_cultural
from interp.data.files import Record
from interp.data.published.blend._choices import choices, one_each
from interp.errors import DataError

HOW = ' Without any explanation, choose only one (e.g., A, B). Provide as JSON format: {"answer_choice":""}\n\nA. kite\n\nAnswer:'
LETTERS = "ABCD"


def row(
    key: str, question_id: str, place: str, texts: list[str], places: list[str], answer: str = "A"
) -> dict[str, Any]:
    return {
        "MCQID": key,
        "ID": question_id,
        "country": place,
        "prompt": f"What do people fly in {place.replace('_', ' ')}?" + HOW,
        "choices": json.dumps(dict(zip(LETTERS, texts, strict=True))),
        "choice_countries": json.dumps(dict(zip(LETTERS, places, strict=True))),
        "answer_idx": answer,
    }


ROWS = [
    row("m1", "Xx-01", "South_Korea", ["kite", "top", "ball", "drum"], ["South_Korea", "Greece", "Iran", "Mexico"]),
    row("m2", "Xx-01", "South_Korea", ["drone", "kite", "ball", "drum"], ["US", "South_Korea", "Iran", "Mexico"], "B"),
    row("m3", "Xx-01", "Greece", ["top", "kite", "ball", "drum"], ["Greece", "South_Korea", "Iran", "Mexico"]),
    row("m4", "Xx-01", "US", ["drone", "kite", "ball", "drum"], ["US", "South_Korea", "Iran", "Mexico"]),
]
ROWS.append({**ROWS[2], "MCQID": "m5", "ID": "Xx-02", "prompt": "What has Greece flown best?" + HOW})


def records(*rows: dict[str, Any]) -> list[Record]:
    return [Record(one, f"mc.csv, row {number}") for number, one in enumerate(rows, start=2)]


def test_rows_are_read_without_the_instruction() -> None:
    found = choices(records(*ROWS))
    assert found[0].question == "What do people fly in South Korea?"
    assert found[1].choices[found[1].answer] == "kite"
    assert found[1].cultures == {"A": "US", "B": "KR", "C": "IR", "D": "MX"}


def test_one_row_is_drawn_per_question_and_country_with_an_american_choice_if_there_is_one() -> None:
    found = choices(records(*ROWS))
    drawn = {(one.question_id, one.culture): one.id for one in one_each(found)}
    assert drawn == {("Xx-01", "KR"): "m2", ("Xx-01", "GR"): "m3", ("Xx-01", "US"): "m4", ("Xx-02", "GR"): "m5"}
    assert {one.id for one in one_each(reversed(found))} == set(drawn.values())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"choices": "{'A': 'kite'}"}, "not valid JSON"),
        ({"choices": '["kite"]'}, "'choices' is"),
        ({"choice_countries": '{"A": "US"}'}, "the same letters"),
        ({"answer_idx": "E"}, "allowed: A, B, C, D"),
        ({"country": "Atlantis"}, "no country 'Atlantis'"),
        ({"prompt": ""}, "'prompt' is empty"),
    ],
)
def test_a_broken_row_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as caught:
        choices(records({**ROWS[0], **changes}))
    assert said in str(caught.value)
    assert "mc.csv, row 2" in str(caught.value)


def test_the_set_has_the_published_choices(tmp_path: Path) -> None:
    for path, rows in (
        ("evaluation/mc_data/mc_questions_file.csv", ROWS),
        ("data/questions/US_questions.csv", [{"ID": key, "Topic": "Play"} for key in ("Xx-01", "Xx-02")]),
    ):
        target = tmp_path / "blend" / path
        target.parent.mkdir(parents=True)
        with target.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    dataset = load_cultural("blend_choice", data_dir=tmp_path, cultures={"en": "KR"})
    assert dataset.own_culture == {"en": "KR"}
    assert [item.key for item in dataset.items] == ["m2", "m3"]
    korean, greek = dataset.items
    assert korean.questions == {"en": "What do people fly?"}
    chosen = korean.options("KR", "US", "en")
    assert chosen is not None
    assert [korean.names[key]["en"] for key in chosen.keys] == ["drone", "kite", "ball", "drum"]
    assert (chosen.local, chosen.reference) == (1, 0)
    chosen = greek.options("GR", "US", "en")
    assert chosen is not None
    assert (chosen.local, chosen.reference) == (0, None)
    assert [(left.item, left.where) for left in dataset.left_out] == [("m5", "GR")]
