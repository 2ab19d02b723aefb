"""Reads BLEnD from its repository's files or from the Hub."""

from __future__ import annotations

from interp.data.blend.annotations import annotated
from interp.data.blend.countries import Country, countries, own_culture
from interp.data.blend.items import REFERENCE, Material, cultural_items
from interp.data.blend.text import tidy
from interp.data.cues import cues, placebos
from interp.data.entries import Entry, wanted
from interp.data.items import CulturalSet
from interp.data.records import by_key
from interp.data.sources import Origin, Part, Reader
from interp.errors import DataError

LANGUAGES = ("en", "es", "zh", "ko", "id", "el", "fa", "ar", "az", "am", "ha", "as", "su")
NEUTRAL = Part(("legacy*/data/questions/US_questions.csv",))
"""The question file of an early revision, whose `Question` is an English one that names no country."""


def annotation_part(country: Country) -> Part:
    """Where a country's annotations are."""
    paths = (f"data/annotations/{country.file}_data.json", f"annotations/{country.hub}-*.parquet")
    return Part(paths, "annotations", country.hub)


def question_part(country: Country) -> Part:
    """Where a country's questions are."""
    paths = (f"data/questions/{country.file}_questions.csv", f"short-answer-questions/{country.hub}-*.parquet")
    return Part(paths, "short-answer-questions", country.hub)


def load(reader: Reader, languages: tuple[str, ...] = ()) -> CulturalSet:
    """All countries that the reader has, asked in those of `languages` that they speak (and in English).

    Raises DataError where the annotations or questions of the US are missing or a file can't be read.
    """
    america = next(country for country in countries() if country.culture == REFERENCE)
    there = [country for country in countries() if country is america or reader.has(annotation_part(country))]
    cultures = tuple(country.culture for country in there)
    own = own_culture(cultures)
    codes = wanted(LANGUAGES, ("en", *languages) if languages else (), lambda code: code == "en" or code in own)
    found = {country.culture: annotated(reader.records(annotation_part(country))) for country in there}
    topics = {key: record.text("Topic") for key, record in by_key(reader.records(question_part(america)), "ID").items()}
    for key in (key for records in found.values() for key in records if key not in topics):
        raise DataError(
            f"{question_part(america).paths[0]}: question {key!r} is missing",
            allowed="the ID of every annotated question",
            remedy="fetch files of one revision",
        )
    items, left_out = cultural_items(
        Material(
            annotations=found,
            language_of={country.culture: country.language for country in there},
            topics=topics,
            asked={**own, "en": REFERENCE},
            neutral=_neutral(reader),
            languages=codes,
        )
    )
    return CulturalSet(
        name="blend",
        languages=codes,
        cultures=cultures,
        own_culture={code: own[code] for code in codes if code in own},
        items=items,
        cues=cues(cultures, codes),
        placebos=placebos(codes),
        reference=REFERENCE,
        left_out=left_out,
    )


def _neutral(reader: Reader) -> dict[str, str]:
    if not reader.has(NEUTRAL):
        return {}
    return {key: tidy(record.text("Question")) for key, record in by_key(reader.records(NEUTRAL), "ID").items()}


ORIGIN = Origin("hub", "nayeon212/BLEnD", folders=("blend", "BLEnD"))

ENTRY = Entry(
    name="blend",
    axis="cultural",
    title="BLEnD: everyday knowledge of 16 countries and regions, short answers",
    citation="Myung et al. 2024, arXiv:2406.09948",
    licence="CC BY-SA 4.0",
    languages=LANGUAGES,
    size="500 questions x 16 countries",
    load=load,
    origin=ORIGIN,
    cultures=tuple(country.culture for country in countries()),
)
