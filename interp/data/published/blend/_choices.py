"""BLEnD's multiple choice: questions in English, each with answers of several countries to choose from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from interp.data import CulturalItem, CulturalSet, Entry, LeftOut, assign_splits, unit
from interp.data.files import Part, Reader, Record, by_key
from interp.data.published._collected import Collected, cultural_set
from interp.data.published._described import described
from interp.data.published.blend._countries import countries, country
from interp.data.published.blend._items import REFERENCE
from interp.data.published.blend._loader import topics
from interp.data.published.blend._phrases import NotImplicit, implicit
from interp.data.published.blend._text import parsed, tidy
from interp.errors import DataError

PART = Part(
    ("evaluation/mc_data/mc_questions_file.csv", "multiple-choice-questions/test-*.parquet"),
    "multiple-choice-questions",
    "test",
)
_INSTRUCTION = re.compile(r"\s*(?:Without any explanation\b.*|\n.*)", re.DOTALL)
"""What the published prompt has after the question: how to answer, and the choices."""


@dataclass(frozen=True)
class Choice:
    """A multiple-choice question: `choices` and their countries' `cultures` by letter, and the right letter."""

    id: str
    question_id: str
    culture: str
    question: str
    choices: Mapping[str, str]
    cultures: Mapping[str, str]
    answer: str


def choices(records: Sequence[Record]) -> tuple[Choice, ...]:
    """All multiple-choice questions of a table, without the published instruction. Raises DataError with the row."""
    return tuple(_choice(key, record) for key, record in by_key(records, "MCQID").items())


def _choice(key: str, record: Record) -> Choice:
    texts, places = _by_letter(record, "choices"), _by_letter(record, "choice_countries")
    if texts.keys() != places.keys() or len(texts) < 2:
        raise DataError(
            f"{record.where}: 'choices' has {', '.join(texts)}, 'choice_countries' {', '.join(places)}",
            allowed="the same letters, two or more",
            remedy="correct the row",
        )
    answer = record.text("answer_idx")
    if answer not in texts:
        raise DataError(
            f"{record.where}: 'answer_idx' is {answer!r}", allowed=", ".join(texts), remedy="correct the answer"
        )
    return Choice(
        id=key,
        question_id=record.text("ID"),
        culture=country(record.text("country"), record.where).culture,
        question=tidy(_INSTRUCTION.sub("", record.text("prompt"), count=1)),
        choices={letter: tidy(text) for letter, text in texts.items()},
        cultures={letter: country(name, record.where).culture for letter, name in places.items()},
        answer=answer,
    )


def _by_letter(record: Record, column: str) -> dict[str, str]:
    value = parsed(record.value(column), f"{record.where}, {column}")
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise DataError(
            f"{record.where}: {column!r} is {str(value)[:60]!r}",
            allowed='an object {"A": text, ...}',
            remedy="correct the cell",
        )
    return value


def one_each(listed: Iterable[Choice]) -> tuple[Choice, ...]:
    """One row per question and country (there are many): with an American choice where one has it, drawn by hash."""
    drawn: dict[tuple[str, str], Choice] = {}
    for choice in listed:
        pair = (choice.question_id, choice.culture)
        if pair not in drawn or _rank(choice) < _rank(drawn[pair]):
            drawn[pair] = choice
    return tuple(drawn.values())


def _rank(choice: Choice) -> tuple[bool, float]:
    return REFERENCE not in choice.cultures.values(), unit("blend-choice", choice.id)


def load(reader: Reader, languages: tuple[str, ...] = ()) -> CulturalSet:
    """Implicit questions in English with the published choices, one item per question and country.

    English has no culture of its own: name one with `cultures` to score these items. Rows of the US have no item, as
    it is the reference. Raises DataError if a table is missing or can't be read.
    """
    drawn = [choice for choice in one_each(choices(reader.records(PART))) if choice.culture != REFERENCE]
    topic_of = topics(reader, {choice.question_id for choice in drawn})
    splits = assign_splits((choice.question_id for choice in drawn), "blend")
    collected = Collected[CulturalItem]()
    for choice in drawn:
        question = implicit(choice.question, "en", choice.culture)
        if isinstance(question, NotImplicit):
            collected.add(LeftOut(choice.id, choice.culture, question.reason))
            continue
        american = tuple(k for k, culture in choice.cultures.items() if culture == REFERENCE and k != choice.answer)
        collected.add(
            CulturalItem(
                key=choice.id,
                topic=topic_of[choice.question_id],
                split=splits[choice.question_id],
                cluster=choice.question_id,
                questions={"en": question.text},
                answers={choice.culture: (choice.answer,), REFERENCE: american},
                pool=tuple(choice.choices),
                names={letter: {"en": text} for letter, text in choice.choices.items()},
                given={choice.culture: tuple(choice.choices)},
            )
        )
    asked = {choice.culture for choice in drawn} | {REFERENCE}
    cultures = tuple(row.culture for row in countries() if row.culture in asked)
    return cultural_set(CHOICE.name, ("en",), collected, {}, cultures)


CHOICE: Entry[CulturalSet] = described("blend_choice", "cultural", load, ("en",), (row.culture for row in countries()))
