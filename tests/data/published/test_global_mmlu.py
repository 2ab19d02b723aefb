"""Global-MMLU: which rows become items, which examples, and what broken files are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from interp.data import _registry as registry
from interp.data import atlas, load_universal, scored_languages
from interp.errors import DataError

ANSWERS = "ABCD"


def row(number: int, code: str, split: str = "test", label: str = "CA") -> dict[str, object]:
    """A row in the published schema; `number` fixes the answer and the subject."""
    return {
        "sample_id": f"invented/{split}/{number}", "subject": f"invented_{number % 3}", "subject_category": "STEM",
        "question": f"{code}: what is {number} plus {number}?",
        "option_a": f"{code} {number}", "option_b": f"{code} {number + 1}", "option_c": f"{code} {number + 2}",
        "option_d": f"{code} {number + 3}", "answer": ANSWERS[number % 4], "required_knowledge": "[]",
        "time_sensitive": "[]", "reference": "[]", "culture": "[]", "region": "[]", "country": "[]",
        "cultural_sensitivity_label": "-" if split == "dev" else label, "is_annotated": split == "test" and label != "-",
    }  # fmt: skip


LABELS = ["CA"] * 24 + ["CS"] * 6 + ["-"] * 10


@pytest.fixture
def folder(tmp_path: Path, write_jsonl) -> Path:
    for code in ("en", "ko", "es"):
        write_jsonl(tmp_path / f"global_mmlu/{code}/test.jsonl", [row(i, code, label=x) for i, x in enumerate(LABELS)])
        write_jsonl(tmp_path / f"global_mmlu/{code}/dev.jsonl", [row(i, code, "dev") for i in range(5)])
    return tmp_path


def test_annotated_rows_are_items_and_dev_rows_are_examples(folder: Path, check_items) -> None:
    dataset = load_universal("global_mmlu", data_dir=folder)
    check_items(dataset)
    assert dataset.languages == ("en", "es", "ko")
    assert [item.sensitive for item in dataset.items] == [label == "CS" for label in LABELS if label != "-"]
    assert len(dataset.examples) == 5
    (left,) = dataset.left_out
    assert (left.count, left.reason) == (10, "not annotated as culturally agnostic or sensitive")
    assert len(dataset.items) + sum(known.count for known in dataset.left_out) == len(LABELS)
    item = next(i for i in dataset.items if i.key == "invented/test/6")
    assert (item.relation, item.answer) == ("invented_0", 2)
    assert [option["ko"] for option in item.options] == ["ko 6", "ko 7", "ko 8", "ko 9"]
    assert {i.split for i in dataset.items} == {"fit", "dev", "test"}


def test_languages_are_read_in_the_published_order_and_english_always(folder: Path) -> None:
    a = load_universal("global_mmlu", languages=("ko", "es"), data_dir=folder)
    b = load_universal("global_mmlu", languages=("es", "en", "ko", "de"), data_dir=folder)
    assert a == b
    alone = load_universal("global_mmlu", languages=("ko",), data_dir=folder)
    assert alone.languages == ("en", "ko")
    assert [(i.key, i.split, i.answer) for i in alone.items] == [(i.key, i.split, i.answer) for i in a.items]


def test_other_names_of_the_files_hold_the_same_rows(folder: Path, tmp_path: Path) -> None:
    import pandas as pd

    expected = load_universal("global_mmlu", data_dir=folder)
    frames = {
        (code, split): pd.read_json(folder / f"global_mmlu/{code}/{split}.jsonl", lines=True)
        for code in ("en", "ko", "es")
        for split in ("test", "dev")
    }
    for kind, name in (
        ("parquet", "{code}/{split}-00000-of-00001.parquet"),
        ("csv", "{code}_{split}.csv"),
        ("json", "{split}/{code}.json"),
    ):
        other = tmp_path / kind
        for (code, split), frame in frames.items():
            path = other / "Global-MMLU" / name.format(code=code, split=split)
            path.parent.mkdir(parents=True, exist_ok=True)
            options = {"csv": {"index": False}, "json": {"orient": "records"}, "parquet": {}}[kind]
            getattr(frame, f"to_{kind}")(path, **options)
        found = load_universal("global_mmlu", data_dir=other)
        assert (found.items, found.examples) == (expected.items, expected.examples), name


def test_rows_that_a_language_lacks_are_left_out_and_counted(folder: Path, write_jsonl) -> None:
    write_jsonl(
        folder / "global_mmlu/ko/test.jsonl", [row(i, "ko", label=LABELS[i]) for i in range(20)] + [row(99, "ko")]
    )
    dataset = load_universal("global_mmlu", data_dir=folder)
    assert len(dataset.items) == 20
    counts = {known.reason: known.count for known in dataset.left_out}
    assert counts["missing in ko"] == 10
    assert counts["in ko but not in English"] == 1
    assert len(load_universal("global_mmlu", languages=("es",), data_dir=folder).items) == 30


def test_equal_or_empty_options_and_equal_questions(folder: Path, write_jsonl, check_items) -> None:
    english = [row(i, "en", label=x) for i, x in enumerate(LABELS)]
    english[0]["option_b"] = english[0]["option_a"]
    english[1]["option_c"] = None
    english[7]["question"] = "EN:  what is 8 plus 8?"
    write_jsonl(folder / "global_mmlu/en/test.jsonl", english)
    dataset = load_universal("global_mmlu", data_dir=folder)
    check_items(dataset)
    reasons = {known.item: known.reason for known in dataset.left_out}
    assert reasons["invented/test/0"] == "two options are the same in 'en'"
    assert reasons["invented/test/1"] == "option C is empty in 'en'"
    clusters = {item.key: item.cluster for item in dataset.items}
    assert clusters["invented/test/7"] == clusters["invented/test/8"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"answer": "E"}, "test.jsonl, row 3: 'answer' is 'E'; allowed: A, B, C, D"),
        ({"answer": "A"}, "ko/test.jsonl, row 3: the languages don't line up: 'invented/test/2' has the answer 'A'"),
        ({"subject": "other"}, "row 3: the languages don't line up: 'invented/test/2' has the subject 'other'"),
        ({"question": " "}, "test.jsonl, row 3: 'question' is empty"),
        ({"question": "\x1c\x08"}, "test.jsonl, row 3: 'question' is empty"),
        (
            {"sample_id": "invented/test/1"},
            "row 3: sample_id 'invented/test/1' appears twice; allowed: once; first at",
        ),
    ],
)
def test_a_broken_row_is_told_with_its_file(folder: Path, write_jsonl, change: dict[str, str], told: str) -> None:
    rows = [row(i, "ko", label=x) for i, x in enumerate(LABELS)]
    rows[2].update(change)
    write_jsonl(folder / "global_mmlu/ko/test.jsonl", rows)
    with pytest.raises(DataError) as caught:
        load_universal("global_mmlu", data_dir=folder)
    assert told in str(caught.value)


def test_a_missing_column_and_a_wrong_label_are_told(folder: Path, write_jsonl) -> None:
    rows = [row(i, "en", label=x) for i, x in enumerate(LABELS)]
    for change, told in (
        ("option_d", "row 1: column 'option_d' is missing"),
        ("x", "row 1: 'cultural_sensitivity_label' is 'x'"),
    ):
        changed = [dict(known) for known in rows]
        if change in changed[0]:
            del changed[0][change]
        else:
            changed[0]["cultural_sensitivity_label"] = change
        write_jsonl(folder / "global_mmlu/en/test.jsonl", changed)
        with pytest.raises(DataError) as caught:
            load_universal("global_mmlu", data_dir=folder)
        assert told in str(caught.value)


def test_control_characters_are_dropped(folder: Path, write_jsonl) -> None:
    rows = [row(i, "ko", label=x) for i, x in enumerate(LABELS)]
    rows[2]["question"] = "무엇\x1c인가\x08?"
    write_jsonl(folder / "global_mmlu/ko/test.jsonl", rows)
    dataset = load_universal("global_mmlu", data_dir=folder)
    assert next(i for i in dataset.items if i.key == "invented/test/2").questions["ko"] == ("무엇인가?",)


def test_with_dev_files_alone_there_are_examples_and_a_run_is_told(folder: Path) -> None:
    for code in ("en", "ko", "es"):
        (folder / f"global_mmlu/{code}/test.jsonl").unlink()
    dataset = load_universal("global_mmlu", data_dir=folder)
    assert (len(dataset.items), len(dataset.examples)) == (0, 5)
    with pytest.raises(DataError, match="dataset 'global_mmlu' has no item that can be scored: the English test file"):
        scored_languages(dataset, atlas.cultural(), ())


def test_without_english_the_missing_file_is_named(folder: Path) -> None:
    for split in ("test", "dev"):
        (folder / f"global_mmlu/en/{split}.jsonl").unlink()
    with pytest.raises(DataError, match=r"dataset 'global_mmlu': .*en/test.* is missing"):
        load_universal("global_mmlu", data_dir=folder)


def test_a_language_without_dev_rows_leaves_no_examples(folder: Path) -> None:
    (folder / "global_mmlu/ko/dev.jsonl").unlink()
    dataset = load_universal("global_mmlu", data_dir=folder)
    assert len(dataset.items) == 30
    assert dataset.examples == ()
    assert any(known.reason == "no worked examples, because there is no dev file for ko" for known in dataset.left_out)


def test_the_order_of_examples_is_drawn(folder: Path, write_jsonl) -> None:
    before = load_universal("global_mmlu", data_dir=folder).examples
    write_jsonl(folder / "global_mmlu/en/dev.jsonl", [row(i, "en", "dev") for i in range(5)][::-1])
    assert load_universal("global_mmlu", data_dir=folder).examples == before
    assert [item.key for item in before] != sorted(item.key for item in before)


def test_lite_has_the_same_schema(folder: Path) -> None:
    (folder / "global_mmlu").rename(folder / "global_mmlu_lite")
    dataset = load_universal("global_mmlu_lite", data_dir=folder)
    assert (dataset.name, len(dataset.items)) == ("global_mmlu_lite", 30)


def test_published_languages() -> None:
    assert len(set(registry.UNIVERSAL["global_mmlu"].languages)) == 42
    assert len(set(registry.UNIVERSAL["global_mmlu_lite"].languages)) == 18


def test_real_files(shared_data: Path) -> None:
    both = load_universal("global_mmlu", data_dir=shared_data)
    assert both.languages == ("en", "ja")
    assert len(both.examples) == 40
    assert len(both.examples) + sum(known.count for known in both.left_out) == 285
    english = load_universal("global_mmlu", languages=("en",), data_dir=shared_data)
    assert len(english.examples) == 284
    assert [known.reason for known in english.left_out if known.count] == ["two options are the same in 'en'"]
    assert both.items == english.items == ()
    kept = {item.key for item in both.examples}
    assert [i.key for i in english.examples if i.key in kept] == [i.key for i in both.examples]
