"""The loader: on invented files in both layouts, and on the real ones."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from interp.data import CulturalSet, load_cultural
from interp.data.files import Part, Record
from interp.data.published.blend._countries import countries, country, own_culture
from interp.data.published.blend._loader import annotation_part, load, question_part
from interp.errors import DataError

Groups = list[tuple[list[str], list[str], int]]

LOCAL = {
    "US": ("What do people in the US {}?", "en"),
    "South_Korea": ("대한민국에서 {}?", "ko"),
    "North_Korea": ("북한에서 {}?", "ko"),
    "Spain": ("¿Qué {} en España?", "es"),
    "Mexico": ("¿Qué {} en México?", "es"),
}

ANSWERS: dict[str, dict[str, Groups]] = {
    "Xx-fly": {
        "US": [(["Drones"], ["Drones"], 3), (["paper planes"], ["paper planes"], 1)],
        "South_Korea": [(["연"], ["kite"], 4), (["드론"], ["model plane"], 1)],
        "North_Korea": [(["비둘기"], ["pigeon"], 2), (["풍선"], ["balloon"], 1)],
        "Spain": [(["cometas"], ["kites"], 2)],
        "Mexico": [(["globos"], ["balloons", "drone"], 2)],
    },
    "Xx-eat": {
        "US": [(["Pizza"], ["Pizza"], 3)],
        "South_Korea": [(["비빔밥"], ["bibimbap"], 3)],
        "North_Korea": [(["국수"], ["noodles"], 3)],
        "Spain": [(["paella"], ["paella"], 3), (["pizza"], ["pizza"], 1)],
        "Mexico": [(["tacos"], ["taco"], 3), (["mole"], ["mole"], 1)],
    },
    "Xx-sing": {
        "US": [(["hymns"], ["hymns"], 1)],
        "South_Korea": [(["아리랑"], ["arirang"], 3)],
        "North_Korea": [(["노래"], ["song"], 1)],
        "Spain": [],
        "Mexico": [(["corridos"], ["ballads"], 2)],
    },
    "Xx-none": {"US": [], "South_Korea": [(["돌"], ["stones"], 3)], "North_Korea": [], "Spain": [], "Mexico": []},
}
VERBS = {"Xx-fly": "fly", "Xx-eat": "eat", "Xx-sing": "sing", "Xx-none": "throw"}


def record(file: str, key: str) -> dict[str, Any]:
    sentence, _ = LOCAL[file]
    question = "" if (file, key) == ("South_Korea", "Xx-sing") else sentence.format(VERBS[key])
    return {
        "question": question,
        "en_question": f"What do people in {file} {VERBS[key]}?",
        "annotations": [
            dict(zip(("answers", "en_answers", "count"), group, strict=True)) for group in ANSWERS[key][file]
        ],
        "idks": {"idk": 0, "no-answer": 0, "not-applicable": 0},
    }


def question_rows(file: str) -> list[dict[str, str]]:
    return [
        {"ID": key, "Topic": "Food" if key == "Xx-eat" else "Play", "Source": "invented",
         "Question": record(file, key)["question"], "Translation": record(file, key)["en_question"]}
        for key in ANSWERS
    ]  # fmt: skip


def write_table(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """The repository's files for five countries."""
    for file in LOCAL:
        path = tmp_path / "blend" / "data" / "annotations" / f"{file}_data.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({key: record(file, key) for key in ANSWERS}, ensure_ascii=False), encoding="utf-8")
        write_table(tmp_path / "blend" / "data" / "questions" / f"{file}_questions.csv", question_rows(file))
    return tmp_path


class OnTheHub:
    """Answers as the Hub does: rows by configuration and split."""

    revision = "0123abc"

    def has(self, part: Part) -> bool:
        return part.split in {country(file).hub for file in LOCAL}

    def records(self, part: Part) -> list[Record]:
        file = country(part.split).file
        rows = (
            [{"ID": key, **record(file, key)} for key in ANSWERS]
            if part.config == "annotations"
            else question_rows(file)
        )
        return [Record(row, f"hub, row {number}") for number, row in enumerate(rows, start=1)]

    def lines(self, part: Part) -> list[str]:
        raise AssertionError(part)


def reasons(dataset: CulturalSet) -> dict[tuple[str, str], str]:
    return {(left.item, left.where): left.reason for left in dataset.left_out}


def test_both_layouts_give_the_same_set(published: Path) -> None:
    local = load_cultural("blend", data_dir=published)
    assert load(OnTheHub(), ()) == replace(local, revision="")


def test_languages_cultures_and_questions(published: Path) -> None:
    dataset = load_cultural("blend", data_dir=published)
    assert dataset.languages == ("en", "es", "ko")
    assert dataset.cultures == ("MX", "KP", "KR", "ES", "US")
    assert dataset.own_culture == {"es": "ES", "ko": "KR"}
    fly = dataset.items[0]
    assert fly.questions == {"en": "What do people fly?", "es": "¿Qué fly?", "ko": "fly?"}
    assert dataset.cues["KR"]["es"] != dataset.cues["KP"]["es"]
    assert load_cultural("blend", data_dir=published, languages=("ko", "fa")).languages == ("en", "ko")
    assert load_cultural("blend", data_dir=published, cultures={"es": "MX"}).own_culture["es"] == "MX"


def test_answers_are_concepts_and_overlaps_do_not_count(published: Path) -> None:
    fly, eat, sing = load_cultural("blend", data_dir=published).items
    assert fly.answers["KR"] == ("kite", "modelplane")
    assert fly.answers["ES"] == ("kite",)
    assert fly.answers["MX"] == fly.answers["US"][:1] == ("drone",), "'drone' is among the Mexican spellings"
    assert fly.names["kite"] == {"en": "kite", "es": "cometas", "ko": "연"}
    assert fly.options("MX", "US", "es") is None
    assert "ES" not in sing.answers
    assert eat.options("ES", "US", "es") is None
    assert [a.texts for a in eat.accepted["ES"]] == [("paella",), ("pizza",)]


def test_options_are_in_the_language_that_has_all_of_them(published: Path) -> None:
    fly, eat, _ = load_cultural("blend", data_dir=published).items
    chosen = eat.options("MX", "US", "es")
    assert chosen is not None
    assert chosen.written == "en", "'pizza' and 'paella' exist in Spanish, a fourth text does not"
    assert chosen.keys[chosen.local] == "taco"
    assert chosen.keys[chosen.reference or 0] == "pizza"
    assert "mole" not in chosen.keys
    korean = fly.options("KR", "US", "ko")
    assert korean is None, "five countries have too few other answers"


def test_what_is_left_out_has_a_reason(published: Path) -> None:
    found = reasons(load_cultural("blend", data_dir=published))
    assert found["Xx-sing", "ko"] == "the question is empty"
    assert found["Xx-sing", "ES"] == "no answers"
    assert found["Xx-none", "all"] == "there is no American answer to compare with"
    assert found["Xx-eat", "ES"] == "an answer is also an American one: pizza"
    assert ("Xx-eat", "KR") not in found


def test_the_neutral_english_question_is_taken_where_it_is(published: Path) -> None:
    rows = [row | {"Question": f"Do you {VERBS[row['ID']]} in your country?"} for row in question_rows("US")]
    write_table(published / "blend" / "legacy_0123abc" / "data" / "questions" / "US_questions.csv", rows)
    assert load_cultural("blend", data_dir=published).items[0].questions["en"] == "Do you fly?"


def test_files_that_do_not_line_up_are_told_of(published: Path) -> None:
    folder = published / "blend" / "data"
    path = folder / "annotations" / "Spain_data.json"
    records = json.loads(path.read_text(encoding="utf-8"))
    del records["Xx-fly"]
    path.write_text(json.dumps(records), encoding="utf-8")
    found = reasons(load_cultural("blend", data_dir=published))
    assert found["Xx-fly", "ES"] == found["Xx-fly", "es"] == "the question is not in the country's file"
    records["Xx-new"] = record("Spain", "Xx-fly")
    path.write_text(json.dumps(records), encoding="utf-8")
    with pytest.raises(DataError, match="question 'Xx-new' is missing"):
        load_cultural("blend", data_dir=published)
    path.write_text('{"Xx-fly": {', encoding="utf-8")
    with pytest.raises(DataError, match=r"Spain_data.json, row 1: not valid JSON"):
        load_cultural("blend", data_dir=published)
    path.unlink()
    (folder / "annotations" / "US_data.json").unlink()
    with pytest.raises(DataError, match=r"US_data.json is missing"):
        load_cultural("blend", data_dir=published)


def test_countries_have_one_code_each() -> None:
    known = countries()
    assert len(known) == 16
    assert len({one.culture for one in known}) == len({one.hub for one in known}) == 16
    assert country("South Korea") is country("KR") is country("South_Korea")
    assert country("JB").culture == country("West_Java").culture == "ID-JB"
    with pytest.raises(DataError, match="no country 'Atlantis'"):
        country("Atlantis")
    assert own_culture(("MX", "US")) == {"es": "MX"}
    parts = {annotation_part(one).paths[0] for one in known} | {question_part(one).paths[0] for one in known}
    assert len(parts) == 32


@pytest.fixture(scope="module")
def real(shared_data: Path) -> CulturalSet:
    return load_cultural("blend", data_dir=shared_data)


def test_real_files_have_the_counts_of_their_notes(real: CulturalSet, shared_data: Path) -> None:
    lines = (shared_data / "blend" / "subset_ids.tsv").read_text(encoding="utf-8").split("\n")[1:]
    subset = dict(line.split("\t")[:2] for line in lines if line)
    assert list(subset.values()).count("regular") == 92
    assert len(real.cultures) == 14
    assert set(real.languages) == {"en", "es", "zh", "ko", "id", "el", "fa", "ar", "az", "am", "ha"}
    loaded = {item.key for item in real.items}
    listed = {left.item for left in real.left_out if left.where == "all"}
    assert loaded | listed == set(subset)
    assert len(loaded) + len(listed) == 112
    assert {key for key, kind in subset.items() if kind == "regular"} <= loaded
    for item in real.items:
        if subset[item.key] == "regular":
            assert set(item.answers) == set(real.cultures)
        unclean = {left.where for left in real.left_out if left.item == item.key}
        assert set(item.questions) == set(real.languages) - unclean
        assert set(item.answers) >= set(real.cultures) - unclean


def test_real_options_are_never_right_twice_and_never_mix_languages(real: CulturalSet) -> None:
    language_of = {one.culture: one.language for one in countries()}
    asked = 0
    for item in real.items:
        for culture in real.cultures:
            chosen = item.options(culture, "US", language_of[culture])
            if chosen is None:
                continue
            asked += 1
            assert chosen.written in (language_of[culture], "en")
            texts = [item.names[key][chosen.written] for key in chosen.keys]
            assert len(set(texts)) == 4
            right = {*item.answers[culture], *item.answers["US"]}
            assert chosen.reference is not None
            assert len(set(chosen.keys) & right) == 2
            others = set(chosen.keys) - right
            assert not any(other in item.alike[key] for key in right for other in others)
    assert asked > 800


def test_regular_questions_count_for_most_countries_as_their_notes_say(real: CulturalSet) -> None:
    """They were chosen so that top answers share no string with any American one in 8 of 12 countries or more."""
    shares = {culture: 0 for culture in real.cultures if culture not in ("US", "GB")}
    for item in real.items:
        for culture in shares:
            own = item.answers.get(culture)
            shares[culture] += bool(own) and own[0] not in item.answers["US"]
    assert min(shares.values()) / len(real.items) > 0.5
    assert sum(shares.values()) / len(shares) / len(real.items) > 8 / 12


def test_real_neutral_english_questions_are_all_there_and_name_no_place(real: CulturalSet) -> None:
    assert all("en" in item.questions for item in real.items)
    assert not any(
        f" {word} " in f" {item.questions['en']} " for item in real.items for word in ("US", "the US", "US?")
    )
