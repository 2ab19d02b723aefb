"""The names in a run's settings, looked up before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from interp.alignment import check_installed, load_training
from interp.data import (
    CULTURAL,
    SPLITS,
    UNIVERSAL,
    Counts,
    CulturalItem,
    CulturalSet,
    ParallelText,
    Split,
    UniversalItem,
    UniversalSet,
    check_letters,
    everything,
    limited,
    load_cultural,
    load_parallel,
    load_universal,
    scored_languages,
)
from interp.errors import DataError
from interp.model.load import find_model, resolve_device
from interp.model.read import check_template
from interp.organism import Exposure, counts_of
from interp.study.ask._checks import check_enough
from interp.study.config import LEAST_LIMIT, RunConfig

if TYPE_CHECKING:
    from interp.alignment import TrainingData
    from interp.model import LoadedModel


@dataclass(frozen=True)
class Inputs:
    """The datasets in their common languages, the languages to score, and the training data, if any.

    unlimited: the items of both datasets before `limit` cut them.
    """

    universal: UniversalSet
    cultural: CulturalSet
    parallel: ParallelText
    languages: tuple[str, ...]
    training: TrainingData | None = None
    unlimited: tuple[tuple[UniversalItem, ...], tuple[CulturalItem, ...]] = ((), ())

    def limited_to(self, limit: int | None) -> Inputs:
        """The same with `limit` items of each dataset."""
        universal = replace(self.universal, items=limited(self.unlimited[0], limit))
        return replace(
            self, universal=universal, cultural=replace(self.cultural, items=limited(self.unlimited[1], limit))
        )


def resolve(
    config: RunConfig,
    among: Sequence[str] | None = None,
    splits: Sequence[Split] = SPLITS,
    *,
    locating: bool = True,
    loaded: LoadedModel | None = None,
) -> Inputs:
    """Look up the datasets and languages of a run, as `resolve_data` does, and check its model, device and template.

    loaded: a loaded model, used instead of the one in `config`. Raises a TranslocalError for anything unknown or
    missing.
    """
    if loaded is not None:
        return resolve_data(config, among, splits, locating=locating)
    check_model(config)
    return resolve_data(config, among, splits, counts=named_counts(config), locating=locating)


def check_model(config: RunConfig) -> None:
    """Raise a TranslocalError for a model, a dtype or a device that isn't available."""
    find_model(config.model, config.dtype)
    if config.device != "auto":
        resolve_device(config.device)


def named_counts(config: RunConfig) -> Counts:
    """Which items are scored: all except those that the model's folder lists as seen in training."""
    source = find_model(config.model, config.dtype)
    return counts_of(Exposure.read(Path(source.location)) if source.local else None)


def resolve_data(
    config: RunConfig,
    among: Sequence[str] | None = None,
    splits: Sequence[Split] = SPLITS,
    *,
    counts: Counts = everything,
    locating: bool = True,
) -> Inputs:
    """Look up the datasets, languages and template of a run. Raises a TranslocalError for anything unknown or missing.

    among: candidate languages, of which those that the datasets can score are used; without it, all languages in
    `config` must be scored. splits, counts, locating: requirements on the items of every language, as in
    `check_enough`.
    """
    check_template(config.template)
    folder = Path(config.data_dir).expanduser() if config.data_dir else None
    codes = _to_load(config, config.languages if among is None else among)
    universal = load_universal(config.universal, languages=codes, data_dir=folder).with_examples(config.shots)
    cultural = load_cultural(config.cultural, languages=codes, data_dir=folder, cultures=config.own_cultures)
    if among is None:
        languages = scored_languages(universal, cultural, config.languages)
    else:
        languages = _scored_of(among, scored_languages(universal, cultural, ()))
    both = [code for code in universal.languages if code in cultural.languages]
    parallel = load_parallel(config.parallel, languages=("en", *languages), data_dir=folder)
    inputs = Inputs(
        replace(universal, languages=tuple(code for code in universal.languages if code in ("en", *both))),
        replace(cultural, languages=tuple(both)),
        parallel,
        languages,
        _training(config, folder),
        (universal.items, cultural.items),
    ).limited_to(config.limit)
    check_enough(inputs, counts, splits, least=LEAST_LIMIT, locating=locating)
    if config.normalisation == "letter":
        check_letters(inputs.universal, inputs.cultural, languages, config.shots)
    return inputs


def _scored_of(among: Sequence[str], scored: Sequence[str]) -> tuple[str, ...]:
    languages = tuple(code for code in scored if code in among)
    if not languages:
        raise DataError(
            f"the datasets can't score any of the languages {', '.join(among)}",
            allowed=", ".join(scored),
            remedy="choose other datasets, or name cultures with --cultures (es=MX)",
        )
    return languages


def _training(config: RunConfig, folder: Path | None) -> TrainingData | None:
    """What models are trained on, in all its languages whichever are scored; checkpoints are looked up too."""
    methods = config.compared.trained
    for method in methods:
        if method.place:
            find_model(method.checkpoint)
    if not any(method.method for method in methods):
        return None
    check_installed()
    return load_training(config.training_data or (config.universal,), data_dir=folder)


def _to_load(config: RunConfig, languages: Sequence[str]) -> tuple[str, ...]:
    """English, the languages asked for and, for each, the next one: it lends a third language and a wrong culture."""
    if not languages:
        return ()
    published = [
        entry.languages
        for known, name in ((UNIVERSAL, config.universal), (CULTURAL, config.cultural))
        if (entry := known.get(name))
    ]
    if len(published) < 2:
        return ()
    both = [code for code in published[0] if code in published[1]]
    further = [following(both, code) or code for code in languages if code in both]
    return tuple(dict.fromkeys(("en", *languages, *further)))


def following(languages: Sequence[str], language: str) -> str | None:
    """The next of `languages` after `language` (the first after the last), English apart; None if it is alone."""
    others = [code for code in languages if code != "en"]
    after = others[(others.index(language) + 1) % len(others)] if language in others else language
    return after if after != language else None
