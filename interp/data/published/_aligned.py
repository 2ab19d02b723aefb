"""Rows of files that are parallel over languages: what becomes of them, and whether they line up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from interp.data import LeftOut, ParallelText, UniversalItem, assign_splits
from interp.data.files import Part, Reader, clean
from interp.errors import DataError


class Placed(Protocol):
    """A row that knows its file and number."""

    @property
    def where(self) -> str:
        """File and row."""


@dataclass(frozen=True)
class Line:
    """A sentence with its file and row."""

    text: str
    where: str


@dataclass
class Sorted:
    """What a source holds, sorted into items and what is left out."""

    items: list[UniversalItem] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def add(self, found: UniversalItem | LeftOut) -> None:
        """Put an item, or the reason why it is none, where it belongs."""
        if isinstance(found, LeftOut):
            self.left_out.append(found)
        else:
            self.items.append(found)


def several(keys: Sequence[str], where: str, reason: str) -> LeftOut:
    """One record for items that are left out for one reason; `item` and `where` are of the first."""
    return LeftOut(keys[0], where, reason, len(keys))


def check_lengths(rows: Mapping[str, Sequence[Placed]]) -> None:
    """Raises DataError where a language has more or fewer rows than English, with the first that has no partner."""
    english = rows["en"]
    for code, known in rows.items():
        if len(known) != len(english):
            longer, shared = max(known, english, key=len), min(len(known), len(english))
            raise DataError(
                f"{longer[shared].where}: the languages don't line up: {code!r} has {len(known)} rows, "
                f"English {len(english)}",
                allowed="the same rows in the same order in every language",
                remedy="use whole files of one revision",
            )


def read_sentences(reader: Reader, part: Part) -> list[Line]:
    """The lines of a plain text file, without control characters."""
    return [
        Line(clean(text), f"{part.paths[0]}, row {number}") for number, text in enumerate(reader.lines(part), start=1)
    ]


def parallel_text(name: str, lines: Mapping[str, Sequence[Line]], documents: Sequence[str]) -> ParallelText:
    """Sentences of files that line up, whole documents in a split; those that are empty in a language are left out.

    lines: by language, as many in each (else DataError). documents: one name per sentence.
    """
    check_lengths(lines)
    splits = assign_splits(documents, name)
    kept, left_out = [], []
    for number, document in enumerate(documents):
        rows = {code: known[number] for code, known in lines.items()}
        empty = next((code for code, row in rows.items() if not row.text), None)
        if empty is None:
            kept.append(({code: row.text for code, row in rows.items()}, splits[document]))
        else:
            left_out.append(LeftOut(f"sentence {number + 1}", rows[empty].where, f"empty in {empty!r}"))
    sentences, parts = tuple(texts for texts, _ in kept), tuple(split for _, split in kept)
    return ParallelText(name, tuple(lines), sentences, parts, tuple(left_out))
