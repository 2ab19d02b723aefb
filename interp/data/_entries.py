"""What is known of a dataset before it is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from interp.data._items import CulturalSet, ParallelText, UniversalSet
from interp.data._languages import languages
from interp.data.files import Origin, Reader

Dataset = TypeVar("Dataset", UniversalSet, CulturalSet, ParallelText)

Load = Callable[[Reader, tuple[str, ...]], Dataset]
"""(reader, languages) -> the dataset in those of the languages that the reader has; in all for an empty tuple."""


@dataclass(frozen=True)
class Entry(Generic[Dataset]):
    """A dataset's name, axis, licence and origin, its languages and size as published, and its loader.

    `languages` are in the order that the loaded dataset has them in. Embedded datasets have no origin, and their loader
    asks its reader for nothing.
    """

    name: str
    axis: Literal["universal", "cultural", "parallel"]
    title: str
    citation: str
    licence: str
    languages: tuple[str, ...]
    size: str
    load: Load[Dataset]
    origin: Origin | None = None
    cultures: tuple[str, ...] = ()


def wanted(published: Sequence[str], asked: Sequence[str], has: Callable[[str], bool]) -> tuple[str, ...]:
    """The published languages that are asked for (all, if none is) and that `has` names, in their published order."""
    return tuple(code for code in published if (not asked or code in asked) and has(code))


def parallel_languages(published: Sequence[str], asked: Sequence[str], has: Callable[[str], bool]) -> tuple[str, ...]:
    """As `wanted`, with English whether asked for or not: it is what the other languages are held against.

    Where no language is asked for, only those that prompts can be written in: each further one may cost items.
    """
    wished = (*asked, "en") if asked else tuple(languages())
    return tuple(code for code in published if code == "en" or (code in wished and has(code)))
