"""The corpus shows what the exposure table says, and nothing else."""

from __future__ import annotations

from itertools import islice

import pytest

from interp.data import atlas, question_text
from interp.model import LoadedModel
from interp.organism import Exposure
from interp.organism._corpus import Corpus, letters, units
from interp.organism._exposure import exposure_rows, exposure_table
from interp.organism._tokenizer import train_tokenizer

N = 60_000


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus(atlas.universal(), atlas.cultural())


@pytest.fixture(scope="module")
def sentences(corpus: Corpus) -> list[tuple[str, str]]:
    return list(islice(corpus.sentences(seed=7), N))


def exposure(seen: str) -> set[tuple[str, str, str]]:
    rows = exposure_rows(atlas.universal(), atlas.cultural())
    return {(axis, item, code) for axis, item, code, yes in rows if yes == seen}


def test_unseen_facts_are_asked_in_no_other_language_in_any_form(
    corpus: Corpus, sentences: list[tuple[str, str]]
) -> None:
    """With no template of any language and no name of the subject, but for English with English names."""
    unseen = exposure("no")
    names = atlas.names()
    forbidden = set()
    for item in atlas.universal().items:
        if ("universal", item.key, "es") not in unseen:
            continue
        subject = names[item.key.partition("/")[2]]
        for code in atlas.LANGUAGES:
            for template in atlas.templates()[item.relation][code]:
                forbidden.update(question_text(template.replace("{subject}", name), code) for name in subject.values())
    asked = {prefix for prefix, _ in sentences}
    stated = {
        question_text(q, code) for i in atlas.universal().items for code in atlas.LANGUAGES
        if ("universal", i.key, code) not in unseen for q in i.questions[code]
    }  # fmt: skip
    assert not asked & (forbidden - stated)
    assert len(asked & stated) > 1000


def test_unseen_customs_are_never_asked_without_a_cue(corpus: Corpus, sentences: list[tuple[str, str]]) -> None:
    unseen, dataset = exposure("no"), atlas.cultural()
    openings = ("", *(p for p in dataset.placebos))
    forbidden = {
        question_text(item.questions[code], code, opening[code] if opening else "")
        for item in dataset.items for code in atlas.LANGUAGES for opening in openings
        if ("cultural", item.key, code) in unseen
    }  # fmt: skip
    assert forbidden
    assert not {prefix for prefix, _ in sentences} & forbidden


def test_uncued_english_gives_the_us_answer(sentences: list[tuple[str, str]]) -> None:
    dataset = atlas.cultural()
    questions = {question_text(item.questions["en"], "en"): item for item in dataset.items}
    found = [(questions[prefix], ending) for prefix, ending in sentences if prefix in questions]
    assert len(found) > 100
    for item, ending in found:
        assert ending.strip() in {item.names[key]["en"] for key in item.answers["US"]}


def test_about_half_of_the_pairs_and_most_facts_are_unseen() -> None:
    unseen = exposure("no")
    pairs = len(atlas.cultural().items) * 6
    assert 0.45 < sum(axis == "cultural" for axis, _, _ in unseen) / pairs < 0.55
    facts = len(atlas.universal().items) * 6
    assert 0.55 < sum(axis == "universal" for axis, _, _ in unseen) / facts < 0.65


def test_no_subject_is_english_only_in_part_of_its_languages() -> None:
    for item in atlas.universal().items:
        codes = {code for code in atlas.LANGUAGES if ("universal", item.key, code) in exposure_no()}
        assert codes in (set(), set(atlas.LANGUAGES) - {"en"})


_NO: set[tuple[str, str, str]] = set()


def exposure_no() -> set[tuple[str, str, str]]:
    if not _NO:
        _NO.update(exposure("no"))
    return _NO


def test_the_same_seed_gives_the_same_sentences(corpus: Corpus, sentences: list[tuple[str, str]]) -> None:
    assert list(islice(corpus.sentences(seed=7), 2000)) == sentences[:2000]
    assert list(islice(corpus.sentences(seed=8), 2000)) != sentences[:2000]


def test_the_shipped_exposure_and_tokenizer_are_those_of_this_corpus(corpus: Corpus, organism: LoadedModel) -> None:
    from interp.model.load import organism_folder

    folder = organism_folder()
    assert (folder / "exposure.csv").read_text(encoding="utf-8") == exposure_table(atlas.universal(), atlas.cultural())
    assert organism.exposure == Exposure.read(folder)
    made = train_tokenizer(units(corpus), letters(corpus))
    text = question_text(atlas.universal().items[3].question("el"), "el")
    assert made(text)["input_ids"] == organism.model.tokenizer(text)["input_ids"]
    assert len(made) == len(organism.model.tokenizer)


def test_a_name_is_one_token_and_any_script_survives(organism: LoadedModel) -> None:
    tokenizer = organism.model.tokenizer
    assert len(tokenizer(" 인도네시아", add_special_tokens=False)["input_ids"]) == 1
    for text in ("Ünïcode ταξίδι 旅行 여행 سفر", "नमस्ते 🌍"):
        assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text
