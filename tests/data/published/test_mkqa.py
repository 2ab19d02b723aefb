"""MKQA: options from other questions' answers of the same type, never one that is also right."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from interp.data import load_universal
from interp.errors import DataError

SOURCE = ("ar", "da", "de", "en", "es", "fi", "fr", "he", "hu", "it", "ja", "km", "ko", "ms", "nl", "no", "pl", "pt", "ru", "sv", "th", "tr", "vi", "zh_cn", "zh_hk", "zh_tw")  # fmt: skip
NAMES = ["Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Ginkgo", "Hazel"]


def entity(name: str, code: str, *aliases: str) -> dict[str, object]:
    text = name if code == "en" else f"{name}-{code}"
    return {"type": "entity", "entity": f"Q{name}", "text": text, "aliases": list(aliases)}


def plain(kind: str, text: str | None) -> dict[str, object]:
    return {"type": kind, "text": text}


def record(number: int, answers: dict[str, list[dict[str, object]]]) -> dict[str, object]:
    return {
        "query": f"invented question {number}",
        "answers": answers,
        "queries": {code: f"{code} {number}" for code in SOURCE},
        "example_id": -number,
    }


def same(answer: dict[str, object]) -> dict[str, list[dict[str, object]]]:
    return {code: [answer] for code in SOURCE}


def records() -> list[dict[str, object]]:
    """Eight names, eight dates, four questions of yes and no, and two without a short answer."""
    found = [record(i + 1, {code: [entity(name, code)] for code in SOURCE}) for i, name in enumerate(NAMES)]
    found += [record(20 + i, same(plain("date", f"19{i}1-0{i + 1}-0{i + 1}"))) for i in range(8)]
    found += [record(40 + i, same(plain("binary", "yes" if i % 2 else "no"))) for i in range(4)]
    found.append(record(50, same(plain("unanswerable", None))))
    found.append(record(51, same(plain("long_answer", None))))
    return found


def write(folder: Path, known: list[dict[str, object]]) -> Path:
    (folder / "mkqa").mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in known)
    (folder / "mkqa/mkqa.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def test_every_question_is_an_item_or_left_out(tmp_path: Path, check_items) -> None:
    dataset = load_universal("mkqa", data_dir=write(tmp_path, records()))
    check_items(dataset)
    assert dataset.languages == tuple("zh" if c == "zh_cn" else c for c in SOURCE if c not in ("zh_hk", "zh_tw"))
    assert Counter(item.relation for item in dataset.items) == {"entity": 8, "date": 8, "binary": 4}
    assert {k.item: k.reason for k in dataset.left_out} == {
        "-50": "the question has no answer",
        "-51": "the answer is too long for an option",
    }
    for item in dataset.items:
        assert len(item.options) == (2 if item.relation == "binary" else 4)
        assert item.questions["zh"] == (f"zh_cn {-int(item.key)}",)
    item = next(i for i in dataset.items if i.key == "-3")
    assert item.options[item.answer]["ko"] == "Cedar-ko"
    binary = [i for i in dataset.items if i.relation == "binary"]
    assert all({o["ko"] for o in i.options} == {"yes", "no"} for i in binary)
    assert {i.options[i.answer]["en"] for i in binary} == {"yes", "no"}


def test_variants_of_chinese_are_read_where_they_are_named(tmp_path: Path) -> None:
    dataset = load_universal("mkqa", languages=("zh-HK", "ko"), data_dir=write(tmp_path, records()))
    assert dataset.languages == ("en", "ko", "zh-HK")
    assert dataset.items[0].questions["zh-HK"] == ("zh_hk 1",)


def test_draws_depend_neither_on_order_nor_on_the_languages(tmp_path: Path) -> None:
    whole = load_universal("mkqa", data_dir=write(tmp_path / "a", records()))
    turned = load_universal("mkqa", languages=("ko", "es"), data_dir=write(tmp_path / "b", records()[::-1]))
    again = load_universal("mkqa", languages=("es", "ko"), data_dir=write(tmp_path / "b", records()[::-1]))
    assert turned == again
    by_key = {item.key: item for item in turned.items}
    for item in whole.items:
        other = by_key[item.key]
        assert [o["en"] for o in item.options] == [o["en"] for o in other.options]
        assert (item.answer, item.split) == (other.answer, other.split)


def test_no_wrong_option_is_also_right(tmp_path: Path) -> None:
    """An alias, the same entity, an accepted further answer, a text within another: none may be drawn."""
    known = records()
    known[0]["answers"] = {code: [entity("Alder", code, "BIRCH", f"cedar-{code}")] for code in SOURCE}
    known[1]["answers"]["fi"].append(entity("Dogwood", "fi"))
    known[4]["answers"] = {code: [entity("Fir", code) | {"text": f"other {code}"}] for code in SOURCE}
    known[6]["answers"]["ja"] = [entity("Ginkgo", "ja") | {"text": "Hazel-ja the second"}]
    items = {item.key: item for item in load_universal("mkqa", data_dir=write(tmp_path, known)).items}

    def drawn(key: str) -> set[str]:
        return {option["en"] for option in items[key].options}

    assert not drawn("-1") & {"Birch", "Cedar"}
    assert not drawn("-2") & {"Alder", "Dogwood"}
    assert not drawn("-5") & {"Fir"}
    assert not drawn("-6") & {"other en"}
    assert not drawn("-7") & {"Hazel"}
    assert not drawn("-8") & {"Ginkgo"}


@pytest.mark.parametrize("alias", ["shared", "the elm-fr tree"])
def test_aliases_alone_keep_answers_apart(tmp_path: Path, alias: str) -> None:
    """Of five names, the four others fit but for one: all three that are left must be drawn."""
    known = records()[:5]
    known[0]["answers"]["fr"] = [entity("Alder", "fr", alias)]
    known[4]["answers"]["fr"] = [entity("Elm", "fr", "Shared")]
    items = {item.key: item for item in load_universal("mkqa", data_dir=write(tmp_path, known)).items}
    assert {option["en"] for option in items["-1"].options} == {"Alder", "Birch", "Cedar", "Dogwood"}
    assert {option["en"] for option in items["-5"].options} == {"Elm", "Birch", "Cedar", "Dogwood"}


def test_too_few_others_and_answers_that_a_language_lacks(tmp_path: Path) -> None:
    known = records()[:5]
    known[0]["answers"]["ko"] = [plain("entity", None) | {"entity": "QAlder"}]
    known[1]["answers"]["ko"] = [entity("Other", "ko"), entity("Birch", "ko")]
    known[2]["answers"]["ko"] = [entity("Other", "ko")]
    dataset = load_universal("mkqa", data_dir=write(tmp_path, known))
    reasons = {k.item: k.reason for k in dataset.left_out}
    assert reasons["-1"] == reasons["-3"] == "'ko' has no text for English's answer"
    assert reasons["-4"].startswith(
        "only 2 other answers of type 'entity' can be told from the right one; 3 are needed"
    )
    assert not dataset.items
    assert len(load_universal("mkqa", languages=("es",), data_dir=tmp_path).items) == 5


def test_the_answer_of_english_is_found_among_a_languages_answers(tmp_path: Path) -> None:
    known = records()
    known[1]["answers"]["ko"] = [entity("Other", "ko"), entity("Birch", "ko")]
    items = {item.key: item for item in load_universal("mkqa", data_dir=write(tmp_path, known)).items}
    assert items["-2"].options[items["-2"].answer]["ko"] == "Birch-ko"


def test_broken_records_are_told_with_the_row(tmp_path: Path) -> None:
    for change, told in (
        ({"queries": {"en": "x"}}, "row 2: 'queries' has no 'ar'"),
        (
            {"queries": {code: "\x1c " if code == "ko" else "x" for code in SOURCE}},
            "row 2: 'queries.ko' is empty",
        ),
        ({"answers": {code: [] for code in SOURCE}}, "row 2: 'answers' in 'ar' are '[]'"),
        ({"answers": "[{]"}, "row 2: 'answers' has no 'ar'"),
        ({"example_id": -1}, "row 2: example_id '-1' appears twice"),
    ):
        known = records()
        known[1].update(change)
        with pytest.raises(DataError) as caught:
            load_universal("mkqa", data_dir=write(tmp_path, known))
        assert told in str(caught.value)
        assert "mkqa.jsonl.gz" in str(caught.value)
    known = records()
    del known[0]["answers"]
    with pytest.raises(DataError, match="row 1: column 'answers' is missing"):
        load_universal("mkqa", data_dir=write(tmp_path, known))


def test_real_file(shared_data: Path) -> None:
    """Six questions: too few for options of a common type, so that each is left out with its reason."""
    dataset = load_universal("mkqa", data_dir=shared_data)
    assert len(dataset.languages) == 24
    assert len(dataset.items) + len(dataset.left_out) == 6
    every = load_universal(
        "mkqa",
        languages=tuple("zh" if c == "zh_cn" else c.replace("_hk", "-HK").replace("_tw", "-TW") for c in SOURCE),
        data_dir=shared_data,
    )
    assert len(every.languages) == 26
    assert Counter(known.reason.partition(";")[0] for known in every.left_out) == {
        "only 0 other answers of type 'date' can be told from the right one": 1,
        "only 1 other answers of type 'entity' can be told from the right one": 2,
        "the answer is too long for an option": 1,
        "the question has no answer": 2,
    }
