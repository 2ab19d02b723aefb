"""Datasets by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from interp.data import atlas, own, published
from interp.data._draws import unit
from interp.data._entries import Dataset, Entry
from interp.data._items import SPLITS, CulturalItem, CulturalSet, ParallelText, UniversalItem, UniversalSet
from interp.data.files import Reader, check_data_dir, open_reader
from interp.errors import DataError, nearest

UNIVERSAL: dict[str, Entry[UniversalSet]] = {}
CULTURAL: dict[str, Entry[CulturalSet]] = {}
PARALLEL: dict[str, Entry[ParallelText]] = {}

Item = TypeVar("Item", UniversalItem, CulturalItem)


def _register(registry: dict[str, Entry[Dataset]], *entries: Entry[Dataset]) -> None:
    for entry in entries:
        if entry.name in registry:
            raise ValueError(f"dataset {entry.name!r} is registered twice")
        registry[entry.name] = entry


_register(UNIVERSAL, atlas.UNIVERSAL, *published.UNIVERSAL)
_register(CULTURAL, atlas.CULTURAL, *published.CULTURAL)
_register(PARALLEL, atlas.PARALLEL, *published.PARALLEL)


def load_universal(
    name: str, limit: int | None = None, *, languages: tuple[str, ...] = (), data_dir: Path | None = None
) -> UniversalSet:
    """Load a universal dataset in those of `languages` that it has (by default all), cut to about `limit` items.

    name: a registered name, or the path of your own file. data_dir: a folder with the published files. Raises DataError
    for an unknown name or files that can't be read.
    """
    if own.is_file(name):
        dataset = own.load_universal(name, languages)
    else:
        dataset = _read(entry_of(UNIVERSAL, name, "universal"), languages, data_dir)
    return replace(dataset, items=limited(dataset.items, limit))


def load_cultural(
    name: str,
    limit: int | None = None,
    *,
    languages: tuple[str, ...] = (),
    data_dir: Path | None = None,
    cultures: Mapping[str, str] | None = None,
) -> CulturalSet:
    """Load a cultural dataset; see `load_universal`. `cultures` picks the own culture where a language has several."""
    if own.is_file(name):
        dataset = own.load_cultural(name, languages)
    else:
        dataset = _read(entry_of(CULTURAL, name, "cultural"), languages, data_dir)
    for code, culture in (cultures or {}).items():
        if culture not in dataset.cultures or code not in dataset.languages:
            raise DataError(
                f"--cultures {code}={culture}: dataset {name!r} does not have both",
                allowed=f"languages {', '.join(dataset.languages)}; cultures {', '.join(dataset.cultures)}",
                remedy="name one of these",
            )
    own_culture = {**dataset.own_culture, **(cultures or {})}
    return replace(dataset, items=limited(dataset.items, limit), own_culture=own_culture)


def load_parallel(name: str, *, languages: tuple[str, ...] = (), data_dir: Path | None = None) -> ParallelText:
    """Load parallel sentences; see `load_universal`."""
    return _read(entry_of(PARALLEL, name, "parallel"), languages, data_dir)


def entry_of(entries: Mapping[str, Entry[Dataset]], name: str, axis: str) -> Entry[Dataset]:
    """The entry of a name; raises DataError for an unknown one."""
    if name not in entries:
        raise DataError(
            f"{axis} dataset {name!r} is unknown",
            allowed=", ".join(entries),
            remedy=nearest(name, entries, f"pass --{axis} with one of these"),
        )
    return entries[name]


def _read(entry: Entry[Dataset], languages: tuple[str, ...], data_dir: Path | None) -> Dataset:
    if entry.origin is None:
        check_data_dir(data_dir)
        return entry.load(Reader(), languages)
    reader = open_reader(entry.name, entry.origin, data_dir)
    return replace(entry.load(reader, languages), revision=reader.revision)


def limited(items: tuple[Item, ...], limit: int | None) -> tuple[Item, ...]:
    """At most `limit` items. Each split keeps its share, and the items are drawn by hash."""
    if limit is None or limit >= len(items):
        return items
    drawn: set[str] = set()
    for split in SPLITS:
        keys = sorted((item.key for item in items if item.split == split), key=lambda key: unit("limit", key))
        drawn.update(keys[: max(1, round(limit * len(keys) / len(items)))])
    return tuple(item for item in items if item.key in drawn)


def scored_languages(universal: UniversalSet, cultural: CulturalSet, asked: tuple[str, ...]) -> tuple[str, ...]:
    """The languages that a run scores: the requested ones, or all that both datasets have and that have an own culture.

    Raises DataError for a language that a dataset lacks or that has no culture of its own.
    """
    both = [code for code in universal.languages if code in cultural.languages]
    able = tuple(code for code in both if code in cultural.own_culture)
    if "en" not in universal.languages:
        raise DataError(
            f"dataset {universal.name!r} has no English questions",
            remedy="EN-steering needs English prompts: add the English files, or choose another dataset",
        )
    if not universal.items:
        reason = universal.left_out[0].reason if universal.left_out else "its files are empty"
        raise DataError(
            f"dataset {universal.name!r} has no item that can be scored: {reason}",
            allowed="files from which at least one item can be made",
            remedy="add the missing files, or choose another dataset; docs/data.md lists the files that "
            f"{universal.name} reads",
        )
    if not able:
        raise DataError(
            f"datasets {universal.name!r} ({', '.join(universal.languages)}) and {cultural.name!r} "
            f"({', '.join(cultural.languages)}) share no language with a culture of its own",
            allowed="at least one shared language other than English",
            remedy="choose other datasets, add the missing languages' files, or name cultures with --cultures (es=MX)",
        )
    for code in asked:
        if code not in both:
            raise DataError(
                f"language {code!r} is unknown", allowed=", ".join(able), remedy="pass --languages with some of these"
            )
        if code not in able:
            choice = f"; or choose one of its cultures with --cultures {code}=CULTURE" if code != "en" else ""
            raise DataError(
                f"language {code!r} has no culture of its own in dataset {cultural.name!r}",
                allowed=", ".join(able),
                remedy=f"leave it out: localization can't be scored for it{choice}",
            )
        if asked.count(code) > 1:
            raise DataError(f"--languages lists {code!r} twice", remedy="name each language once")
    return tuple(code for code in able if not asked or code in asked)
