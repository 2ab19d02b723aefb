"""localization-gap: the real file, and rows of its schema."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from interp.data import cultural_tasks, everything, load_cultural
from interp.data.published._localization_gap import CULTURES, LANGUAGES, OWN_CULTURE
from interp.errors import DataError

CUES = {"English": "I live in E.", "French": "Je vis en F.", "Russian": "Я живу в R.", "Turkish": "T'de yaşıyorum.", "Bengali": "আমি B থাকি।"}  # fmt: skip


def rows() -> list[dict[str, str]]:
    """Two items that ask for a name, two for a city, and four of their own, as the source numbers them."""
    found = []
    for explicit in (False, True):
        for block, language in enumerate(CUES):
            for number in (0, 1, 50, 51, 70, 71, 72, 73):
                subtask = "names" if number < 50 else "cities" if number < 70 else "o1"
                question = f"{language} {subtask if number < 70 else number}?"
                if (language, subtask) == ("English", "names"):
                    question = "English cities?"
                options = {culture: f"{culture} {number} {language[0]}" for culture in CULTURES}
                order = sorted(options.values(), key=lambda text: text[::-1], reverse=block % 2 == 0)
                row = {
                    "context": str(explicit), "idx": str(number + 120 * (block + 5 * explicit)), "lang": language,
                    "options": str(order), "question": f"{CUES[language]} {question}" if explicit else question,
                    "subtask": subtask, "prompt": "line\nline", "messages": "[]", "input": "",
                }  # fmt: skip
                found.append(
                    row
                    | {f"option_{c}": text for c, text in options.items()}
                    | {f"option_{c}_idx": str(1 + order.index(text)) for c, text in options.items()}
                )
    return found


def write(folder: Path, table: list[dict[str, str]]) -> Path:
    path = folder / "localization_gap" / "analysis" / "5choice_dataset_input_ready.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)
    return folder


def test_twins_become_items(tmp_path: Path) -> None:
    found = load_cultural("localization_gap", data_dir=write(tmp_path, rows()))
    assert found.languages == ("en", "fr", "ru", "tr", "bn")
    assert found.own_culture == {"fr": "FR", "ru": "RU", "tr": "TR", "bn": "BD"}
    assert [item.key for item in found.items] == [
        "names/0",
        "names/1",
        "cities/50",
        "cities/51",
        "o1/70",
        "o1/71",
        "o1/72",
        "o1/73",
    ]
    assert [item.topic for item in found.items] == [
        "names/0",
        "names/0",
        "cities/50",
        "cities/50",
        "o1/70",
        "o1/71",
        "o1/72",
        "o1/73",
    ]
    assert [(one.item, one.where) for one in found.left_out] == [("names/0", "en"), ("names/1", "en")]
    assert found.cues["TR"]["tr"] == "T'de yaşıyorum."
    assert found.cues["TR"]["fr"] == "Je vis en Turquie."
    for item in found.items:
        assert set(item.given["TR"]) == set(found.cultures)
        assert item.names["BD"]["fr"] == f"bn {item.key.split('/')[1]} F"
        assert set(item.names["US"]) == set(found.languages)
    for code, culture in OWN_CULTURE.items():
        tasks = [
            t
            for split in ("fit", "dev", "test")
            for t in cultural_tasks(found, code, culture, split, everything, "explicit")
        ]
        assert len(tasks) == 8
        for task in tasks:
            assert task.prompt.text.startswith(found.cues[culture][code] + " ")
            assert {mark.role for mark in task.marks} == {"local", "reference", "other"}
            assert len(task.marks) == 5


def test_the_order_of_options_in_the_file_does_not_matter(tmp_path: Path) -> None:
    table = rows()
    one = load_cultural("localization_gap", data_dir=write(tmp_path / "a", table))
    for row in table:
        row["options"] = str(sorted(row[f"option_{c}"] for c in CULTURES))
    two = load_cultural("localization_gap", data_dir=write(tmp_path / "b", table))
    assert [item.given for item in one.items] == [item.given for item in two.items]
    assert len({item.given["FR"] for item in one.items}) > 1


def test_languages_and_splits(tmp_path: Path) -> None:
    folder = write(tmp_path, rows())
    every = load_cultural("localization_gap", data_dir=folder)
    some = load_cultural("localization_gap", languages=("tr", "ko"), data_dir=folder)
    assert some.languages == ("en", "tr")
    assert {i.key: (i.topic, i.split) for i in some.items} == {i.key: (i.topic, i.split) for i in every.items}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"options": "['a', 'b"}, "row 3: 'options' is not a list"),
        ({"options": "['a', 'b']"}, "row 3: 'options' differ from the five in the columns option_*"),
        ({"lang": "Klingon"}, "row 3: context 'False', lang 'Klingon', idx '1'"),
        ({"context": "Perhaps"}, "row 3: context 'Perhaps'"),
        ({"idx": "0"}, "row 3: item 'names/0' in English with context False appears twice; allowed: once; first at"),
        ({"question": ""}, "row 3: 'question' is empty"),
    ],
)
def test_a_broken_row_is_told(tmp_path: Path, change: dict[str, str], told: str) -> None:
    table = rows()
    table[1] |= change
    with pytest.raises(DataError) as caught:
        load_cultural("localization_gap", data_dir=write(tmp_path, table))
    assert told in str(caught.value)


def test_twins_that_do_not_fit_are_left_out_with_a_reason(tmp_path: Path) -> None:
    table = [
        row for row in rows() if not (row["lang"] == "French" and row["context"] == "True" and row["idx"].endswith("1"))
    ]
    for row in table:
        if row["lang"] == "Turkish" and row["subtask"] == "o1" and int(row["idx"]) % 120 == 72:
            row["options"] = row["options"].replace(row["option_us"], row["option_tr"])
            row["option_us"] = row["option_tr"]
    found = load_cultural("localization_gap", data_dir=write(tmp_path, table))
    reasons = {(one.item, one.where): one.reason for one in found.left_out}
    assert reasons["o1/71", "fr"] == "it lacks one of the two contexts"
    assert reasons["o1/72", "tr"].startswith("two options are the same: ")
    assert "tr" not in found.items[-2].questions
    assert found.items[-2].options("FR", "US", "fr", 5) is not None


def test_the_real_file(shared_data: Path) -> None:
    found = load_cultural("localization_gap", data_dir=shared_data)
    assert len(found.items) == 24
    assert tuple(LANGUAGES.values()) == found.languages
    # an item in a language stands for two rows, implicit and explicit
    assert 2 * (sum(len(item.questions) for item in found.items) + len(found.left_out)) == 240
    assert [one.where for one in found.left_out] == ["en"] * 8
    assert all(one.item.startswith("names/") for one in found.left_out)
    for code, culture in OWN_CULTURE.items():
        assert all(item.options(culture, "US", code, 5) is not None for item in found.items)
        assert all(found.cues[other][code] for other in found.cultures)
    assert {item.split for item in found.items} == {"fit", "dev", "test"}
