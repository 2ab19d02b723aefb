"""Rows of a user's file: columns, cells and languages checked, each mistake told with file and row."""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from interp.data import SHARES, Split, assign_splits, normalise_code
from interp.data.files import Record, filled, read_records
from interp.errors import DataError

Axis = Literal["universal", "cultural"]

COLUMNS: Mapping[Axis, tuple[str, ...]] = {
    "universal": ("item", "language", "question", "options", "answer"),
    "cultural": ("item", "language", "topic", "question", "culture", "answer"),
}
OPTIONAL: Mapping[Axis, tuple[str, ...]] = {
    "universal": ("relation", "cluster", "sensitive"),
    "cultural": ("options", "cue", "own_culture"),
}
SEPARATOR = "|"
_NO_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")


@dataclass(frozen=True)
class Row:
    """A row with its item and its language's code; `text`, `texts` and `maybe` read the other cells."""

    record: Record
    item: str
    language: str

    @property
    def where(self) -> str:
        """File and row."""
        return self.record.where

    def text(self, column: str) -> str:
        """A cell that must be filled."""
        return filled(self.maybe(column), column, self.where)

    def maybe(self, column: str) -> str:
        """A cell's text in NFC without outer space; "" where it is empty or the column is missing."""
        return _checked(self.record.values.get(column), column, self.where)

    def filled(self, column: str) -> bool:
        """Whether a cell is there and not empty."""
        value = self.record.values.get(column)
        return bool(value) if isinstance(value, (list, tuple)) else bool(self.maybe(column))

    def texts(self, column: str) -> tuple[str, ...]:
        """A cell with one text or several: a list, a JSON list, or texts between "|". None is empty or there twice."""
        value = self.record.values.get(column)
        parts = value if isinstance(value, (list, tuple)) else self._parts(column, value)
        texts = tuple(_checked(part, column, self.where) for part in parts)
        if not texts or not all(texts):
            raise DataError(
                f"{self.where}: {column!r} has an empty entry", allowed="text in each", remedy="fill or remove it"
            )
        repeated = [text for text in texts if texts.count(text) > 1]
        if repeated:
            raise DataError(
                f"{self.where}: {column!r} lists {repeated[0]!r} twice", allowed="different texts", remedy="correct one"
            )
        return texts

    def _parts(self, column: str, value: Any) -> list[Any]:
        text = _checked(value, column, self.where)
        if not text.startswith("["):
            return text.split(SEPARATOR)
        try:
            parts: list[Any] = json.loads(text)
        except ValueError as error:
            raise DataError(
                f"{self.where}: {column!r} is not a JSON list: {text[:60]!r}",
                allowed=f'["a", "b"], or a{SEPARATOR}b',
                remedy="correct the quotes",
            ) from error
        return parts


def _checked(value: Any, column: str, where: str) -> str:
    if value is None or value != value:  # NaN is how tables of numbers write an empty cell
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, (dict, list, tuple, bytes)):
        raise DataError(f"{where}: {column!r} holds {type(value).__name__}, not text", remedy="write text")
    text = unicodedata.normalize("NFC", str(value).replace("\r\n", "\n"))
    bad = _NO_TEXT.search(text)
    if bad:
        lost = bad[0] == "\N{REPLACEMENT CHARACTER}"
        raise DataError(
            f"{where}: {column!r} holds U+{ord(bad[0]):04X}, "
            + ("which marks a letter lost in a change of encoding" if lost else "a control character"),
            allowed="text, line ends and tabs",
            remedy="convert the source to UTF-8 again" if lost else "remove it",
        )
    return text.strip()


def read_rows(path: Path, axis: Axis) -> list[Row]:
    """The rows of a file; raises DataError for columns, items or languages that can't be used."""
    records = read_records(path)
    if not records:
        raise DataError(f"{path} has no rows", allowed="a header and rows", remedy="check the file")
    rows = []
    for record in records:
        _check_columns(record, axis)
        language = _checked(record.values["language"], "language", record.where)
        try:
            code = normalise_code(language)
        except DataError as error:
            raise DataError(f"{record.where}: {error}") from error
        item = filled(_checked(record.values["item"], "item", record.where), "item", record.where)
        rows.append(Row(record, item, code))
    return rows


def languages_of(rows: Sequence[Row], asked: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The languages of a file, and those of them that are loaded: all, or those asked for and English."""
    every = tuple(dict.fromkeys(row.language for row in rows))
    return every, tuple(code for code in every if not asked or code in (*asked, "en"))


def _check_columns(record: Record, axis: Axis) -> None:
    for column in COLUMNS[axis]:
        if column not in record.values:
            raise DataError(
                f"{record.where}: column {column!r} is missing",
                allowed=f"{', '.join(COLUMNS[axis])}; optional: {', '.join(OPTIONAL[axis])}",
                remedy="add it to the file's columns",
            )
    known = (*COLUMNS[axis], *OPTIONAL[axis])
    for name in record.values:
        close = difflib.get_close_matches(str(name).lower(), known, n=1, cutoff=0.8)
        if name not in known and close and close[0] not in record.values:
            raise DataError(
                f"{record.where}: column {name!r} is unknown", allowed=", ".join(known),
                remedy=f"did you mean {close[0]!r}?",
            )  # fmt: skip


def same(rows: Iterable[Row], column: str, of: str, *, required: bool = False) -> str:
    """The cell that rows of one `of` share, "" where none is filled; raises DataError if two differ.

    required: that one is empty is an error too.
    """
    filled_rows = [row for row in rows if (row.text(column) if required else row.maybe(column))]
    if not filled_rows:
        return ""
    first = filled_rows[0]
    for row in filled_rows:
        if row.maybe(column) != first.maybe(column):
            raise DataError(
                f"{row.where}: {column!r} is {row.maybe(column)!r}",
                allowed=f"{first.maybe(column)!r}, as at {first.where}: one for each {of}",
                remedy="correct one",
            )
    return first.maybe(column)


def splits_of(path: Path, groups: Mapping[str, str], column: str) -> dict[str, Split]:
    """The split of each group; `groups` has one per item. Raises DataError if a split would be empty."""
    splits = assign_splits(groups.values(), f"own-{column}")
    empty = [split for split in SHARES if split not in splits.values()]
    if empty:
        raise DataError(
            f"{path}: with {len(splits)} different values of {column!r} the splits {', '.join(empty)} are empty",
            allowed="enough for fit, dev and test: 3 or more values, with about as many items each",
            remedy=f"add items, or give them more different values of {column!r}",
        )
    return splits
