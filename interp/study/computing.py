"""Compute a unit of a run in whatever process: its parts go into the run's store, and come back from there."""

from __future__ import annotations

import json
import platform
import time
from dataclasses import dataclass, replace
from typing import Any

from interp.study import consistency, damage, generating, locate, testing
from interp.study.choose import Dev, Sought, choose_in, sought, unsaid
from interp.study.config import RunConfig
from interp.study.describing import made_of
from interp.study.fit import FitResiduals, Vectors, fit_vectors, read_fit
from interp.study.output import partial_folder
from interp.study.prepare import Study, prepare
from interp.study.resolve import resolve
from interp.study.store import Store
from interp.study.sweeping import sweep_cells, sweep_in
from interp.study.units import LOCATE, Unit
from interp.study.working import check_made_of, identity_of


@dataclass(frozen=True)
class Base:
    """What every unit of a run needs of the base model."""

    study: Study
    fit: FitResiduals
    vectors: Vectors
    dev: Dev
    methods: Sought
    prompts: testing.Prompts

    @classmethod
    def of(cls, study: Study) -> Base:
        """Read the fit split and fit the vectors."""
        fit = read_fit(study)
        return cls(study, fit, fit_vectors(study, fit), Dev(study), sought(study), testing.Prompts.of(study))


def compute(unit: Unit) -> None:
    """Make the parts of a unit, but those that are there; the process keeps the last run's model and residuals.

    Another process may do the same at the same time: parts are whole or not there. Raises what a run raises.
    """
    base, store = _opened(unit)
    begun = time.perf_counter()
    if unit.name == LOCATE:
        consistency.english_scores(base.study, unsaid)
        locate.locate(base.study, base.fit, unsaid)
    else:
        make_language(base, unit.name.removeprefix("language:"))
    seconds = round(time.perf_counter() - begun, 2)
    store.value(unit.record, lambda: {"seconds": seconds, "host": platform.node()})


def make_language(base: Base, code: str) -> None:
    """All that is scored in a language: choice and sweep on dev, test, sentences, layers, controls, free answers."""
    study, vectors, tasks = base.study, base.vectors, base.prompts
    here = choose_in(study, base.dev, vectors, base.methods, code, unsaid) if base.methods.names else {}
    chosen = {method: {code: choice} for method, choice in here.items()}
    if cells := sweep_cells(study, chosen):
        sweep_in(study, base.dev, vectors, cells, code, unsaid)
    plans = {method: {code: choice.plan(study, vectors, code)} for method, choice in here.items()}
    damage.score_sentences_in(study, plans, code, unsaid)
    testing.score_plans_in(study, tasks, plans, code, unsaid)
    if at := testing.layer_cells(study, chosen):
        testing.score_layers_in(study, tasks, vectors, at, code, unsaid)
    if chosen:
        for control in testing.CONTROLS:
            for axis in testing.CONTROL_AXES:
                testing.score_controls_in(study, base.dev, tasks, base.fit, vectors, control, axis, code, unsaid)
    if study.config.generate:
        generating.generated_in(study, vectors, chosen, code, unsaid)


def forget() -> None:
    """Let go of the model that this process keeps."""
    _LAST.clear()


_LAST: dict[str, tuple[Base, Store]] = {}


def _opened(unit: Unit) -> tuple[Base, Store]:
    key = json.dumps(dict(unit.config), sort_keys=True)
    if key not in _LAST:
        _LAST.clear()
        config = RunConfig(**_as_settings(unit.config))
        inputs = resolve(config)
        store = Store.open(partial_folder(config.folder), identity_of(config, inputs), shared=True)
        study = replace(prepare(config, inputs=inputs), parts=store)
        check_made_of(store, made_of(study))
        _LAST[key] = Base.of(study), store
    return _LAST[key]


def _as_settings(config: Any) -> dict[str, Any]:
    """Lists, as JSON has them, become tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
