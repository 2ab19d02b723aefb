"""What the flags of `interp data` choose: axes of a dataset, languages, cultures, prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

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
from interp.errors import ConfigError, DataError, nearest

Axis = Literal["universal", "sensitive", "cultural", "parallel"]
AXES: tuple[Axis, ...] = ("universal", "sensitive", "cultural", "parallel")
CUES: tuple[Cue, ...] = ("none", "explicit", "placebo")


@dataclass(frozen=True)
class Chosen:
    """A prompt with its split and, on the cultural axis, the culture it is scored for."""

    task: Task
    split: Split
    culture: str = ""


def axes_of(name: str, asked: str | None) -> tuple[Axis, ...]:
    """The axes that a dataset or file has, or the one asked for; raises a TranslocalError for one that it lacks."""
    if asked is not None and asked not in AXES:
        raise ConfigError(f"axis {asked!r} is unknown", allowed=", ".join(AXES))
    if own.is_file(name):
        there: tuple[Axis, ...] = (own.axis_of(name),)
    else:
        known: dict[str, Mapping[str, Entry[Any]]] = {
            "universal": UNIVERSAL,
            "cultural": CULTURAL,
            "parallel": PARALLEL,
        }
        there = tuple(axis for axis in AXES if name in known.get(axis, {}))
        if not there:
            names = dict.fromkeys(name for entries in known.values() for name in entries)
            remedy = nearest(name, names, "pass one of these, or the path of a file")
            raise DataError(f"dataset {name!r} is unknown", allowed=", ".join(names), remedy=remedy)
    if asked is None:
        return there
    if (asked if asked != "sensitive" else "universal") not in there:
        raise DataError(f"dataset {name!r} has no axis {asked!r}", allowed=", ".join(there))
    return tuple(axis for axis in AXES if axis == asked)


def codes(*flags: str | None) -> tuple[str, ...]:
    """Language codes of flags such as es,zh."""
    parts = [part.strip() for text in flags if text for part in text.split(",")]
    return tuple(dict.fromkeys(part for part in parts if part))


def cultures(text: str | None) -> dict[str, str]:
    """Cultures by language of a flag such as es=MX,ar=DZ."""
    from interp.study.config import parse_cultures

    return parse_cultures(text.split(",") if text else ())


def load(
    name: str, axis: Axis, languages: Sequence[str], data_dir: str | None, own_cultures: dict[str, str] | None = None
) -> UniversalSet | CulturalSet | ParallelText:
    """A dataset on one axis; raises DataError where it lacks one of `languages`."""
    asked, folder = tuple(languages), Path(data_dir).expanduser() if data_dir else None
    dataset: UniversalSet | CulturalSet | ParallelText
    if axis == "parallel":
        dataset = load_parallel(name, languages=asked, data_dir=folder)
    elif axis == "cultural":
        dataset = load_cultural(name, languages=asked, data_dir=folder, cultures=own_cultures)
    else:
        dataset = load_universal(name, languages=asked, data_dir=folder)
    missing = [code for code in asked if code not in dataset.languages]
    if missing:
        raise DataError(
            f"dataset {name!r} has no language {missing[0]!r}",
            allowed=", ".join(_published(name, axis) or dataset.languages),
            remedy="choose one of these" + (", and add its files" if folder else ""),
        )
    return dataset


def _published(name: str, axis: Axis) -> tuple[str, ...]:
    if axis == "cultural" and name in CULTURAL:
        return CULTURAL[name].languages
    if axis == "parallel" and name in PARALLEL:
        return PARALLEL[name].languages
    return UNIVERSAL[name].languages if name in UNIVERSAL else ()


def first_language(dataset: UniversalSet | CulturalSet | ParallelText) -> str:
    """The first language of a dataset, on the cultural axis the first with a culture of its own."""
    able = dataset.own_culture if isinstance(dataset, CulturalSet) and dataset.own_culture else dataset.languages
    return next(code for code in dataset.languages if code in able)


def culture_of(dataset: CulturalSet, code: str, asked: str | None) -> str:
    """The culture that prompts in a language are scored for; raises DataError where there is none to choose."""
    found = asked or dataset.own_culture.get(code)
    if found is None:
        raise DataError(
            f"language {code!r} has no culture of its own in dataset {dataset.name!r}",
            allowed=", ".join(dataset.cultures),
            remedy="pass --culture with one of these",
        )
    if found not in dataset.cultures:
        raise DataError(
            f"dataset {dataset.name!r} has no culture {found!r}", allowed=", ".join(dataset.cultures),
            remedy="pass --culture with one of these",
        )  # fmt: skip
    return found


def chosen(
    dataset: UniversalSet | CulturalSet, axis: Axis, code: str, culture: str | None, cue: Cue, split: str | None = None
) -> list[Chosen]:
    """Prompts of a dataset in one language, in the dataset's order within each split."""
    splits = tuple(s for s in SPLITS if split in (None, s))
    if isinstance(dataset, UniversalSet):
        sensitive = axis == "sensitive"
        return [
            Chosen(t, s) for s in splits for t in universal_tasks(dataset, code, s, everything, sensitive=sensitive)
        ]
    scored = culture_of(dataset, code, culture)
    return [Chosen(t, s, scored) for s in splits for t in cultural_tasks(dataset, code, scored, s, everything, cue)]


def unused(dataset: UniversalSet | CulturalSet | ParallelText, code: str, culture: str | None) -> list[LeftOut]:
    """What is left out at loading, and on the cultural axis what does not count for the language's culture."""
    found = list(dataset.left_out)
    if isinstance(dataset, CulturalSet) and (culture or code in dataset.own_culture):
        found += counted(dataset, code, culture_of(dataset, code, culture))[1]
    return found
