"""INCLUDE, CulturalBench and MultiLoKo, from rows of their schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from interp.data import (
    SPLITS,
    counted,
    cues,
    cultural_tasks,
    everything,
    load_cultural,
    load_universal,
    scored_languages,
)
from interp.data.published import _include as include
from interp.data.published import _multiloko as multiloko
from interp.data.published._countries import country_code
from interp.errors import DataError


def test_countries_by_name() -> None:
    named = {"South Korea": "KR", "korea": "KR", "Türkiye": "TR", "Turkey": "TR", "Czech Republic": "CZ", "The Netherlands": "NL", "Hong Kong": "HK", "Bosnia and Herzegovina": "BA", "Viet Nam": "VN", "Russian Federation": "RU", "United States": "US"}  # fmt: skip
    assert {name: country_code(name) for name in named} == named
    assert country_code("Atlantis") is None
    assert country_code("") is None


def include_rows(country: str, n: int, *, lists: bool, question: str = "질문") -> list[dict[str, Any]]:
    rows = []
    for i in range(n):
        options = [f"{letter}{i}" for letter in "가나다라"]
        row = {
            "language": "x",
            "country": country,
            "domain": "Arts",
            "subject": f"S{i % 7}",
            "regional_feature": "culture",
            "level": "Academic",
            "question": f"{question} {i}?",
            "answer": i % 4,
        }
        if lists:
            row["choices"] = options
        else:
            row |= {f"option_{letter}": text for letter, text in zip("abcd", options, strict=True)}
        rows.append(row)
    return rows


def write_include(folder: Path, name: str, rows: list[dict[str, Any]], split: str = "test") -> None:
    path = folder / "include" / name / f"{split}-00000-of-00001.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_parquet(path)


@pytest.mark.parametrize("lists", [True, False])
def test_include_in_both_layouts(tmp_path: Path, lists: bool) -> None:
    rows = include_rows("Korea", 28, lists=lists)
    rows[3]["regional_feature"] = "region agnostic"
    rows[4]["country"] = "Atlantis"
    rows[5]["question"] = " "
    if lists:
        rows[6]["choices"] = ["a", "b", "a", "c"]
    else:
        rows[6]["option_c"] = rows[6]["option_a"]
    write_include(tmp_path, "Korean", rows)
    write_include(tmp_path, "Korean", include_rows("Korea", 7, lists=lists), "validation")
    found = load_cultural("include", data_dir=tmp_path)
    assert found.languages == ("ko",)
    assert found.own_culture == {"ko": "KR"}
    assert len(found.items) == 24 + 7
    assert [one.reason for one in found.left_out] == [
        "region agnostic",
        "country 'Atlantis' is unknown",
        "the question or an option is empty or missing",
        "two options are the same",
    ]
    assert len(counted(found, "ko", "KR")[0]) == len(found.items)
    tasks = [task for split in SPLITS for task in cultural_tasks(found, "ko", "KR", split, everything)]
    assert len(tasks) == 31
    for task in tasks:
        number = int(task.prompt.item.split("/")[-1])
        assert task.prompt.text == f"질문 {number}? 답변:"
        (local,) = [mark.text for mark in task.marks if mark.role == "local"]
        assert local == f"{'가나다라'[number % 4]}{number}"
        assert {mark.role for mark in task.marks} == {"local", "other"}
    assert len({next(i for i, mark in enumerate(task.marks) if mark.role == "local") for task in tasks}) == 4
    assert {item.cluster for item in found.items} == {f"ko/Arts/S{i}" for i in range(7)}
    assert found.items[0].topic == "Arts/S0/culture"
    splits: dict[str, set[str]] = {}
    for item in found.items:
        splits.setdefault(item.cluster, set()).add(item.split)
    assert all(len(found) == 1 for found in splits.values())


def test_include_names_no_culture_where_several_countries_ask(tmp_path: Path) -> None:
    write_include(
        tmp_path,
        "Spanish",
        [*include_rows("Spain", 7, lists=True, question="qué"), *include_rows("Mexico", 7, lists=True, question="qué")],
    )
    found = load_cultural("include", data_dir=tmp_path)
    assert found.own_culture == {}
    assert found.cultures == ("ES", "MX")
    mexican = load_cultural("include", data_dir=tmp_path, cultures={"es": "MX"})
    assert len(counted(mexican, "es", "MX")[0]) == 7


def test_include_leaves_out_another_script(tmp_path: Path) -> None:
    rows = include_rows("Serbia", 7, lists=True, question="Које питање")
    rows[0]["question"] = "Koje je pitanje?"
    write_include(tmp_path, "Serbian", rows)
    found = load_cultural("include", data_dir=tmp_path)
    assert [one.reason for one in found.left_out] == ["written in a different script from the language's prompts"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"answer": 4}, "row 3: 'answer' is '4'; allowed: 0, 1, 2, 3"),
        ({"choices": ["a", "b"]}, "row 3: 2 choices; allowed: 4"),
    ],
)
def test_a_broken_row_of_include_is_told(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    rows = include_rows("Korea", 7, lists=True)
    rows[2] |= change
    write_include(tmp_path, "Korean", rows)
    with pytest.raises(DataError) as caught:
        load_cultural("include", data_dir=tmp_path)
    assert told in str(caught.value)


def test_every_language_and_country_of_the_sources_has_a_cue() -> None:
    countries = ("AL", "EG", "AM", "AZ", "ES", "BY", "BD", "BG", "CN", "HR", "NL", "EE", "FI", "FR", "GE", "DE", "GR", "IL", "IN", "HU", "ID", "IT", "JP", "KZ", "KR", "LT", "MY", "NP", "MK", "IR", "PL", "PT", "BR", "RU", "RS", "TR", "UA", "PK", "UZ", "VN", "PH", "US")  # fmt: skip
    assert len(include.CONFIGS) == 44
    assert len(multiloko.FOLDERS) == 28
    made = cues(countries, {*include.CONFIGS, *multiloko.FOLDERS})
    assert all(made[country][code] for country in countries for code in include.CONFIGS)
    assert set(multiloko.FOLDERS) == {*multiloko.OWN_CULTURE, *multiloko.SHARED}


def write_bench(folder: Path, rows: list[dict[str, Any]], name: str) -> Path:
    path = folder / "culturalbench" / f"CulturalBench-{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(path, index=False)
    return folder


def bench_rows() -> list[dict[str, Any]]:
    return [
        {"data_idx": 10 + i, "question_idx": i, "prompt_question": f"In South Korea, what {i}?", "answer": "ABCD"[i % 4], "country": "South Korea" if i % 2 else "Hong Kong"} | {f"prompt_option_{letter}": f"{letter}{i}" for letter in "abcd"}
        for i in range(12)
    ]  # fmt: skip


def test_culturalbench_is_for_looking(tmp_path: Path) -> None:
    rows = bench_rows()
    rows[2]["prompt_option_b"] = ""
    found = load_cultural("culturalbench", data_dir=write_bench(tmp_path, rows, "Easy"))
    assert found.languages == ("en",)
    assert found.own_culture == {}
    assert len(found.items) == 11
    assert [one.reason for one in found.left_out] == ["the question or an option is empty or missing"]
    tasks = [task for split in SPLITS for task in cultural_tasks(found, "en", "KR", split, everything)]
    assert len(tasks) == 6
    for task in tasks:
        number = int(task.prompt.item)
        assert [mark.text for mark in task.marks if mark.role == "local"] == [f"{'abcd'[number % 4]}{number}"]
    with pytest.raises(DataError, match="share no language with a culture of its own"):
        scored_languages(load_universal("atlas"), found, ())


def test_culturalbench_hard_has_the_same_questions(tmp_path: Path) -> None:
    easy = load_cultural("culturalbench", data_dir=write_bench(tmp_path / "a", bench_rows(), "Easy"))
    rows = [
        {"data_idx": 4 * i + j, "question_idx": row["question_idx"], "prompt_question": row["prompt_question"], "prompt_option": row[f"prompt_option_{letter}"], "answer": letter.upper() == row["answer"], "country": row["country"]}
        for i, row in enumerate(bench_rows())
        for j, letter in enumerate("abcd")
    ]  # fmt: skip
    hard = load_cultural("culturalbench", data_dir=write_bench(tmp_path / "b", rows, "Hard"))
    assert hard.items == easy.items
    rows[0]["answer"] = rows[1]["answer"] = True
    several = load_cultural("culturalbench", data_dir=write_bench(tmp_path / "c", rows, "Hard"))
    assert [(one.item, one.reason) for one in several.left_out] == [("0", "2 options are right")]


def test_an_answer_of_culturalbench_outside_the_options_is_told(tmp_path: Path) -> None:
    rows = bench_rows()
    rows[1]["answer"] = "E"
    with pytest.raises(DataError, match="row 3: 'answer' is 'E'; allowed: A, B, C, D"):
        load_cultural("culturalbench", data_dir=write_bench(tmp_path, rows, "Easy"))
    with pytest.raises(DataError, match="question_idx '1' appears twice"):
        load_cultural("culturalbench", data_dir=write_bench(tmp_path, [*bench_rows(), bench_rows()[1]], "Easy"))


def loko_rows(n: int, word: str) -> list[dict[str, Any]]:
    return [
        {"text": "…", "question": f"{word} {i}?", "targets": [f"{word}{i}", f"{word} {i} too"], "target": "long", "id": f"{i:03}_page.txt", "output_type": "year" if i % 2 else "word"}
        for i in range(n)
    ]  # fmt: skip


def write_loko(folder: Path, language: str, rows: list[dict[str, Any]], name: str = "dev") -> Path:
    path = folder / "multiloko" / language / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return folder


def test_multiloko_options_are_other_answers_of_the_same_kind(tmp_path: Path) -> None:
    write_loko(tmp_path, "korean", loko_rows(20, "말"))
    write_loko(tmp_path, "korean", loko_rows(20, "word"), "dev_translated_human_english")
    write_loko(tmp_path, "spanish", loko_rows(20, "voz"))
    found = load_cultural("multiloko", data_dir=tmp_path)
    assert found.languages == ("en", "ko", "es")
    assert found.own_culture == {"ko": "KR"}
    assert load_cultural("multiloko", data_dir=tmp_path, cultures={"es": "ES"}).own_culture == {"ko": "KR", "es": "ES"}
    assert len(found.items) == 40
    assert [(one.item, one.where) for one in found.left_out] == [("es", "en")]
    for code in ("ko", "en"):
        for task in (task for split in SPLITS for task in cultural_tasks(found, code, "KR", split, everything)):
            number = int(task.prompt.item.split("/")[1])
            word = "말" if code == "ko" else "word"
            assert task.prompt.text.startswith(f"{word} {number}?")
            assert [mark.text for mark in task.marks if mark.role == "local"] == [f"{word}{number}"]
            others = {int(mark.text.removeprefix(word)) for mark in task.marks if mark.role == "other"}
            assert len(others) == 3
            assert {other % 2 for other in others} == {number % 2}
    item = found.items[3]
    assert item.accepted["KR"][0].texts == ("말3", "말 3 too", "word3", "word 3 too")
    assert item.cluster == "ko/003_page.txt"
    again = load_cultural("multiloko", languages=("ko",), data_dir=tmp_path)
    assert again.items == tuple(item for item in found.items if item.key.startswith("ko/"))


def test_multiloko_says_what_it_leaves_out(tmp_path: Path) -> None:
    rows = loko_rows(12, "말")
    rows[0]["question"] = ""
    rows[1]["targets"] = [""]
    rows[2]["output_type"] = "rare"
    rows[4]["targets"] = rows[6]["targets"]
    found = load_cultural("multiloko", data_dir=write_loko(tmp_path, "korean", rows))
    reasons = {one.item: one.reason for one in found.left_out}
    assert reasons["ko/0"] == reasons["ko/1"] == "the question or its answers are empty"
    assert reasons["ko/2"] == "fewer than 3 other answers of output type 'rare'"
    # equal answers of two questions never stand side by side
    for item in found.items:
        texts = [item.names[key]["ko"] for key in item.pool]
        assert len(set(texts)) == len(texts)


def test_multiloko_lists_that_do_not_parse_are_told(tmp_path: Path) -> None:
    rows = loko_rows(12, "말")
    rows[3]["targets"] = "['a"
    with pytest.raises(DataError, match=r"dev.jsonl, row 4: 'targets' is not a list"):
        load_cultural("multiloko", data_dir=write_loko(tmp_path, "korean", rows))
