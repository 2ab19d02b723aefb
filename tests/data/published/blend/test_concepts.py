"""Answers become concepts: what is the same, what is alike, and how a language writes it."""

from __future__ import annotations

from interp.data.published.blend._annotations import Annotated, Answer
from interp.data.published.blend._concepts import Concept, Lexicon, alike, concepts, identity

LANGUAGE_OF = {"US": "en", "KR": "ko", "ES": "es", "CN": "zh"}
NONE: dict[str, int] = {}


def record(*answers: Answer) -> Annotated:
    return Annotated("q", answers, NONE)


def english(*texts: str, votes: int = 1) -> Answer:
    return Answer(texts, texts, votes)


EMPTY = Lexicon(())


def test_spellings_are_the_same_without_case_punctuation_spaces_articles_and_plural() -> None:
    assert {identity(text, "en") for text in ("Hot dogs", "hotdog", "the hot-dog")} == {"hotdog"}
    assert identity("cookies", "en") == identity("cookie", "en")
    assert identity("berries", "en") == identity("berry", "en")
    assert identity("glass", "en") == "glass"
    assert identity("12:30", "en") != identity("1230", "en")


def test_answers_that_share_a_spelling_are_one_concept_also_by_a_third() -> None:
    answers = {
        "US": (english("kites", "Kite flying", votes=3),),
        "KR": (Answer(("연",), ("kite",), 2), Answer(("팽이",), ("top",), 1)),
        "ES": (Answer(("cometa",), ("kite-flying",), 4),),
    }
    found = concepts(answers, LANGUAGE_OF, EMPTY)
    assert [dict(concept.votes) for concept in found] == [{"US": 3, "KR": 2, "ES": 4}, {"KR": 1}]
    assert found[0].names == {"en": "kite-flying", "ko": "연", "es": "cometa"}


def test_local_spellings_link_answers_of_one_language_only() -> None:
    answers = {"KR": (Answer(("연",), ("kite",), 2),), "CN": (Answer(("연",), ("silk",), 1),)}
    assert len(concepts(answers, LANGUAGE_OF, EMPTY)) == 2


def test_the_lexicon_gives_what_a_question_lacks() -> None:
    lexicon = Lexicon(
        [
            ("ko", record(Answer(("연",), ("kite",), 3), Answer(("차", "홍차"), ("tea", "black tea"), 9))),
            ("es", record(Answer(("té", "el té"), ("tea",), 2))),
            ("en", record(english("kite"))),
        ]
    )
    assert lexicon.local("Kites", "ko") == "연"
    assert lexicon.local("black tea", "ko") is None, "two spellings on both sides do not say which means which"
    assert lexicon.local("tea", "es") == "té"
    assert lexicon.english("연", "ko") == "kite"
    answers = {"US": (english("kite", votes=2),), "KR": (Answer(("연",), (), 1),)}
    (found,) = concepts(answers, LANGUAGE_OF, lexicon)
    assert dict(found.votes) == {"US": 2, "KR": 1}


def test_an_answer_without_english_stays_with_a_key_of_its_own() -> None:
    (found,) = concepts({"KR": (Answer(("윷",), (), 1),)}, LANGUAGE_OF, EMPTY)
    assert (found.key, found.names) == ("ko:윷", {"ko": "윷"})


def test_numbers_are_written_alike_in_every_language_and_english_in_lower_case() -> None:
    found = {c.key: c for c in concepts({"US": (english("12"), english("NYC"))}, LANGUAGE_OF, EMPTY)}
    assert found["12"].names == {"en": "12", "es": "12", "ko": "12", "zh": "12"}
    assert found["nyc"].names == {"en": "nyc"}


def made(key: str, *spellings: tuple[str, str]) -> Concept:
    return Concept(key, {}, {}, frozenset(spellings))


def test_concepts_are_alike_where_one_holds_the_other() -> None:
    found = (
        made("a", ("en", "chicken")),
        made("b", ("en", "fried chicken"), ("ko", "치킨")),
        made("c", ("ko", "치킨집")),
        made("d", ("en", "hen")),
        made("e", ("zh", "鸡")),
        made("f", ("zh", "炸鸡")),
        made("g", ("ko", "1")),
        made("h", ("ko", "12")),
    )
    assert alike(found) == {
        "a": ("b",), "b": ("a", "c"), "c": ("b",), "d": (), "e": ("f",), "f": ("e",), "g": (), "h": ()
    }  # fmt: skip
