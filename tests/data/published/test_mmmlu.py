"""MMMLU: rows line up by their order with English, which comes from another repository."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from interp.data import load_universal
from interp.errors import DataError

N = 12


def english(number: int) -> dict[str, object]:
    """A row as MMLU has it."""
    options = [f"en {number + k}" for k in range(4)]
    return {
        "question": f"What is number {number}?",
        "subject": f"s{number // 5}",
        "choices": options,
        "answer": number % 4,
    }


def translated(number: int, code: str, **changes: object) -> dict[str, object]:
    """A row as MMMLU has it, with the index that its files begin with."""
    letters = {letter: f"{code} {number + k}" for k, letter in enumerate("ABCD")}
    row = {
        "": number,
        "Question": f"{code}, {number}?",
        **letters,
        "Answer": "ABCD"[number % 4],
        "Subject": f"s{number // 5}",
    }
    return row | changes


def write_csv(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def folder(tmp_path: Path, write_jsonl) -> Path:
    write_jsonl(tmp_path / "mmmlu/en.jsonl", [english(i) for i in range(N)])
    for code, name in (("ko", "KO-KR"), ("zh", "ZH-CN")):
        write_csv(tmp_path / f"mmmlu/test/mmlu_{name}.csv", [translated(i, code) for i in range(N)])
    return tmp_path


def test_rows_line_up_by_order(folder: Path, check_items) -> None:
    dataset = load_universal("mmmlu", data_dir=folder)
    check_items(dataset)
    assert dataset.languages == ("en", "ko", "zh")
    assert len(dataset.items) == N
    item = dataset.items[6]
    assert (item.key, item.relation, item.answer) == ("s1/6", "s1", 2)
    assert item.questions == {"en": ("What is number 6?",), "ko": ("ko, 6?",), "zh": ("zh, 6?",)}
    assert item.options[2] == {"en": "en 8", "ko": "ko 8", "zh": "zh 8"}


def test_english_may_be_in_the_translations_schema(folder: Path) -> None:
    expected = load_universal("mmmlu", data_dir=folder).items
    (folder / "mmmlu/en.jsonl").unlink()
    rows = [translated(i, "en", Question=english(i)["question"]) for i in range(N)]
    write_csv(folder / "mmmlu/mmlu_EN-US.csv", rows)
    assert load_universal("mmmlu", data_dir=folder).items == expected


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([translated(i, "ko") for i in (0, 1, 3, 2)], "mmlu_KO-KR.csv, row 4: the languages don't line up: 's0/2' has the answer 'D'"),
        ([translated(i, "ko", Subject="x") for i in range(N)], "mmlu_KO-KR.csv, row 2: the languages don't line up: 's0/0' has the subject 'x'"),
        ([translated(i, "ko", Answer="E") for i in range(N)], "mmlu_KO-KR.csv, row 2: 'Answer' is 'E'; allowed: A, B, C, D"),
        ([translated(i, "ko", Question="") for i in range(N)], "mmlu_KO-KR.csv, row 2: 'Question' is empty"),
        ([translated(i, "ko") for i in range(N - 1)], "en.jsonl, row 12: the languages don't line up: 'ko' has 11 rows, English 12"),
        ([translated(i, "ko") for i in range(N + 1)], "mmlu_KO-KR.csv, row 14: the languages don't line up: 'ko' has 13 rows"),
        ([{"Question": "?", "A": "1"}], "mmlu_KO-KR.csv, row 2: column 'B' is missing"),
    ],
)  # fmt: skip
def test_what_does_not_line_up_is_told(folder: Path, rows: list[dict[str, object]], told: str) -> None:
    if len(rows) == 4:
        rows += [translated(i, "ko") for i in range(4, N)]
    write_csv(folder / "mmmlu/test/mmlu_KO-KR.csv", rows)
    with pytest.raises(DataError) as caught:
        load_universal("mmmlu", data_dir=folder)
    assert told in str(caught.value)


def test_broken_english_rows_are_told(folder: Path, write_jsonl) -> None:
    for change, told in (
        ({"answer": 4}, r"row 1: 'answer' is '4'; allowed: 0, 1, 2, 3"),
        ({"choices": ["a", "b", "c"]}, r"row 1: 3 choices; allowed: 4"),
    ):
        write_jsonl(folder / "mmmlu/en.jsonl", [english(i) | change for i in range(N)])
        with pytest.raises(DataError, match=rf"en.jsonl, {told}"):
            load_universal("mmmlu", data_dir=folder)
    write_jsonl(folder / "mmmlu/en.jsonl", [english(i) | {"choices": "['a' 'b']x"} for i in range(N)])
    with pytest.raises(DataError, match=r"en.jsonl, row 1: 'choices' is not a list"):
        load_universal("mmmlu", data_dir=folder)


def test_an_empty_option_leaves_the_row_out(folder: Path) -> None:
    rows = [translated(i, "ko", **({"B": ""} if i == 3 else {})) for i in range(N)]
    write_csv(folder / "mmmlu/test/mmlu_KO-KR.csv", rows)
    dataset = load_universal("mmmlu", data_dir=folder)
    assert len(dataset.items) == N - 1
    assert [(k.item, k.reason) for k in dataset.left_out] == [("s0/3", "option B is empty in 'ko'")]


def test_the_hub_is_read_from_both_repositories(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets
    import huggingface_hub

    read = []

    class Api:
        def dataset_info(self, repository: str, **settings: object) -> SimpleNamespace:
            assert settings["revision"] == "main"
            return SimpleNamespace(sha={"openai/MMMLU": "1" * 40, "cais/mmlu": "2" * 40}[repository])

    def load_dataset(
        repository: str, config: str, *, split: str, revision: str, **more: object
    ) -> list[Mapping[str, object]]:
        read.append((repository, config, split, revision))
        return [english(i) if config == "all" else translated(i, config) for i in range(N)]

    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    dataset = load_universal("mmmlu", languages=("ko",))
    assert read == [("cais/mmlu", "all", "test", "2" * 40), ("openai/MMMLU", "KO_KR", "test", "1" * 40)]
    assert dataset.revision == f"{'1' * 40}; cais/mmlu@{'2' * 40}"
    assert len(dataset.items) == N
    monkeypatch.setattr(datasets, "load_dataset", lambda *a, **k: [translated(0, "ko", Answer="E")])
    with pytest.raises(DataError, match=r"cais/mmlu/all/test, row 1: 'Answer' is 'E'"):
        load_universal("mmmlu", languages=("ko",))
