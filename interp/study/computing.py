"""Compute a unit of a run in whatever process: its parts go into the run's store, and come back from there."""

from __future__ import annotations

import json
import platform
import time
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from interp.progress import Advance, unsaid
from interp.study.ask import Study, prepare, resolve
from interp.study.config import RunConfig
from interp.study.fit import FitResiduals, Vectors, fit_vectors, read_fit
from interp.study.folder import Store, check_made_of, identity_of, made_of, partial_folder
from interp.study.locate import locate
from interp.study.score import (
    Prompts,
    english_scores,
    estimated_in,
    generated_in,
    layer_cells,
    plans_of,
    score_base_in,
    score_controls_in,
    score_layers_in,
    score_plans_in,
    score_sentences_in,
)
from interp.study.search import (
    AXES,
    METHODS,
    Sought,
    SplitTasks,
    choose,
    search_controls,
    search_methods,
    sought,
    sweep_cells,
    sweep_in,
)
from interp.study.stages import LOCATE, SEARCH, Unit


@dataclass(frozen=True)
class Base:
    """What every unit of a run needs of the base model."""

    study: Study
    fit: FitResiduals
    vectors: Vectors
    dev: SplitTasks
    methods: Sought
    prompts: Prompts

    @classmethod
    def of(cls, study: Study) -> Base:
        """Read the fit split and fit the vectors."""
        fit = read_fit(study)
        return cls(study, fit, fit_vectors(study, fit), SplitTasks(study), sought(study), Prompts.of(study))

    def search(self, group: str, advance: Advance = unsaid) -> pd.DataFrame:
        """The rows of a group of searches: METHODS, or a control."""
        if group == METHODS:
            return search_methods(self.study, self.dev, self.vectors, self.methods, advance)
        return search_controls(self.study, self.dev, self.fit, self.vectors, group, advance)


def compute(unit: Unit) -> None:
    """Make the parts of a unit, but those that are there; the process keeps the last run's model and residuals.

    Another process may do the same at the same time: parts are whole or not there. Raises what a run raises.
    """
    base, store = _opened(unit)
    begun = time.perf_counter()
    if unit.name == LOCATE:
        english_scores(base.study, unsaid)
        locate(base.study, base.fit, unsaid)
    elif unit.searches:
        base.search(unit.name.removeprefix(SEARCH))
    else:
        make_language(base, unit.name.removeprefix("language:"))
    seconds = round(time.perf_counter() - begun, 2)
    store.value(unit.record, lambda: {"seconds": seconds, "host": platform.node()})


def make_language(base: Base, code: str) -> None:
    """All that is scored in a language once the searches are over: test, sentences, layers, controls, free answers."""
    study, vectors, tasks = base.study, base.vectors, base.prompts
    score_base_in(study, tasks, code, unsaid)
    every = choose(study, base.methods, base.search(METHODS)) if base.methods.names else {}
    chosen = {method: {code: by_language[code]} for method, by_language in every.items()}
    if cells := sweep_cells(study, chosen):
        sweep_in(study, base.dev, vectors, cells, code, unsaid)
    plans = plans_of(study, vectors, chosen, (code,))
    score_sentences_in(study, plans, code, unsaid)
    if plans:
        score_plans_in(study, tasks, plans, code, unsaid)
        estimated_in(study, tasks, plans, code)
    if at := layer_cells(study, chosen):
        score_layers_in(study, tasks, vectors, at, code, unsaid)
    for control in study.design.controls if chosen else ():
        for axis in AXES:
            rows = base.search(control)
            score_controls_in(study, rows, tasks, base.fit, vectors, (control, axis, code), unsaid)
    if study.config.generate:
        generated_in(study, vectors, chosen, code, unsaid)


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
