"""Plans from elsewhere on the plane: any model, any datasets, no fitting and no choosing."""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from interp.data import Split
from interp.errors import ConfigError, DataError, Notice, OutputError, nearest
from interp.files import write_json
from interp.model import HookedModel, LoadedModel
from interp.names import BASE
from interp.plane import Cells, localization_chance, with_neither
from interp.progress import Stages
from interp.steering import (
    PLANS,
    Plan,
    Positions,
    SavedPlans,
    SteeringVectors,
    Strength,
    check_fits,
    naming_model,
    notice_other_model,
    notice_other_template,
)
from interp.study.ask import (
    Inputs,
    Study,
    check_enough,
    load_configured,
    notice_vocabulary,
    open_study,
    resolve,
    with_model,
)
from interp.study.config import RunConfig
from interp.study.folder import (
    MANIFEST,
    Outcomes,
    check_made_of,
    described,
    made_of,
    save_left_out,
    working_folder,
    write_csv,
)
from interp.study.methods import DEFAULT
from interp.study.score import (
    NOT_SCORED,
    UNDER,
    Plans,
    Prompts,
    base_contrasts,
    english_scores,
    plane_table,
    score_plans,
)
from interp.study.search import base_cells, headroom_table

SETTINGS = (
    "model", "adapter", "revision", "quantization", "n_devices", "universal", "cultural", "data_dir", "languages",
    "cultures", "limit", "seed", "device", "dtype", "engine", "memory", "batch_size", "template", "shots",
    "normalisation", "bootstrap_draws",
)  # fmt: skip
"""The settings of a run that scoring goes by."""

STEERED = "steered"
"""The row of a plan that has no method's name."""


@dataclass(frozen=True)
class Candidates:
    """What is scored beside the unsteered model: method -> a language's plan; nothing, by default.

    languages: None for any. described: for the manifest.
    """

    plans: Mapping[str, Callable[[str], Plan]] = field(default_factory=dict)
    languages: tuple[str, ...] | None = None
    described: Mapping[str, Any] = field(default_factory=dict)
    saved: SavedPlans | None = None

    @classmethod
    def of_plans(cls, saved: SavedPlans, methods: Sequence[str] = ()) -> Candidates:
        """Methods of a plan.json (all, if none is named), in the languages that each of them has.

        Raises DataError for an unknown method and for methods that share no language, ConfigError for a method that is
        named twice or `base`, which is scored anyway.
        """
        names = tuple(methods) or tuple(saved.methods)
        if len(set(names)) < len(names) or BASE in names:
            raise ConfigError(
                f"methods {','.join(names)!r} are not allowed",
                allowed="each method once, and not base, which is always scored",
            )
        languages = {name: saved.languages(name) for name in names}
        every = dict.fromkeys(code for codes in languages.values() for code in codes)
        shared = tuple(code for code in every if all(code in codes for codes in languages.values()))
        if not shared:
            raise DataError(
                f"{saved.file} has no language in which all of its methods have plans" if names else
                f"{saved.file} holds no plans", remedy="name methods with --methods",
            )  # fmt: skip
        if len(shared) < len(every):
            lacking = ", ".join(code for code in every if code not in shared)
            warnings.warn(
                f"languages left out because some methods have no plan for them: {lacking}", Notice, stacklevel=2
            )
        digest = hashlib.sha256(saved.file.read_bytes()).hexdigest()
        manifest = {"plan": str(saved.file), "sha256": digest, "model": vars(saved.model), "methods": list(names)}
        return cls({name: partial(saved.plan, method=name) for name in names}, shared, manifest, saved)

    @classmethod
    def of_vectors(
        cls, vectors: SteeringVectors, layer: int, strength: Strength, operator: str, positions: Positions
    ) -> Candidates:
        """One plan for every language; raises DataError for a layer that there is no vector for."""
        plan = vectors.plan(layer, strength, operator=operator, positions=positions)
        manifest = {
            "vectors": vectors.name, "provenance": dict(vectors.provenance), "layer": layer, "strength": strength,
            "multiple": vectors.multiple(layer, strength), "operator": operator, "positions": positions,
        }  # fmt: skip
        return cls({STEERED: lambda language: plan}, None, manifest)


@dataclass(frozen=True)
class Rescored:
    """What scoring leaves behind. layers: of every method, each steer's layer in every language scored.

    contrasts: None if nothing steers. headroom: where nothing steers, that of the model under each normalisation.
    """

    folder: Path
    plane: pd.DataFrame
    contrasts: pd.DataFrame | None
    headroom: pd.DataFrame | None
    layers: Mapping[str, Sequence[Sequence[int]]]


def rescore(
    config: RunConfig,
    candidates: Candidates,
    progress: Stages,
    *,
    split: Split = "test",
    model: HookedModel | LoadedModel | None = None,
    overwrite: bool = False,
) -> Rescored:
    """Score plans beside the unsteered model on a split, and write scores, plane, contrasts and manifest.

    Without plans the unsteered model alone is scored, on each language's own options, and its headroom is written in
    place of contrasts.
    Of the languages that the plans are for, those that the datasets score are scored; `config.languages` asks for some
    of them. Settings of `config` that are not in `SETTINGS` play no part. One that was stopped goes on where it was.
    model, overwrite: as in `run`. Raises a TranslocalError for what the user can mend.
    """
    if (config.folder / PLANS).exists():
        raise OutputError(
            f"{config.folder} is the folder of a run, whose plans would be lost", remedy="pass another --out"
        )
    config, loaded = with_model(replace(config, methods=DEFAULT), model)
    _check_asked(config, candidates)
    among = None if config.languages else candidates.languages
    with naming_model(candidates.saved, config.model):
        inputs = resolve(config, among, (split,), locating=False, loaded=loaded)
    _notice_left_out(candidates, inputs, config)
    plans = {name: {code: make(code) for code in inputs.languages} for name, make in candidates.plans.items()}
    own = {"split": split, "plans": dict(candidates.described)}
    purpose = {"verb": "score"} | own
    with working_folder(config, inputs, ["scores"], purpose=purpose, overwrite=overwrite) as (folder, store):
        begun = time.perf_counter()
        with progress.stage("loading", 1) as advance:
            with naming_model(candidates.saved, config.model):
                loaded = loaded or load_configured(config)
            study = replace(open_study(config, loaded, inputs), parts=store)
            _check_plans(study, candidates, plans)
            notice_vocabulary(study)
            check_enough(inputs, study.counts, (split,), study.tokens)
            check_made_of(store, made_of(study))
            advance(loaded.name)
        tables = _scored(study, plans, split, folder, progress)
        save_left_out(folder, study)
        manifest = described(study)
        settings = {key: value for key, value in manifest["config"].items() if key in SETTINGS}
        seconds = {"all": round(time.perf_counter() - begun, 2)}
        write_json(folder / MANIFEST, manifest | {"config": settings} | own | {"seconds": seconds})
    layers = {
        name: [[steer.layer for steer in plan.steers] for plan in by_language.values()]
        for name, by_language in plans.items()
    }
    return Rescored(config.folder, *tables, layers)


def _scored(
    study: Study, plans: Plans, split: Split, folder: Path, progress: Stages
) -> tuple[pd.DataFrame, pd.DataFrame | None, pd.DataFrame | None]:
    """Plane, contrasts and headroom, written into `folder` with the scores that they are read from."""
    outcomes, prompts = Outcomes(study, folder), Prompts.of(study, split, others=bool(plans))
    contrasts, headroom, chance = None, None, np.nan
    with progress.stage(f"scoring on {split}", len(study.languages) * (1 + len(plans)) + (not plans)) as advance:
        for method, table in score_plans(prompts, plans, advance):
            outcomes.add(method, table)
            chance = localization_chance(table) if method == BASE else chance
            if not plans:
                headroom = headroom_under(table, english_scores(study, advance, split), study, split)
                write_csv(folder / "headroom.csv", headroom)
    cells = Cells(with_neither(pd.concat(outcomes.parts)), study.resampling_of(split))
    names = {"model": study.loaded.name, "universal": study.universal.name, "cultural": study.cultural.name}
    plane = plane_table(cells, {}, names, study.cultural.own_culture, (study.universal.chance, chance))
    write_csv(folder / "plane.csv", plane)
    if plans:
        contrasts = base_contrasts(cells, study.config.seed)
        write_csv(folder / "contrasts.csv", contrasts)
    return plane, contrasts, headroom


def headroom_under(scores: pd.DataFrame, english: pd.DataFrame, study: Study, split: Split) -> pd.DataFrame:
    """`headroom_table` of the unsteered model's scores under each normalisation that they allow, the study's first."""
    own = study.config.normalisation
    others = [] if own in NOT_SCORED else [name for name in UNDER if name != own]
    resampling = study.resampling_of(split)
    tables = {name: headroom_table(base_cells(scores, english, name, resampling)) for name in (own, *others)}
    return pd.concat([table.assign(normalisation=name) for name, table in tables.items()], ignore_index=True)


def _check_asked(config: RunConfig, candidates: Candidates) -> None:
    known = candidates.languages
    for code in config.languages:
        if known is not None and code not in known:
            raise DataError(
                f"there is no plan for language {code!r}",
                allowed=", ".join(known),
                remedy=nearest(code, known, "name some of these"),
            )


def _notice_left_out(candidates: Candidates, inputs: Inputs, config: RunConfig) -> None:
    known = config.languages or candidates.languages or ()
    lacking = [code for code in known if code not in inputs.languages]
    if lacking:
        both = f"{config.universal} and {config.cultural}"
        text = f"languages left out because {both} do not both score them: {', '.join(lacking)}"
        warnings.warn(text, Notice, stacklevel=2)


def _check_plans(study: Study, candidates: Candidates, plans: Plans) -> None:
    if candidates.saved:
        notice_other_model(candidates.saved, study.loaded)
        notice_other_template(candidates.saved, study.template)
    for by_language in plans.values():
        for plan in by_language.values():
            check_fits(study.loaded.model, plan)
