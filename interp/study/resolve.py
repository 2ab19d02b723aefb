"""The names in a run's settings, looked up before anything heavy is imported."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from interp.data.items import CulturalSet, ParallelText, UniversalSet
from interp.data.registry import (
    CULTURAL,
    UNIVERSAL,
    load_cultural,
    load_parallel,
    load_universal,
    scored_languages,
)
from interp.errors import DataError
from interp.model.sources import find_model, resolve_device
from interp.model.template import check_template
from interp.study.config import RunConfig


@dataclass(frozen=True)
class Inputs:
    """The datasets, in their common languages, and the languages to be scored."""

    universal: UniversalSet
    cultural: CulturalSet
    parallel: ParallelText
    languages: tuple[str, ...]


def resolve(config: RunConfig) -> Inputs:
    """Datasets and languages of a run; its model, device and template are checked too.

    Raises a TranslocalError that names what is unknown or missing.
    """
    find_model(config.model, config.dtype)
    if config.device != "auto":
        resolve_device(config.device)
    check_template(config.template)
    where = Path(config.data_dir).expanduser() if config.data_dir else None
    asked = _to_load(config)
    universal = load_universal(config.universal, config.limit, languages=asked, data_dir=where)
    cultural = load_cultural(
        config.cultural, config.limit, languages=asked, data_dir=where, cultures=config.own_cultures
    )
    languages = scored_languages(universal, cultural, config.languages)
    _check_shots(config, universal)
    both = [code for code in universal.languages if code in cultural.languages]
    parallel = load_parallel(config.parallel, languages=("en", *languages), data_dir=where)
    return Inputs(
        replace(universal, languages=tuple(code for code in universal.languages if code in ("en", *both))),
        replace(cultural, languages=tuple(both)),
        parallel,
        languages,
    )


def _to_load(config: RunConfig) -> tuple[str, ...]:
    """English, the languages asked for and, for each, the next one: it lends a third language and a wrong culture."""
    if not config.languages:
        return ()
    published = [
        entry.languages
        for known, name in ((UNIVERSAL, config.universal), (CULTURAL, config.cultural))
        if (entry := known.get(name))
    ]
    if len(published) < 2:
        return ()
    both = [code for code in published[0] if code != "en" and code in published[1]]
    following = {code: both[(i + 1) % len(both)] for i, code in enumerate(both)}
    return tuple(dict.fromkeys(("en", *config.languages, *(following.get(c, c) for c in config.languages))))


def _check_shots(config: RunConfig, universal: UniversalSet) -> None:
    if config.shots > len(universal.examples):
        raise DataError(
            f"--shots {config.shots}: dataset {universal.name!r} has {len(universal.examples)} worked examples",
            allowed=f"0 to {len(universal.examples)}",
            remedy="lower --shots, or choose a dataset with dev rows (global_mmlu)",
        )
