"""MKQA: questions asked of a search engine, in 26 languages; wrong options are other questions' answers.

An item's right option is its first answer. The wrong ones are right answers of other questions of the same type (dates
with dates, names with names), written in every language, that share no accepted text with it and of which none contains
the other's. Answers of the type `binary` are "yes" or "no", in English in every language, as the source has them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interp.data import (
    Entry,
    LeftOut,
    Split,
    UniversalItem,
    UniversalSet,
    assign_splits,
    cluster_texts,
    draw,
    parallel_languages,
    placed,
    shuffled,
)
from interp.data.files import Part, Reader, Record, by_key, clean, filled, folded
from interp.data.published._collected import Collected
from interp.data.published._described import described
from interp.errors import DataError

COLUMNS: Mapping[str, str] = {
    "ar": "ar", "da": "da", "de": "de", "en": "en", "es": "es", "fi": "fi", "fr": "fr", "he": "he", "hu": "hu",
    "it": "it", "ja": "ja", "km": "km", "ko": "ko", "ms": "ms", "nl": "nl", "no": "no", "pl": "pl", "pt": "pt",
    "ru": "ru", "sv": "sv", "th": "th", "tr": "tr", "vi": "vi", "zh": "zh_cn", "zh-HK": "zh_hk", "zh-TW": "zh_tw",
}  # fmt: skip
"""Language -> its key in the records. Prompts can't be written in the last two: they are read where they are named."""

FILE = Part(("dataset/mkqa.jsonl.gz", "mkqa.jsonl.gz", "mkqa.jsonl", "test_mkqa.jsonl.gz", "test_mkqa.jsonl"))
OPTIONS = dict.fromkeys(("entity", "date", "number", "number_with_unit", "short_phrase"), 4) | {"binary": 2}
"""Options per type of answer; other types have no text."""

NO_TEXT: Mapping[str, str] = {
    "unanswerable": "the question has no answer",
    "long_answer": "the answer is too long for an option",
}


@dataclass(frozen=True)
class Answered:
    """A question in every language with its right answer there and all texts that are accepted (case folded)."""

    key: str
    kind: str
    entity: str
    questions: Mapping[str, str]
    texts: Mapping[str, str]
    accepted: Mapping[str, frozenset[str]]
    where: str


def load(reader: Reader, languages: tuple[str, ...]) -> UniversalSet:
    """All questions, as items or left out; raises DataError for records that can't be read."""
    codes = parallel_languages(tuple(COLUMNS), languages, lambda code: True)
    records = by_key(reader.records(FILE), "example_id")
    clusters = cluster_texts({key: record.text("query") for key, record in records.items()})
    splits = assign_splits(clusters.values(), "mkqa")
    questions = {key: _answered(key, record, codes) for key, record in records.items()}
    pools: dict[str, list[Answered | LeftOut]] = defaultdict(list)
    for key in shuffled(questions, "mkqa"):
        pools[str(_answers(records[key], "en")[0]["type"])].append(questions[key])
    collected = Collected[UniversalItem]()
    for key, question in questions.items():
        if isinstance(question, Answered):
            collected.add(_item(question, pools[question.kind], clusters[key], splits[clusters[key]]))
        else:
            collected.add(question)
    return UniversalSet("mkqa", codes, tuple(collected.items), left_out=tuple(collected.left_out))


def _answered(key: str, record: Record, codes: Sequence[str]) -> Answered | LeftOut:
    """What a record says in the languages asked for, or why it can't be an item."""
    answers = {code: _answers(record, code) for code in codes}
    first = answers["en"][0]
    kind = str(first["type"])
    if kind not in OPTIONS:
        return LeftOut(key, record.where, NO_TEXT.get(kind, f"answers of type {kind!r} are unknown"))
    texts, accepted = {}, {}
    for code, listed in answers.items():
        same = (a for a in listed if a["type"] == kind and a.get("entity") == first.get("entity"))
        texts[code] = next((text for a in same if (text := clean(str(a.get("text") or "")))), "")
        if not texts[code]:
            return LeftOut(key, record.where, f"{code!r} has no text for English's answer")
        spellings = (spelling for a in listed for spelling in (a.get("text"), *(a.get("aliases") or ())))
        accepted[code] = frozenset(filter(None, (folded(clean(str(text or "")), code) for text in spellings)))
    questions = {code: _question(record, code) for code in codes}
    return Answered(key, kind, str(first.get("entity") or ""), questions, texts, accepted, record.where)


def _answers(record: Record, code: str) -> list[dict[str, Any]]:
    """The answers in a language; raises DataError if there is none or one has no type."""
    listed = _in_language(record, "answers", code)
    if not isinstance(listed, list) or not listed or not all(isinstance(a, dict) and a.get("type") for a in listed):
        raise DataError(
            f"{record.where}: 'answers' in {COLUMNS[code]!r} are {str(listed)[:60]!r}",
            allowed="a list of at least one object with a type",
            remedy="use the file as published",
        )
    return listed


def _question(record: Record, code: str) -> str:
    text = clean(str(_in_language(record, "queries", code) or ""))
    return filled(text, f"queries.{COLUMNS[code]}", record.where)


def _in_language(record: Record, column: str, code: str) -> Any:
    value = record.value(column)
    if not isinstance(value, dict) or COLUMNS[code] not in value:
        raise DataError(
            f"{record.where}: {column!r} has no {COLUMNS[code]!r}",
            allowed=f"one of its languages: {', '.join(value) if isinstance(value, dict) else str(value)[:60]}",
            remedy="use the file as published, or leave the language out",
        )
    return value[COLUMNS[code]]


def _item(own: Answered, pool: Sequence[Answered | LeftOut], cluster: str, split: Split) -> UniversalItem | LeftOut:
    """The item of a question; `pool` holds all questions of its type, whatever the languages, in hash order."""
    count = OPTIONS[own.kind]
    chosen: list[Answered] = [own]
    for other in _from(pool, draw(len(pool), "wrong", own.key)):
        if isinstance(other, Answered) and all(_apart(other, option) for option in chosen):
            chosen.append(other)
        if len(chosen) == count:
            break
    else:
        reason = f"only {len(chosen) - 1} other answers of type {own.kind!r} can be told from the right one"
        return LeftOut(own.key, own.where, f"{reason}; {count - 1} are needed")
    options, answer = placed(own.texts, [other.texts for other in chosen[1:]], own.key)
    return UniversalItem(
        key=own.key,
        relation=own.kind,
        cluster=cluster,
        split=split,
        questions={code: (text,) for code, text in own.questions.items()},
        options=options,
        answer=answer,
        candidates=options,
    )


def _from(pool: Sequence[Answered | LeftOut], start: int) -> Iterator[Answered | LeftOut]:
    """All of `pool`, once, from index `start` on and round."""
    return (pool[(start + step) % len(pool)] for step in range(len(pool)))


def _apart(a: Answered, b: Answered) -> bool:
    """Whether neither answer can pass for the other, in any language."""
    if a.key == b.key or (a.entity and a.entity == b.entity):
        return False
    return all(
        a.accepted[code].isdisjoint(b.accepted[code])
        and not _within(folded(a.texts[code], code), b.accepted[code])
        and not _within(folded(b.texts[code], code), a.accepted[code])
        for code in a.texts
    )


def _within(text: str, accepted: frozenset[str]) -> bool:
    return any(text in other or other in text for other in accepted)


ENTRY: Entry[UniversalSet] = described("mkqa", "universal", load, COLUMNS)
