"""The countries and regions of BLEnD: their names in the files, their codes and languages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from interp.data.files import read_table
from interp.errors import DataError

OWN_CULTURE = {"es": "ES", "ko": "KR"}
"""The culture that a language is scored for where several countries share it. English has none: the US is the
reference, and a question asked in English says nothing of a place."""


@dataclass(frozen=True)
class Country:
    """`file` is its name in the published files, `hub` its code on the Hub.

    `culture` is the ISO 3166 code; Assam and West Java are regions (3166-2), and northern Nigeria goes by NG.
    """

    file: str
    culture: str
    hub: str
    language: str


@lru_cache(maxsize=1)
def countries() -> tuple[Country, ...]:
    """All sixteen, in the order of their file names."""
    table = Path(__file__).with_name("countries.csv")
    return tuple(Country(**row) for row in read_table(table, ("file", "culture", "hub", "language")))


def country(name: str, where: str = "") -> Country:
    """The country of a file name ("South_Korea"), a Hub code ("KR") or a culture code; DataError names `where`."""
    for row in countries():
        if name.replace(" ", "_") in (row.file, row.culture, row.hub):
            return row
    raise DataError(
        f"{where and where + ': '}BLEnD has no country {name!r}",
        allowed=", ".join(row.file for row in countries()),
        remedy="correct the name",
    )


def own_culture(cultures: tuple[str, ...]) -> dict[str, str]:
    """Language -> the culture it is scored for, among `cultures`; English is left out."""
    owners: dict[str, list[str]] = {}
    for row in countries():
        if row.culture in cultures and row.language != "en":
            owners.setdefault(row.language, []).append(row.culture)
    return {language: owner[0] if len(owner) == 1 else OWN_CULTURE[language] for language, owner in owners.items()}
