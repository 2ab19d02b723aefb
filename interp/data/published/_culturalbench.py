"""CulturalBench (Chiu et al. 2024, arXiv 2410.02677): questions on 45 countries and regions, in English alone.

Every question names its country, and no other language asks it: there is no localization axis, and a run can't use it.
It loads to be looked at, exported, and scored with `--culture`. CulturalBench-Easy has four options a row;
CulturalBench-Hard, read where Easy is not there, has one option a row, true or false.
"""

from __future__ import annotations

from collections.abc import Sequence

from interp.data import CulturalItem, CulturalSet, Entry, LeftOut, Split, assign_splits
from interp.data.files import Part, Reader, Record, by_key
from interp.data.published._choices import Choice, Columns, local_item, unusable
from interp.data.published._collected import Collected, cultural_set
from interp.data.published._countries import country_code
from interp.data.published._described import described
from interp.errors import DataError

LANGUAGE = "en"
EASY, HARD = (
    Part((f"{name}.csv", f"{name}/test/*.parquet"), name, "test")
    for name in ("CulturalBench-Easy", "CulturalBench-Hard")
)
FOUR = Columns(tuple(f"prompt_option_{letter}" for letter in "abcd"), "answer")
_TRUTH = {"true": True, "1": True, "false": False, "0": False}

Questions = dict[str, tuple[Record, list[tuple[str, bool]]]]
"""By question: its (first) row, the texts of its options, and whether each is right."""


def load(reader: Reader, languages: tuple[str, ...]) -> CulturalSet:
    """All questions; raises DataError, with the row, for a broken table."""
    easy = reader.has(EASY) or not reader.has(HARD)
    questions = _easy(reader.records(EASY)) if easy else _hard(reader.records(HARD))
    splits = assign_splits(questions, "culturalbench")
    collected = Collected[CulturalItem]()
    for key, (record, options) in questions.items():
        collected.add(_item(key, record, options, splits[key]))
    return cultural_set(ENTRY.name, (LANGUAGE,), collected, {})


def _item(key: str, record: Record, options: Sequence[tuple[str, bool]], split: Split) -> CulturalItem | LeftOut:
    question, country = record.maybe("prompt_question"), record.maybe("country")
    texts = tuple(text for text, _ in options)
    right = [place for place, (_, is_right) in enumerate(options) if is_right]
    culture = country_code(country)
    if reason := unusable(question, texts):
        return LeftOut(key, record.where, reason)
    if len(right) != 1:
        return LeftOut(key, record.where, f"{len(right)} options are right")
    if culture is None:
        return LeftOut(key, record.where, f"country {country!r} is unknown")
    row = Choice(key, question, texts, right[0], record.where)
    return local_item(key, row, language=LANGUAGE, culture=culture, split=split)


def _easy(records: Sequence[Record]) -> Questions:
    questions: Questions = {}
    for key, record in by_key(records, "question_idx").items():
        texts, right = FOUR.options_and_answer(record)
        questions[key] = record, [(text, place == right) for place, text in enumerate(texts)]
    return questions


def _hard(records: Sequence[Record]) -> Questions:
    questions: Questions = {}
    for record in records:
        word = record.text("answer").casefold()
        if word not in _TRUTH:
            raise DataError(f"{record.where}: 'answer' is {word!r}", allowed="True, False", remedy="correct it")
        _, options = questions.setdefault(record.text("question_idx"), (record, []))
        options.append((record.maybe("prompt_option"), _TRUTH[word]))
    return questions


ENTRY: Entry[CulturalSet] = described("culturalbench", "cultural", load, (LANGUAGE,))
