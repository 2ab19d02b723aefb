"""ArabCulture (Sadallah et al. 2025, arXiv 2502.12788): what goes on after a first sentence, in 13 Arab countries.

All rows are in Arabic, three endings each, of which one suits the country. Other endings name no other country, so
there is no US bias, and `--cultures ar=EG` says whose customs count. Rows that their author did not call relevant to
the country stay in: the source keeps them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from interp.data import CulturalItem, CulturalSet, Entry, LeftOut, assign_splits, wanted
from interp.data.files import Part, Reader, Record, clean
from interp.data.published._choices import Choice, local_item, unusable
from interp.data.published._collected import Collected, cultural_set
from interp.data.published._described import described
from interp.errors import DataError

LANGUAGE = "ar"
CULTURES: Mapping[str, str] = {
    "DZ": "Algeria", "EG": "Egypt", "JO": "Jordan", "SA": "KSA", "LB": "Lebanon", "LY": "Libya", "MA": "Morocco",
    "PS": "Palestine", "SD": "Sudan", "SY": "Syria", "TN": "Tunisia", "AE": "UAE", "YE": "Yemen",
}  # fmt: skip
"""Country -> configuration on the Hub."""

ENDINGS = 3
NESTED = {"options": {"text", "english_keys"}, "answer_key": {"english_answer_key"}}
"""Columns that hold structures, and the parts that are read."""


def part(culture: str) -> Part:
    """The table of a country; its only split is `test`."""
    config = CULTURES[culture]
    kinds = ("parquet", "jsonl")
    return Part(tuple(f"{config}{end}.{kind}" for end in ("/test*", "") for kind in kinds), config, "test")


def load(reader: Reader, languages: tuple[str, ...]) -> CulturalSet:
    """The rows of every country that the reader has; raises DataError, with the row, for a broken table."""
    loaded = wanted((LANGUAGE,), languages, lambda code: any(reader.has(part(culture)) for culture in CULTURES))
    collected = Collected[CulturalItem]()
    for culture in CULTURES if loaded else ():
        if reader.has(part(culture)):
            for number, record in enumerate(reader.records(part(culture))):
                collected.add(_item(f"{culture}/{number}", culture, record))
    splits = assign_splits((item.cluster for item in collected.items), "arab_culture")
    collected.items = [replace(item, split=splits[item.cluster]) for item in collected.items]
    return cultural_set(ENTRY.name, loaded, collected, {})


def _item(key: str, culture: str, record: Record) -> CulturalItem | LeftOut:
    """A row's item, its split still to be assigned."""
    options, key_of = _nested(record, "options"), _nested(record, "answer_key")
    texts = tuple(clean(str(text)) for text in options["text"])
    letters, answer = list(options["english_keys"]), str(key_of["english_answer_key"]).strip()
    if answer not in letters:
        raise DataError(
            f"{record.where}: the answer is {answer!r}", allowed=", ".join(map(str, letters)), remedy="correct the row"
        )
    question = record.maybe("first_statement")
    if reason := unusable(question, texts, ENDINGS):
        return LeftOut(key, record.where, reason)
    named = (record.maybe(name) for name in ("sub_topic", "topic") if name in record.values)
    topic = next(filter(None, named), "")
    row = Choice(topic, question, texts, letters.index(answer), record.where)
    return local_item(key, row, language=LANGUAGE, culture=culture, cluster=topic or key)


def _nested(record: Record, column: str) -> Mapping[str, Any]:
    """A cell with the parts that ArabCulture's have, by name; DataError for another."""
    value = record.value(column)
    names = NESTED[column]
    if not isinstance(value, Mapping) or not names <= set(value):
        raise DataError(
            f"{record.where}: {column!r} is {str(value)[:60]!r}",
            allowed=f"a structure with {', '.join(sorted(names))}",
            remedy="use the file as published",
        )
    return value


ENTRY: Entry[CulturalSet] = described("arab_culture", "cultural", load, (LANGUAGE,), CULTURES)
