"""Datasets by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from interp.data import atlas
from interp.data.draws import unit
from interp.data.items import SPLITS, CulturalItem, CulturalSet, UniversalItem, UniversalSet
from interp.errors import DataError

UNIVERSAL: dict[str, Callable[[], UniversalSet]] = {"atlas": atlas.universal}
CULTURAL: dict[str, Callable[[], CulturalSet]] = {"atlas": atlas.cultural}

Item = TypeVar("Item", UniversalItem, CulturalItem)
Dataset = TypeVar("Dataset", UniversalSet, CulturalSet)


def load_universal(name: str, limit: int | None = None) -> UniversalSet:
    """A universal dataset, cut to about `limit` items; raises DataError for an unknown name."""
    dataset = _known(UNIVERSAL, name, "universal")()
    return replace(dataset, items=limited(dataset.items, limit))


def load_cultural(name: str, limit: int | None = None) -> CulturalSet:
    """A cultural dataset, cut to about `limit` items; raises DataError for an unknown name."""
    dataset = _known(CULTURAL, name, "cultural")()
    return replace(dataset, items=limited(dataset.items, limit))


def _known(registry: dict[str, Callable[[], Dataset]], name: str, axis: str) -> Callable[[], Dataset]:
    if name not in registry:
        raise DataError(
            f"{axis} dataset {name!r} is unknown",
            allowed=", ".join(registry),
            remedy=f"pass --{axis} with one of these",
        )
    return registry[name]


def limited(items: tuple[Item, ...], limit: int | None) -> tuple[Item, ...]:
    """At most `limit` items, each split keeping its share; which ones is drawn by hash."""
    if limit is None or limit >= len(items):
        return items
    kept: set[str] = set()
    for split in SPLITS:
        keys = sorted((item.key for item in items if item.split == split), key=lambda key: unit("limit", key))
        kept.update(keys[: max(1, round(limit * len(keys) / len(items)))])
    return tuple(item for item in items if item.key in kept)


def scored_languages(universal: UniversalSet, cultural: CulturalSet, asked: tuple[str, ...]) -> tuple[str, ...]:
    """The languages that a run scores: those asked for, or all that both datasets have and that own a culture.

    Raises DataError for a language that a dataset lacks or that has no culture of its own.
    """
    both = [code for code in universal.languages if code in cultural.languages]
    able = tuple(code for code in both if code in cultural.own_culture)
    if "en" not in both:
        raise DataError(
            "the datasets have no English", remedy="EN-steering needs English prompts; choose other datasets"
        )
    for code in asked:
        if code in able:
            continue
        if code in both:
            raise DataError(
                f"language {code!r} has no culture of its own in dataset {cultural.name!r}",
                allowed=", ".join(able),
                remedy="leave it out: it has no localization axis",
            )
        raise DataError(
            f"language {code!r} is unknown", allowed=", ".join(able), remedy="pass --languages with some of these"
        )
    if len(set(asked)) < len(asked):
        raise DataError(f"languages {','.join(asked)} name one twice", remedy="name each language once")
    return tuple(code for code in able if not asked or code in asked)
