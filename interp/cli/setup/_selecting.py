"""What the flags of `interp data` choose: axes of a dataset, languages, cultures, prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from interp.data import (
    CULTURAL,
    PARALLEL,
    SPLITS,
    UNIVERSAL,
    Cue,
    CulturalSet,
    Entry,
    LeftOut,
    ParallelText,
    Split,
    Task,
    UniversalSet,
    counted,
    cultural_tasks,
    everything,
    load_cultural,
    load_parallel,
    load_universal,
    own,
    universal_tasks,
)
from interp.errors import DataError, nearest
from interp.settings import check_choice

Axis = Literal["universal", "sensitive", "cultural", "parallel"]
AXES: tuple[Axis, ...] = get_args(Axis)
Dataset = UniversalSet | CulturalSet | ParallelText
REGISTRIES: dict[str, Mapping[str, Entry[Any]]] = {
    "universal": UNIVERSAL, "sensitive": UNIVERSAL, "cultural": CULTURAL, "parallel": PARALLEL,
}  # fmt: skip
"""Datasets by name, of every axis; sensitive items are part of universal datasets."""


@dataclass(frozen=True)
class SplitPrompt:
    """A prompt with its split and, on the cultural axis, the culture it is scored for."""

    task: Task
    split: Split
    culture: str = ""


def axes_of(name: str, asked: str | None) -> tuple[Axis, ...]:
    """The axes that a dataset or file has, or the one asked for; raises a TranslocalError for one that it lacks."""
    if asked is not None:
        check_choice("axis", asked, AXES)
    if own.is_file(name):
        axes: tuple[Axis, ...] = (own.axis_of(name),)
    else:
        axes = tuple(axis for axis in AXES if axis != "sensitive" and name in REGISTRIES[axis])
        if not axes:
            names = dict.fromkeys(name for entries in REGISTRIES.values() for name in entries)
            remedy = nearest(name, names, "pass one of these, or the path of a file")
            raise DataError(f"dataset {name!r} is unknown", allowed=", ".join(names), remedy=remedy)
    if asked is None:
        return axes
    if (asked if asked != "sensitive" else "universal") not in axes:
        raise DataError(f"dataset {name!r} has no axis {asked!r}", allowed=", ".join(axes))
    return tuple(axis for axis in AXES if axis == asked)


def load(
    name: str,
    axis: Axis,
    languages: Sequence[str],
    data_dir: Path | None = None,
    cultures: Mapping[str, str] | None = None,
) -> Dataset:
    """A dataset on one axis; raises DataError if it lacks one of `languages`. cultures: those of languages."""
    codes, folder = tuple(dict.fromkeys(languages)), data_dir.expanduser() if data_dir else None
    dataset: Dataset
    if axis == "parallel":
        dataset = load_parallel(name, languages=codes, data_dir=folder)
    elif axis == "cultural":
        dataset = load_cultural(name, languages=codes, data_dir=folder, cultures=cultures)
    else:
        dataset = load_universal(name, languages=codes, data_dir=folder)
    missing = [code for code in codes if code not in dataset.languages]
    if missing:
        entry = REGISTRIES[axis].get(name)
        raise DataError(
            f"dataset {name!r} has no language {missing[0]!r}",
            allowed=", ".join((entry.languages if entry else ()) or dataset.languages),
            remedy="choose one of these" + (", and add its files" if folder else ""),
        )
    return dataset


def first_language(dataset: Dataset) -> str:
    """The first language of a dataset, on the cultural axis the first with a culture of its own."""
    able = dataset.own_culture if isinstance(dataset, CulturalSet) and dataset.own_culture else dataset.languages
    return next(code for code in dataset.languages if code in able)


def culture_of(dataset: CulturalSet, code: str, asked: str | None) -> str:
    """The culture that prompts in a language are scored for; raises DataError if there is none to choose."""
    culture = asked or dataset.own_culture.get(code)
    if culture is None:
        raise DataError(
            f"language {code!r} has no culture of its own in dataset {dataset.name!r}",
            allowed=", ".join(dataset.cultures),
            remedy="pass --culture with one of these",
        )
    if culture not in dataset.cultures:
        raise DataError(
            f"dataset {dataset.name!r} has no culture {culture!r}", allowed=", ".join(dataset.cultures),
            remedy="pass --culture with one of these",
        )  # fmt: skip
    return culture


def prompts(
    dataset: UniversalSet | CulturalSet,
    code: str,
    *,
    axis: Axis,
    culture: str | None = None,
    cue: Cue = "none",
    splits: Sequence[Split] = SPLITS,
) -> list[SplitPrompt]:
    """Prompts of a dataset in one language, in the dataset's order within each split."""
    if isinstance(dataset, UniversalSet):
        sensitive = axis == "sensitive"
        return [
            SplitPrompt(task, split)
            for split in splits
            for task in universal_tasks(dataset, code, split, everything, sensitive=sensitive)
        ]
    scored = culture_of(dataset, code, culture)
    return [
        SplitPrompt(task, split, scored)
        for split in splits
        for task in cultural_tasks(dataset, code, scored, split, everything, cue)
    ]


def unused(dataset: Dataset, code: str, culture: str | None) -> list[LeftOut]:
    """What is left out at loading, and on the cultural axis what does not count for the language's culture."""
    left_out = list(dataset.left_out)
    if isinstance(dataset, CulturalSet) and (culture or code in dataset.own_culture):
        left_out += counted(dataset, code, culture_of(dataset, code, culture))[1]
    return left_out
