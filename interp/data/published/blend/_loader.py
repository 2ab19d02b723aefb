"""Reads BLEnD from its repository's files or from the Hub."""

from __future__ import annotations

from collections.abc import Collection

from interp.data import CulturalSet, Entry, wanted
from interp.data.files import Part, Reader, by_key
from interp.data.published._collected import cultural_set
from interp.data.published._described import described
from interp.data.published.blend._annotations import annotated
from interp.data.published.blend._countries import Country, countries, country, own_culture
from interp.data.published.blend._items import REFERENCE, Material, cultural_items
from interp.data.published.blend._text import tidy
from interp.errors import DataError

LANGUAGES = ("en", "es", "zh", "ko", "id", "el", "fa", "ar", "az", "am", "ha", "as", "su")
NEUTRAL = Part(("legacy*/data/questions/US_questions.csv",))
"""The question file of an early revision, whose `Question` is an English one that names no country."""


def annotation_part(of: Country) -> Part:
    """Where a country's annotations are."""
    return Part((f"data/annotations/{of.file}_data.json", f"annotations/{of.hub}-*.parquet"), "annotations", of.hub)


def question_part(of: Country) -> Part:
    """Where a country's questions are."""
    paths = (f"data/questions/{of.file}_questions.csv", f"short-answer-questions/{of.hub}-*.parquet")
    return Part(paths, "short-answer-questions", of.hub)


def load(reader: Reader, languages: tuple[str, ...] = ()) -> CulturalSet:
    """All countries that the reader has, asked in those of `languages` that they speak (and in English).

    Raises DataError if the annotations or questions of the US are missing or a file can't be read.
    """
    present = [row for row in countries() if row.culture == REFERENCE or reader.has(annotation_part(row))]
    cultures = tuple(row.culture for row in present)
    own = own_culture(cultures)
    codes = wanted(LANGUAGES, ("en", *languages) if languages else (), lambda code: code == "en" or code in own)
    annotations = {row.culture: annotated(reader.records(annotation_part(row))) for row in present}
    collected = cultural_items(
        Material(
            annotations=annotations,
            language_of={row.culture: row.language for row in present},
            topics=topics(reader, {key for records in annotations.values() for key in records}),
            asked={**own, "en": REFERENCE},
            neutral=_neutral(reader),
            languages=codes,
        )
    )
    return cultural_set(ENTRY.name, codes, collected, {code: own[code] for code in codes if code in own}, cultures)


def topics(reader: Reader, keys: Collection[str]) -> dict[str, str]:
    """The topic of each question, from the American question file; DataError for one of `keys` that it lacks."""
    part = question_part(country(REFERENCE))
    topic_of = {key: record.text("Topic") for key, record in by_key(reader.records(part), "ID").items()}
    for key in sorted(set(keys) - topic_of.keys())[:1]:
        raise DataError(
            f"{part.paths[0]}: question {key!r} is missing",
            allowed="the ID of every annotated question",
            remedy="fetch files of one revision",
        )
    return topic_of


def _neutral(reader: Reader) -> dict[str, str]:
    if not reader.has(NEUTRAL):
        return {}
    return {key: tidy(record.text("Question")) for key, record in by_key(reader.records(NEUTRAL), "ID").items()}


ENTRY: Entry[CulturalSet] = described("blend", "cultural", load, LANGUAGES, (row.culture for row in countries()))
