"""Annotations in both layouts, BLEnD's rule of validity, and what a broken record is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from interp.data.files import Record, read_records
from interp.data.published.blend._annotations import Answer, annotated
from interp.errors import DataError

RECORD: dict[str, Any] = {
    "question": "무엇을\x1c날리나요?",
    "en_question": "What do people fly?",
    "annotations": [
        {"answers": [" 팽이 ", "팽이"], "en_answers": [], "count": 1},
        {"answers": ["연", ""], "en_answers": ["kite", "kites"], "count": 3},
        {"answers": [""], "en_answers": [" "], "count": 1},
    ],
    "idks": {"idk": 1, "no-answer": 0, "not-applicable": 1, "a remark": 1},
}


def one(**changes: Any) -> Record:
    return Record({"ID": "Xx-01", **RECORD, **changes}, "invented.json, 'Xx-01'")


def test_both_layouts_give_the_same(tmp_path: Path) -> None:
    by_id = tmp_path / "data.json"
    by_id.write_text(json.dumps({"Xx-01": RECORD}, ensure_ascii=False), encoding="utf-8")
    hub = [
        one(),
        one(annotations=json.dumps(RECORD["annotations"]), idks=json.dumps(RECORD["idks"])),
        one(idks=[{"idk": 1}, {"not-applicable": 1}, {"a remark": 1}]),
        one(idks=[["idk", 1], ["not-applicable", 1], ["a remark", 1]]),
        one(idks=["idk", "not-applicable", "a remark"]),
        one(idks={**RECORD["idks"], "no-answer": None}),
    ]
    expected = annotated(read_records(by_id))
    found = expected["Xx-01"]
    assert found.question == "무엇을 날리나요?"
    assert found.answers == (Answer(("연",), ("kite", "kites"), 3), Answer(("팽이",), (), 1))
    assert found.abstained == {"idk": 1, "no-answer": 0, "not-applicable": 1, "a remark": 1}
    for record in hub:
        assert annotated([record]) == expected


@pytest.mark.parametrize(
    ("idks", "why"),
    [
        ({"idk": 4, "no-answer": 1, "not-applicable": 1}, ""),
        ({"idk": 5, "no-answer": 0, "not-applicable": 0}, "did not know"),
        ({"idk": 0, "no-answer": 1, "not-applicable": 2}, "3 annotators"),
        ({"idk": 0, "no-answer": 0, "not-applicable": 0, "a remark": 9}, ""),
    ],
)
def test_validity_is_the_published_rule(idks: dict[str, int], why: str) -> None:
    invalid = annotated([one(idks=idks)])["Xx-01"].invalid
    assert why in invalid if why else invalid == ""


def test_a_question_without_answers_is_invalid() -> None:
    assert annotated([one(annotations=[])])["Xx-01"].invalid == "no answers"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"annotations": "[{'answers'"}, "not valid JSON"),
        ({"annotations": {"answers": []}}, "is not a list"),
        ({"annotations": ["연"]}, "an annotation is"),
        ({"annotations": [{"answers": ["연"], "count": 1}]}, "en_answers"),
        ({"annotations": [{"answers": ["연"], "en_answers": [], "count": 0}]}, "count is 0"),
        ({"annotations": [{"answers": [3], "en_answers": [], "count": 1}]}, "answers are [3]"),
        ({"idks": {"idk": "two"}}, "idks['idk'] is 'two'"),
        ({"idks": [7]}, "idks holds 7"),
    ],
)
def test_a_broken_record_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as caught:
        annotated([one(**changes)])
    assert said in str(caught.value)
    assert "invented.json, 'Xx-01'" in str(caught.value)


def test_missing_columns_and_twins_are_named() -> None:
    record = one()
    with pytest.raises(DataError, match="'idks' is missing"):
        annotated([Record({k: v for k, v in record.values.items() if k != "idks"}, "rows, row 2")])
    with pytest.raises(DataError, match="'Xx-01' appears twice"):
        annotated([record, record])


def test_real_files_keep_the_rule_of_their_notes(shared_data: Path) -> None:
    """All regular questions are valid in all countries; the one that is noted as invalid for Algeria is."""
    folder = shared_data / "blend"
    notes = [
        line.split("\t") for line in (folder / "subset_ids.tsv").read_text(encoding="utf-8").split("\n")[1:] if line
    ]
    regular = {key for key, subset, *_ in notes if subset == "regular"}
    assert len(notes) == 112
    assert len(regular) == 92
    invalid = set()
    for path in sorted((folder / "data" / "annotations").glob("*_data.json")):
        records = annotated(read_records(path))
        assert set(records) == {key for key, *_ in notes}
        invalid |= {(path.name.removesuffix("_data.json"), key) for key, found in records.items() if found.invalid}
    assert not {key for _, key in invalid} & regular
    assert ("Algeria", "Al-en-02") in invalid
