"""The names in a run's settings, looked up before anything heavy is imported."""

from __future__ import annotations

from dataclasses import dataclass

from interp.data.items import CulturalSet, UniversalSet
from interp.data.registry import load_cultural, load_universal, scored_languages
from interp.model.loading import find_model, resolve_device
from interp.study.config import RunConfig


@dataclass(frozen=True)
class Inputs:
    """The datasets and the languages to be scored."""

    universal: UniversalSet
    cultural: CulturalSet
    languages: tuple[str, ...]


def resolve(config: RunConfig) -> Inputs:
    """Datasets and languages of a run; its model and device are checked too.

    Raises a TranslocalError that names what is unknown or missing.
    """
    inputs = resolve_data(config)
    find_model(config.model, config.dtype)
    if config.device != "auto":
        resolve_device(config.device)
    return inputs


def resolve_data(config: RunConfig) -> Inputs:
    """Datasets and languages of a run; raises a TranslocalError that names what is unknown or missing."""
    universal = load_universal(config.universal, config.limit)
    cultural = load_cultural(config.cultural, config.limit)
    languages = scored_languages(universal, cultural, config.languages)
    return Inputs(universal, cultural, languages)
