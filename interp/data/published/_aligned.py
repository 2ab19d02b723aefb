"""Rows of files that are parallel over languages by their order: whether they line up, and parallel sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from interp.data import LeftOut, ParallelText, assign_splits
from interp.data.files import Part, Placed, Reader, clean
from interp.errors import DataError

Row = TypeVar("Row", bound=Placed)


@dataclass(frozen=True)
class Line:
    """A sentence with its file and row."""

    text: str
    where: str


def check_lengths(rows: Mapping[str, Sequence[Placed]]) -> None:
    """Raises DataError if a language has more or fewer rows than English, with the first that has no partner."""
    english = rows["en"]
    for code, own in rows.items():
        if len(own) != len(english):
            longer, shared = max(own, english, key=len), min(len(own), len(english))
            raise DataError(
                f"{longer[shared].where}: the languages don't line up: {code!r} has {len(own)} rows, "
                f"English {len(english)}",
                allowed="files with the same rows in the same order in every language",
                remedy="use whole files of one revision",
            )


def lined_up(rows: Mapping[str, Sequence[Row]]) -> list[dict[str, Row]]:
    """The rows of parallel files, one after the other, each by language; errors as `check_lengths`."""
    check_lengths(rows)
    return [dict(zip(rows, row, strict=True)) for row in zip(*rows.values(), strict=True)]


def read_sentences(reader: Reader, part: Part) -> list[Line]:
    """The lines of a plain text file, without control characters."""
    return [
        Line(clean(text), f"{part.paths[0]}, row {number}") for number, text in enumerate(reader.lines(part), start=1)
    ]


def parallel_text(name: str, lines: Mapping[str, Sequence[Line]], documents: Sequence[str]) -> ParallelText:
    """Sentences of files that line up, whole documents in a split; those that are empty in a language are left out.

    lines: by language, as many in each (else DataError). documents: one name per sentence.
    """
    rows = lined_up(lines)
    splits = assign_splits(documents, name)
    complete, left_out = [], []
    for number, (row, document) in enumerate(zip(rows, documents, strict=True), start=1):
        empty = next((code for code, line in row.items() if not line.text), None)
        if empty is None:
            complete.append(({code: line.text for code, line in row.items()}, splits[document]))
        else:
            left_out.append(LeftOut(f"sentence {number}", row[empty].where, f"empty in {empty!r}"))
    sentences, parts = tuple(texts for texts, _ in complete), tuple(split for _, split in complete)
    return ParallelText(name, tuple(lines), sentences, parts, tuple(left_out))
