"""What enters training: the fit split alone, and no culture unless asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from interp.alignment import load_training
from interp.alignment._instructions import read_instructions
from interp.alignment._pairs import Unit, cultural_units, sentence_units, universal_units
from interp.data import ParallelText, atlas, question_text
from interp.errors import DataError

CODES = ("es", "zh", "ko", "id", "el", "fa")


def texts_of(units: Sequence[Unit]) -> set[str]:
    """Everything that is asked, aligned or answered."""
    return {
        text
        for unit in units
        for texts in (*unit.texts.values(), *unit.prompts.values(), tuple(unit.responses.values()))
        for text in texts
    }


def test_atlas_is_its_fit_items_with_right_answers() -> None:
    data = load_training(["atlas"])
    fit = {f"atlas/{item.key}": item for item in atlas.universal().items if item.split == "fit"}
    dev = {f"atlas/{item.key}" for item in atlas.universal().items if item.split == "dev"}
    assert data.languages == CODES
    assert {unit.key for unit in data.units} == set(fit)
    assert {unit.key for unit in data.dev} == dev
    for unit in data.units:
        item = fit[unit.key]
        for code in ("en", *CODES):
            assert unit.responses[code] == item.options[item.answer][code]
            assert unit.prompts[code] == tuple(question_text(q, code) for q in item.questions[code])
            assert len(unit.prompts[code]) == len(unit.prompts["en"])  # wordings are parallel too
    assert unit.answered("es") == f" {unit.responses['es']}"
    assert unit.answered("zh", "en") == unit.responses["en"]


def test_no_item_of_dev_or_test_enters() -> None:
    data = load_training(["atlas"])
    facts = atlas.universal()
    held_out = [universal_units(replace(facts, items=tuple(i for i in facts.items if i.split == split)), split)
                for split in ("dev", "test")]  # fmt: skip
    asked = {(code, text) for unit in data.units for code, texts in unit.prompts.items() for text in texts}
    for unit in (*held_out[0], *held_out[1]):
        assert not asked & {(code, text) for code, texts in unit.prompts.items() for text in texts}


def test_no_culture_enters_by_default() -> None:
    """No cultural question, cue or placebo in any language, and no answer that isn't a universal fit item's own."""
    data = load_training(["atlas"])
    customs = atlas.cultural()
    told = texts_of((*data.units, *data.dev))
    cues = [*customs.cues.values(), *customs.placebos]
    for text in (*(item.questions for item in customs.items), *cues):
        assert not [one for one in told if any(sentence in one for sentence in text.values())]
    right = {
        (f"atlas/{item.key}", code, text)
        for item in atlas.universal().items
        for code, text in item.options[item.answer].items()
    }
    answered = {(u.key, code, text) for u in (*data.units, *data.dev) for code, text in u.responses.items()}
    assert answered <= right
    assert data.counts() == {"question": len(data.units)}


def test_culture_enters_when_asked() -> None:
    data = load_training(["atlas"], ["es", "ko"], cultural="atlas")
    customs = atlas.cultural()
    found = {unit.key.removeprefix("atlas/"): unit for unit in data.units if unit.kind == "cultural"}
    assert set(found) == {item.key for item in customs.items if item.split == "fit"}
    for item in customs.items:
        if item.split != "fit":
            continue
        said = found[item.key].responses
        assert said == {
            code: item.names[item.answers[culture][0]][code]
            for code, culture in (("en", "US"), ("es", "ES"), ("ko", "KR"))
        }
    assert not [unit for unit in data.dev if unit.kind == "cultural"]


def test_a_language_without_culture_or_answer_is_left_out() -> None:
    customs = atlas.cultural()
    item = replace(customs.items[0], split="fit", answers={"US": customs.items[0].answers["US"], "KR": ()})
    assert cultural_units(replace(customs, items=(item,)), "fit") == []


def test_sensitive_items_never_enter() -> None:
    facts = atlas.universal()
    items = tuple(replace(item, split="fit", sensitive=i == 0) for i, item in enumerate(facts.items[:3]))
    units = universal_units(replace(facts, items=items), "fit")
    assert [unit.key for unit in units] == [f"atlas/{item.key}" for item in items[1:]]


def test_worked_examples_enter_with_the_fit_split() -> None:
    facts = atlas.universal()
    examples = replace(facts, items=(), examples=facts.items[:2])
    assert len(universal_units(examples, "fit")) == 2
    assert universal_units(examples, "dev") == []


def test_sentences_are_translated_from_and_into_english() -> None:
    sentences = ({"en": "It rains.", "es": "Llueve.", "zh": "下雨了。"}, {"en": "a", "es": "b", "zh": "c"})
    text = ParallelText("made", ("en", "es", "zh"), sentences, ("fit", "test"))
    (unit,) = sentence_units(text, "fit")
    assert unit.texts == {"en": ("It rains.",), "es": ("Llueve.",), "zh": ("下雨了。",)}
    assert unit.prompts == {
        "en": ("Spanish: Llueve.\nEnglish:", "Chinese: 下雨了。\nEnglish:"),
        "es": ("English: It rains.\nSpanish:",),
        "zh": ("English: It rains.\nChinese:",),
    }
    assert unit.answered("zh") == "下雨了。"
    assert unit.answered("es") == " Llueve."


def test_real_ntrex(shared_data: Path) -> None:
    data = load_training(["ntrex"], ["ko", "es"], data_dir=shared_data)
    assert data.counts()["sentence"] > 10
    assert set(data.languages) == {"ko", "es"}
    assert len(data.dev) > 10
    assert not {unit.key for unit in data.units} & {unit.key for unit in data.dev}


def test_real_global_mmlu(shared_data: Path) -> None:
    """Dev rows alone are there: they are what is trained on."""
    data = load_training(["global_mmlu"], ["ja"], data_dir=shared_data)
    assert data.counts()["question"] > 10
    assert all(unit.key.startswith("global_mmlu/") and set(unit.responses) == {"en", "ja"} for unit in data.units)
    assert not data.dev


ROWS: list[dict[str, Any]] = [
    {"id": 7, "language": "en", "instruction": "Name a prime.", "response": "Seven."},
    {"id": 7, "language": "es", "instruction": "Nombra un primo.", "response": "Siete.", "note": "x"},
    {"id": "b", "language": "en", "instruction": "Greet me.\u2028Now.", "response": "Hello."},
    {"id": "b", "language": "ko", "instruction": "인사해.", "response": "안녕."},
]


def written(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")
    return path


def test_the_users_own_file(tmp_path: Path) -> None:
    path = written(tmp_path / "mine.jsonl", ROWS)
    data = load_training([str(path)])
    assert data.languages == ("es", "ko")
    assert [unit.key for unit in data.units] == ["mine.jsonl/7", "mine.jsonl/b"]
    assert data.units[0].prompts["es"] == (question_text("Nombra un primo.", "es"),)
    assert data.units[0].responses == {"en": "Seven.", "es": "Siete."}
    assert load_training([str(path)], ["ko"]).languages == ("ko",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"response": ""}, r"mine.jsonl, row 3: 'response' is empty"),
        ({"response": None}, r"row 3: 'response' is 'None'; allowed: text"),
        ({"instruction": ["a"]}, r"row 3: 'instruction' is"),
        ({"language": "xx"}, r"row 3: language 'xx' is unknown"),
        ({"id": 7}, r"row 3: id '7' appears twice in 'en'; allowed: once; first at .*row 1"),
    ],
)
def test_a_row_that_is_wrong_is_named(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    rows = [*ROWS[:2], ROWS[2] | change, ROWS[3]]
    with pytest.raises(DataError, match=message) as caught:
        read_instructions(written(tmp_path / "mine.jsonl", rows))
    assert "\n" not in str(caught.value)


def test_a_field_that_is_missing_is_named(tmp_path: Path) -> None:
    rows = [ROWS[0], {key: value for key, value in ROWS[1].items() if key != "response"}]
    with pytest.raises(DataError, match=r"row 2: column 'response' is missing"):
        read_instructions(written(tmp_path / "mine.jsonl", rows))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load_training([str(tmp_path / "absent.jsonl")])
    with pytest.raises(DataError, match="is empty"):
        read_instructions(written(tmp_path / "empty.jsonl", []))


def test_no_parallel_data_for_a_language(tmp_path: Path) -> None:
    path = written(tmp_path / "mine.jsonl", ROWS)
    with pytest.raises(DataError, match=r"no parallel data for language 'fr'; allowed: .*es;"):
        load_training([str(path)], ["es", "fr"])
    with pytest.raises(DataError, match=r"atlas: no parallel data for language 'fr'"):
        load_training(["atlas"], ["fr"])
    alone = written(tmp_path / "alone.jsonl", ROWS[1:2])
    with pytest.raises(DataError, match="no text is available both in English and in another language"):
        load_training([str(alone)])


@pytest.mark.parametrize(
    ("names", "message"),
    [(["atlsa"], "training data 'atlsa' is unknown; allowed: atlas"), ([], "no training data was given"),
     (["atlas", "atlas"], "list a source twice")],
)  # fmt: skip
def test_names_that_are_wrong(names: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_training(names)


def test_the_fingerprint_is_the_contents() -> None:
    one, other = load_training(["atlas"], ["es"]), load_training(["atlas"], ["es"])
    assert one.fingerprint == other.fingerprint
    assert load_training(["atlas"], ["ko"]).fingerprint != one.fingerprint
    assert replace(one, units=one.units[1:]).fingerprint != one.fingerprint
