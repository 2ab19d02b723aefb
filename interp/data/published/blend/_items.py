"""BLEnD's questions as cultural items: implicit questions, answers as concepts, and what had to be left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from interp.data import Accepted, CulturalItem, LeftOut, assign_splits
from interp.data.published._collected import Collected
from interp.data.published.blend._annotations import Annotated
from interp.data.published.blend._concepts import Concept, Lexicon, alike, concepts
from interp.data.published.blend._phrases import Implicit, NotImplicit, implicit

REFERENCE = "US"
NOT_IN_FILE = "the question is not in the country's file"


@dataclass(frozen=True)
class Material:
    """What was read: annotations by culture and question, the language of each culture, topics by question.

    `asked[language]` is the culture whose file gives the language's questions; `neutral` has English questions that
    name no country, where the source has them. `languages` are those to be loaded.
    """

    annotations: Mapping[str, Mapping[str, Annotated]]
    language_of: Mapping[str, str]
    topics: Mapping[str, str]
    asked: Mapping[str, str]
    neutral: Mapping[str, str]
    languages: tuple[str, ...]


def cultural_items(material: Material) -> Collected[CulturalItem]:
    """The items, and per item, language and culture why something is left out.

    An item needs a valid answer of the US. It has the languages whose question loses its country phrase cleanly, and
    the cultures that BLEnD's rule counts as valid. A culture that shares an answer with the US is listed too: its
    answers stay, as others' wrong options, but the item does not count for it.
    """
    keys = list(dict.fromkeys(key for records in material.annotations.values() for key in records))
    splits = assign_splits(keys, "blend")
    lexicon = Lexicon(
        (material.language_of[culture], record)
        for culture, records in material.annotations.items()
        for record in records.values()
    )
    collected = Collected[CulturalItem]()
    for key in keys:
        valid: dict[str, Annotated] = {}
        for culture, records in material.annotations.items():
            reason = records[key].invalid if key in records else NOT_IN_FILE
            if reason:
                collected.add(LeftOut(key, culture, reason))
            else:
                valid[culture] = records[key]
        if REFERENCE not in valid:
            collected.add(LeftOut(key, "all", "there is no American answer to compare with"))
            continue
        answered = concepts({k: record.answers for k, record in valid.items()}, material.language_of, lexicon)
        answers = {culture: _ranked(answered, culture) for culture in valid}
        questions, unclean = _questions(key, material)
        near = alike(answered)
        collected.left_out += [*unclean, *_shared(key, answers, near)]
        collected.add(
            CulturalItem(
                key=key,
                topic=material.topics[key],
                split=splits[key],
                cluster=key,
                questions=questions,
                answers=answers,
                pool=tuple(concept.key for concept in answered),
                names={
                    concept.key: {code: concept.names[code] for code in material.languages if code in concept.names}
                    for concept in answered
                },
                alike=near,
                accepted={
                    culture: tuple(
                        Accepted(tuple(dict.fromkeys((*answer.local, *answer.english))), answer.votes)
                        for answer in record.answers
                    )
                    for culture, record in valid.items()
                },
            )
        )
    return collected


def _ranked(answered: tuple[Concept, ...], culture: str) -> tuple[str, ...]:
    """Keys of a culture's answers by votes; of equals, first the one that more languages have a text for."""
    own = [concept for concept in answered if culture in concept.votes]
    own.sort(key=lambda concept: (-concept.votes[culture], -len(concept.names), concept.key))
    return tuple(concept.key for concept in own)


def _questions(key: str, material: Material) -> tuple[dict[str, str], list[LeftOut]]:
    questions, unclean = {}, []
    for code in material.languages:
        result = _question(key, code, material)
        if isinstance(result, Implicit):
            questions[code] = result.text
        else:
            unclean.append(LeftOut(key, code, result.reason))
    return questions, unclean


def _question(key: str, code: str, material: Material) -> Implicit | NotImplicit:
    culture = material.asked[code]
    if code == "en" and key in material.neutral:
        return implicit(material.neutral[key], "en", culture)
    if key not in material.annotations[culture]:
        return NotImplicit(NOT_IN_FILE)
    return implicit(material.annotations[culture][key].question, code, culture)


def _shared(key: str, answers: Mapping[str, tuple[str, ...]], near: Mapping[str, tuple[str, ...]]) -> Iterator[LeftOut]:
    american = answers[REFERENCE]
    for culture, own in answers.items():
        both = [answer for answer in own if answer in american]
        if culture == REFERENCE:
            continue
        if both:
            yield LeftOut(key, culture, f"an answer is also an American one: {both[0]}")
        elif american[0] in near[own[0]]:
            yield LeftOut(key, culture, f"its answer and the American one contain each other: {own[0]}, {american[0]}")
