"""The user's own data: one file per axis, one row per item and language (docs/data.md has the columns)."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Literal

from interp.data import CulturalSet, UniversalSet
from interp.data.files import SUFFIXES, read_records
from interp.data.own import _cultural as cultural
from interp.data.own import _universal as universal
from interp.data.own._rows import Row, read_rows
from interp.errors import DataError
from interp.files import not_a_file


def is_file(name: str) -> bool:
    """Whether a dataset's name is the path of a file: it holds a path separator or ends as a file of records does."""
    return "/" in name or "\\" in name or name.lower().removesuffix(".gz").endswith(SUFFIXES)


def load_universal(path: str, languages: tuple[str, ...] = ()) -> UniversalSet:
    """Universal items of a file; raises DataError, with file and row, for the first thing that is wrong."""
    found = _found(path)
    dataset = universal.load(found, read_rows(found, "universal"), languages)
    return replace(dataset, name=found.name, revision=_revision(found))


def load_cultural(path: str, languages: tuple[str, ...] = ()) -> CulturalSet:
    """Cultural items of a file; raises DataError, with file and row, for the first thing that is wrong."""
    found = _found(path)
    dataset = cultural.load(found, read_rows(found, "cultural"), languages)
    return replace(dataset, name=found.name, revision=_revision(found))


def axis_of(path: str) -> Literal["universal", "cultural"]:
    """The axis of a file: cultural where it has a column `culture`."""
    records = read_records(_found(path))
    return "cultural" if any("culture" in record.values for record in records) else "universal"


def _found(path: str) -> Path:
    found = Path(path).expanduser()
    if not found.is_file():
        raise DataError(
            f"{found} {not_a_file(found)}",
            allowed=f"a file of {', '.join(SUFFIXES)}",
            remedy="check the path",
        )
    return found


def _revision(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


__all__ = ["Row", "axis_of", "is_file", "load_cultural", "load_universal"]
