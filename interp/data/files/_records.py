"""Records of a published file, each with the place where it stands: CSV, TSV, JSON, JSON lines, Parquet."""

from __future__ import annotations

import ast
import csv
import gzip
import io
import json
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from interp.errors import DataError, reason_of

SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".parquet")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Record:
    """The values of a row by column, and its place (file and row) for messages."""

    values: Mapping[str, Any]
    where: str

    def text(self, column: str) -> str:
        """A cell's text, stripped of control characters and outer space. Raises DataError if it is missing or empty."""
        return filled(self.maybe(column), column, self.where)

    def maybe(self, column: str) -> str:
        """A cell's text, or "" if it is empty. Raises DataError if the column is missing."""
        value = self.value(column)
        missing = value is None or value != value  # NaN: how tables of numbers write an empty cell
        return "" if missing else clean(str(value))

    def value(self, column: str) -> Any:
        """A cell's unchanged value. Raises DataError if the column is missing."""
        if column not in self.values:
            raise DataError(
                f"{self.where}: column {column!r} is missing",
                allowed=f"the file's columns are {', '.join(map(str, self.values))}",
                remedy="use the file as published, or correct the header",
            )
        return self.values[column]

    def listed(self, column: str) -> list[str]:
        """A cell that holds a list, also one written as text (JSON or Python); DataError if it doesn't parse."""
        value = self.value(column)
        parts = _parsed(value) if isinstance(value, str) else value
        if not isinstance(parts, (list, tuple)):
            raise DataError(
                f"{self.where}: {column!r} is not a list: {str(value)[:60]!r}",
                allowed='a JSON list such as ["a", "b"], or a Python list of strings',
                remedy="correct the cell",
            )
        return [clean(str(part)) for part in parts]

    def letter(self, column: str, letters: str = "ABCD") -> int:
        """The index of an answer letter; DataError for one that is not among the options."""
        letter = self.text(column).upper()
        if letter not in list(letters):
            raise DataError(
                f"{self.where}: {column!r} is {letter!r}", allowed=", ".join(letters), remedy="correct the answer"
            )
        return letters.index(letter)


def _parsed(text: str) -> Any:
    for parse in (json.loads, ast.literal_eval):
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            return parse(text)
    return None


def filled(text: str, column: str, where: str) -> str:
    """The text of a cell that must not be empty; DataError if it is."""
    if not text:
        raise DataError(f"{where}: {column!r} is empty", allowed="text", remedy="fill the cell or remove the row")
    return text


def clean(text: str) -> str:
    """Text without control characters (a line end stays) and without space at its ends."""
    return _CONTROLS.sub("", text).strip()


def read_records(path: Path, *, quoted: bool = True) -> list[Record]:
    """Read all records of a file. Raises DataError, which names file and row, for a record that can't be read.

    A JSON file may hold a list of records, an object of records by ID (the ID becomes the column `ID`), or one record
    per line. CSV and TSV have a header and are quoted alike: a cell in double quotes may hold delimiters, line ends and
    doubled quotes, as spreadsheets and pandas write it. quoted=False is for published tables in which a quote is a
    letter like any other. Lines end with a line feed (or CR LF) and nothing else.
    """
    kind = path.name.removesuffix(".gz").rpartition(".")[2].lower()
    if f".{kind}" not in SUFFIXES:
        raise DataError(f"{path}: this file type can't be read", allowed=", ".join(SUFFIXES), remedy="convert the file")
    if kind == "parquet":
        return list(_parquet(path))
    text = read_text(path)
    if kind in ("csv", "tsv"):
        return list(_table(path, text, "\t" if kind == "tsv" else ",", quoted))
    return list(_lines(path, text) if kind == "jsonl" else _json(path, text))


def read_text(path: Path) -> str:
    """A file's text (UTF-8, with or without byte order mark); DataError names the line of a byte that is not UTF-8."""
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError) as error:
        raise DataError(f"{path} can't be read: {reason_of(error)}", remedy="check the path and the file") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}, row {line}: byte 0x{data[error.start]:02x} is not UTF-8",
            allowed="UTF-8",
            remedy="convert the file",
        ) from error


def read_lines(path: Path) -> list[str]:
    """A file's lines, split at line feeds alone."""
    lines = [line.removesuffix("\r") for line in read_text(path).split("\n")]
    return lines[:-1] if lines and not lines[-1] else lines


def _table(path: Path, text: str, delimiter: str, quoted: bool) -> Iterator[Record]:
    lines = io.StringIO(text, newline="")
    reader = (
        csv.reader(lines, delimiter=delimiter, strict=True)
        if quoted
        else csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    )
    header: list[str] | None = None
    number = 0
    try:
        for number, cells in enumerate(reader, start=1):
            if header is None:
                header = cells
                repeated = [name for name in header if header.count(name) > 1]
                if repeated:
                    raise DataError(
                        f"{path}: column {repeated[0]!r} appears twice",
                        allowed="different names",
                        remedy="rename one of the columns",
                    )
            elif cells and len(cells) != len(header):
                raise DataError(
                    f"{path}, row {number}: {len(cells)} cells",
                    allowed=f"{len(header)}, as in the header",
                    remedy="quote cells that contain the delimiter",
                )
            elif cells:
                yield Record(dict(zip(header, cells, strict=True)), f"{path}, row {number}")
    except csv.Error as error:
        raise DataError(
            f"{path}, row {number + 1}: {error}",
            allowed="cells in double quotes as spreadsheets write them",
            remedy="close or double the quotes",
        ) from error
    if header is None:
        raise DataError(f"{path} is empty", allowed="a header and rows", remedy="check the file")


def _lines(path: Path, text: str) -> Iterator[Record]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _record(path, _parse(path, line, number), f"row {number}")


def _json(path: Path, text: str) -> Iterator[Record]:
    """One record per line where the first line is one; else one JSON value."""
    head, _, rest = text.strip().partition("\n")
    by_line = False
    with suppress(ValueError):
        by_line = bool(rest) and isinstance(json.loads(head), dict)
    if by_line:
        yield from _lines(path, text)
        return
    value = _parse(path, text, None)
    if isinstance(value, list):
        for number, row in enumerate(value, start=1):
            yield _record(path, row, f"record {number}")
    elif isinstance(value, dict) and value and all(isinstance(row, dict) for row in value.values()):
        for key, row in value.items():
            yield Record({"ID": key, **row}, f"{path}, {key!r}")
    else:
        yield _record(path, value, "record 1")


def _parse(path: Path, text: str, number: int | None) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except ValueError as error:
        line = number if number is not None else getattr(error, "lineno", 1)
        raise DataError(f"{path}, row {line}: not valid JSON: {error}", remedy="correct the file") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key {next(name for name in names if names.count(name) > 1)!r} appears twice")
    return values


def _record(path: Path, value: Any, where: str) -> Record:
    if not isinstance(value, dict):
        raise DataError(
            f"{path}, {where}: {str(value)[:60]!r} is not a record",
            allowed="an object with a value for each column",
            remedy="correct the file",
        )
    return Record(value, f"{path}, {where}")


def _parquet(path: Path) -> Iterator[Record]:
    import pyarrow.parquet  # half a second, for this format alone

    try:
        rows = pyarrow.parquet.read_table(path).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path} can't be read as Parquet: {reason_of(error)}", remedy="check the file") from error
    for number, row in enumerate(rows, start=1):
        yield Record(row, f"{path}, row {number}")


class Placed(Protocol):
    """A row that knows its file and number."""

    @property
    def where(self) -> str:
        """File and row."""


Key = TypeVar("Key", bound=Hashable)
Row = TypeVar("Row", bound=Placed)


def add_once(rows: dict[Key, Row], key: Key, row: Row, name: str, remedy: str = "remove one of the two rows") -> None:
    """Add a row under its key. Raises DataError, with both places, for a repeated key. name: for the message."""
    if key in rows:
        first = rows[key].where
        raise DataError(f"{row.where}: {name} appears twice", allowed=f"once; first at {first}", remedy=remedy)
    rows[key] = row


def by_key(records: Sequence[Record], column: str) -> dict[str, Record]:
    """Records by a column that must be unique. Raises DataError, which names both rows, for a repeated value."""
    unique: dict[str, Record] = {}
    for record in records:
        key = record.text(column)
        add_once(unique, key, record, f"{column} {key!r}")
    return unique


def read_table(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> list[dict[str, str]]:
    """Rows of a CSV file as dicts. `columns` must exist, and must be filled unless `optional`.

    Raises DataError, which names the file and the row.
    """
    records = read_records(path)
    for record in records:
        for column in columns:
            check = record.maybe if column in optional else record.text
            check(column)
    return [dict(record.values) for record in records]
