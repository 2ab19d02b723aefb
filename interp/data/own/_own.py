"""The user's own data: one file per axis, one row per item and language (columns: docs/data.md)."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from interp.data import CulturalSet, UniversalSet
from interp.data.files import SUFFIXES, read_records
from interp.data.own import _cultural as cultural
from interp.data.own import _universal as universal
from interp.data.own._rows import Axis, read_rows
from interp.errors import DataError
from interp.files import not_a_file


def is_file(name: str) -> bool:
    """Whether a dataset's name is the path of a file: it holds a path separator or ends as a file of records does."""
    return "/" in name or "\\" in name or name.lower().removesuffix(".gz").endswith(SUFFIXES)


def load_universal(path: str, languages: tuple[str, ...] = ()) -> UniversalSet:
    """Universal items of a file; raises DataError, with file and row, for the first thing that is wrong."""
    file = _existing(path)
    return replace(universal.load(file, read_rows(file, "universal"), languages), revision=_revision(file))


def load_cultural(path: str, languages: tuple[str, ...] = ()) -> CulturalSet:
    """Cultural items of a file; raises DataError, with file and row, for the first thing that is wrong."""
    file = _existing(path)
    return replace(cultural.load(file, read_rows(file, "cultural"), languages), revision=_revision(file))


def axis_of(path: str) -> Axis:
    """The axis of a file: cultural where it has a column `culture`."""
    records = read_records(_existing(path))
    return "cultural" if any("culture" in record.values for record in records) else "universal"


def _existing(path: str) -> Path:
    file = Path(path).expanduser()
    if not file.is_file():
        raise DataError(
            f"{file} {not_a_file(file)}", allowed=f"a file of {', '.join(SUFFIXES)}", remedy="check the path"
        )
    return file


def _revision(file: Path) -> str:
    return f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
