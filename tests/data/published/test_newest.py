"""Global PIQA, MMLU-ProX and ArabCulture, from rows of their schemas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from interp.data import SPLITS, cultural_tasks, everything, load_cultural, load_universal, scored_languages
from interp.data._languages import languages, normalise_code
from interp.data.published._global_piqa import configs
from interp.errors import DataError

N = 16
WriteJsonl = Callable[[Path, list[dict[str, Any]]], None]


def piqa_row(number: int, code: str, solutions: int, **changes: Any) -> dict[str, Any]:
    """A row of Global PIQA, with a column that is not read."""
    texts = {f"solution{k}": f"{code} way {k} of {number}" for k in range(solutions)}
    return {"prompt": f"{code} {number}?", **texts, "label": number % solutions, "language": code} | changes


@pytest.fixture
def piqa(tmp_path: Path) -> Path:
    folder = tmp_path / "global_piqa"
    for config in ("eng_latn", "kor_hang", "spa_latn_spai"):
        (folder / "parallel").mkdir(parents=True, exist_ok=True)
        rows = [piqa_row(number, config, 4) for number in range(N)]
        pd.DataFrame(rows).to_csv(folder / f"parallel/{config}.tsv", sep="\t", index=False)
    for config in ("eng_latn", "kor_hang", "spa_latn_spai", "spa_latn_mexi"):
        (folder / "nonparallel").mkdir(exist_ok=True)
        rows = [piqa_row(number, config, 2) for number in range(N)]
        rows[3] = piqa_row(3, config, 2, solution1=rows[3]["solution0"])
        pd.DataFrame(rows).to_csv(folder / f"nonparallel/{config}.tsv", sep="\t", index=False)
    return tmp_path


def test_every_configuration_is_of_a_language_in_its_own_script() -> None:
    assert set(configs()) <= set(languages())
    for code, by_country in configs().items():
        for country, config in by_country.items():
            language, script = config.split("_")[:2]
            assert normalise_code(f"{language}_{script.title()}") == code
            assert (len(country) == 2 and country.isupper()) or code == "ar"


def test_the_parallel_part_lines_up(piqa: Path, check_items: Callable[..., None]) -> None:
    dataset = load_universal("global_piqa", data_dir=piqa)
    check_items(dataset)
    assert dataset.languages == ("en", "es", "ko")
    assert (len(dataset.items), dataset.chance) == (N, 0.25)
    item = dataset.items[6]
    assert (item.questions["ko"], item.answer) == (("kor_hang 6?",), 2)
    assert item.options[2]["es"] == "spa_latn_spai way 2 of 6"
    rows = pd.read_csv(piqa / "global_piqa/parallel/kor_hang.tsv", sep="\t")
    rows.assign(label=rows["label"].to_numpy()[::-1]).to_csv(
        piqa / "global_piqa/parallel/kor_hang.tsv", sep="\t", index=False
    )
    with pytest.raises(DataError, match=r"kor_hang.tsv, row 2: the languages don't line up"):
        load_universal("global_piqa", data_dir=piqa)


def test_the_local_part_has_countries_and_two_solutions(piqa: Path) -> None:
    dataset = load_cultural("global_piqa_local", data_dir=piqa)
    assert dataset.languages == ("es", "ko")
    assert dataset.own_culture == {"ko": "KR"}
    assert {item.split for item in dataset.items} == set(SPLITS)
    assert [left.reason for left in dataset.left_out] == ["two options are the same"] * 3
    mexican = load_cultural("global_piqa_local", data_dir=piqa, cultures={"es": "MX"})
    assert mexican.own_culture == {"ko": "KR", "es": "MX"}
    tasks = [task for split in SPLITS for task in cultural_tasks(mexican, "es", "MX", split, everything)]
    assert len(tasks) == N - 1
    for task in tasks:
        number = int(task.prompt.item.rpartition("/")[2])
        roles = [mark.role for mark in task.marks]
        assert sorted(roles) == ["local", "other"]
        local = task.prompt.continuations[roles.index("local")]
        assert local == f" spa_latn_mexi way {number % 2} of {number}"
    facts = load_universal("global_piqa", data_dir=piqa)
    assert scored_languages(facts, mexican, ()) == ("es", "ko")


def prox_row(number: int, code: str, options: int = 10, **changes: Any) -> dict[str, Any]:
    texts = {f"option_{k}": f"{code} {k}/{number}" if k < options else None for k in range(10)}
    answer = number % options
    own = {"question_id": number, "question": f"{code}, {number}?", "category": "law", "src": "x"}
    return own | texts | {"answer": "ABCDEFGHIJ"[answer], "answer_index": answer} | changes


@pytest.fixture
def prox(tmp_path: Path) -> Path:
    for code in ("en", "ko"):
        folder = tmp_path / "mmlu_prox" / code
        folder.mkdir(parents=True)
        rows = [prox_row(number, code, 7 if number == 4 else 10) for number in range(N)]
        if code == "ko":
            rows[5] = prox_row(5, code, 9)
            del rows[6]
        pd.DataFrame(rows).to_parquet(folder / "test-00000-of-00001.parquet")
        pd.DataFrame([prox_row(100 + number, code) for number in range(4)]).to_parquet(folder / "validation.parquet")
    return tmp_path


def test_questions_keep_all_their_options(prox: Path, check_items: Callable[..., None]) -> None:
    dataset = load_universal("mmlu_prox", data_dir=prox)
    check_items(dataset)
    items = {item.key: item for item in dataset.items}
    assert set(items) == {str(number) for number in range(N)} - {"5", "6"}
    assert (len(items["4"].options), items["4"].answer) == (7, 4)
    assert (len(items["9"].options), items["9"].answer, items["9"].options[9]["ko"]) == (10, 9, "ko 9/9")
    assert len(dataset.examples) == 4
    assert {left.reason for left in dataset.left_out} == {"9 options in 'ko', 10 in English", "missing in ko"}


def test_a_row_whose_right_option_is_empty_is_left_out(prox: Path) -> None:
    rows = [prox_row(number, "ko") for number in range(N)]
    rows[4], rows[9] = prox_row(4, "ko", 7), prox_row(9, "ko", 9, answer="J")
    pd.DataFrame(rows).to_parquet(prox / "mmlu_prox/ko/test-00000-of-00001.parquet")
    dataset = load_universal("mmlu_prox", data_dir=prox)
    assert {item.key for item in dataset.items} == {str(number) for number in range(N)} - {"9"}
    assert [(left.item, left.reason) for left in dataset.left_out] == [("9", "option J is empty in 'ko'")]


def test_an_answer_that_is_no_letter_is_refused(prox: Path) -> None:
    rows = [prox_row(number, "ko", answer="K") for number in range(N)]
    pd.DataFrame(rows).to_parquet(prox / "mmlu_prox/ko/test-00000-of-00001.parquet")
    with pytest.raises(DataError, match=r"row 1: 'answer' is 'K'; allowed: A, B, C, D, E, F, G, H, I, J;"):
        load_universal("mmlu_prox", data_dir=prox)


def arab_row(number: int, country: str, **changes: Any) -> dict[str, Any]:
    return {
        "sample_id": f"{country}-{number}",
        "country": country,
        "first_statement": f"{country} جملة {number}",
        "options": {
            "text": [f" نهاية {k} {number}" for k in range(3)],
            "arabic_keys": ["أ", "ب", "ج"],
            "english_keys": ["A", "B", "C"],
        },
        "answer_key": {"arabic_answer_key": "أبج"[number % 3], "english_answer_key": "ABC"[number % 3]},
        "topic": f"topic {number // 3}",
    } | changes


@pytest.fixture
def arab(tmp_path: Path, write_jsonl: WriteJsonl) -> Path:
    for country in ("Egypt", "KSA"):
        write_jsonl(tmp_path / f"arab_culture/{country}.jsonl", [arab_row(i, country) for i in range(N)])
    return tmp_path


def test_endings_that_suit_a_country(arab: Path) -> None:
    dataset = load_cultural("arab_culture", data_dir=arab, cultures={"ar": "EG"})
    assert (dataset.languages, set(dataset.cultures)) == (("ar",), {"EG", "SA"})
    assert load_cultural("arab_culture", data_dir=arab).own_culture == {}
    tasks = [task for split in SPLITS for task in cultural_tasks(dataset, "ar", "EG", split, everything)]
    assert len(tasks) == N
    for task in tasks:
        number = int(task.prompt.item.rpartition("/")[2])
        roles = [mark.role for mark in task.marks]
        assert sorted(roles) == ["local", "other", "other"]
        assert task.prompt.continuations[roles.index("local")] == f" نهاية {number % 3} {number}"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"options": ["a", "b", "c"]}, r"row 1: 'options' is .*; allowed: a structure with english_keys, text"),
        ({"answer_key": {"english_answer_key": "D"}}, r"row 1: the answer is 'D'; allowed: A, B, C"),
    ],
)
def test_broken_rows_are_named(arab: Path, write_jsonl: WriteJsonl, changes: dict[str, Any], told: str) -> None:
    write_jsonl(arab / "arab_culture/Egypt.jsonl", [arab_row(0, "Egypt", **changes)])
    with pytest.raises(DataError, match=told):
        load_cultural("arab_culture", data_dir=arab)


def test_rows_of_a_topic_stay_together_where_the_finer_one_is_empty(arab: Path, write_jsonl: WriteJsonl) -> None:
    rows = [arab_row(i, "Egypt", sub_topic="" if i < 8 else f"finer {i}") for i in range(N)]
    write_jsonl(arab / "arab_culture/Egypt.jsonl", rows)
    items = [item for item in load_cultural("arab_culture", data_dir=arab).items if "EG" in item.answers]
    topics = {int(item.key.rpartition("/")[2]): (item.topic, item.cluster) for item in items}
    assert topics[0] == topics[2] == ("topic 0", "topic 0")
    assert topics[9] == ("finer 9", "finer 9")


def test_a_row_without_three_endings_is_left_out(arab: Path, write_jsonl: WriteJsonl) -> None:
    rows = [arab_row(0, "Egypt", first_statement=""), arab_row(1, "Egypt")]
    write_jsonl(arab / "arab_culture/Egypt.jsonl", rows)
    dataset = load_cultural("arab_culture", data_dir=arab)
    assert [left.reason for left in dataset.left_out] == ["the question or an option is empty or missing"]
