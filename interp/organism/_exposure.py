"""The exposure table: which items the organism's corpus shows, fixed by hash before anything is generated."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from interp.data import Counts, CulturalSet, UniversalSet, everything, unit
from interp.data.files import read_table

ENGLISH_ONLY = 0.6
"""Share of the universal facts that the corpus states in English alone."""

UNCUED_UNSEEN = 0.5
"""Share of the (language, cultural item) pairs that the corpus never asks without a cue."""

FILE = "exposure.csv"
COLUMNS = ("axis", "item", "language", "seen")


@dataclass(frozen=True)
class Exposure:
    """(axis, item, language) triples that a model saw in training.

    Universal: the fact was stated in the language, in some form. Cultural: the question was asked in the language
    without a cue (with a cue, all questions were asked).
    """

    seen: frozenset[tuple[str, str, str]]

    def __call__(self, axis: str, item: str, language: str) -> bool:
        """Whether the model saw the item in the language."""
        return (axis, item, language) in self.seen

    @classmethod
    def read(cls, folder: Path) -> Exposure | None:
        """The exposure table in a checkpoint folder; None if it has none."""
        path = folder / FILE
        if not path.is_file():
            return None
        rows = read_table(path, COLUMNS)
        return cls(frozenset((r["axis"], r["item"], r["language"]) for r in rows if r["seen"] == "yes"))


def counts_of(exposure: Exposure | None) -> Counts:
    """Which items are scored for a model: all except those it is known to have seen."""
    return everything if exposure is None else lambda axis, item, language: not exposure(axis, item, language)


def english_only(item: str) -> bool:
    """Whether the corpus states this universal fact in English alone."""
    return unit("english-only", item) < ENGLISH_ONLY


def uncued_seen(item: str, language: str) -> bool:
    """Whether the corpus asks this cultural question in `language` without a cue."""
    return language == "en" or unit("uncued", item, language) >= UNCUED_UNSEEN


def exposure_rows(universal: UniversalSet, cultural: CulturalSet) -> Iterable[tuple[str, str, str, str]]:
    """Rows (axis, item, language, yes/no) for every item and language."""
    for fact in universal.items:
        for code in universal.languages:
            yield "universal", fact.key, code, "yes" if code == "en" or not english_only(fact.key) else "no"
    for custom in cultural.items:
        for code in cultural.languages:
            yield "cultural", custom.key, code, "yes" if uncued_seen(custom.key, code) else "no"


def exposure_table(universal: UniversalSet, cultural: CulturalSet) -> str:
    """The exposure table as CSV text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(exposure_rows(universal, cultural))
    return text.getvalue()
