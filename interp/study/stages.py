"""The stages of a run, defined in one place: what each makes, of what, in how many steps, and what it costs.

A run goes through STAGES one after another; a worker makes the pieces of its unit; a dry run counts them; progress and
timings have their names.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import pandas as pd

from interp.model import LoadedModel
from interp.progress import Advance, unsaid
from interp.study.ask import Inputs, Study, prepare, resolve
from interp.study.config import RunConfig
from interp.study.cost import Part, Workload, on_top, train
from interp.study.fit import FitResiduals, Vectors, read_fit, study_vectors
from interp.study.folder import Store, as_settings, check_made_of, identity_of, made_of, partial_folder
from interp.study.locate import locate, locate_steps
from interp.study.score import (
    Plans,
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
    ChosenPlans,
    Sought,
    SplitTasks,
    choose,
    control_steps,
    method_steps,
    search_controls,
    search_methods,
    sought,
    sweep_cells,
    sweep_in,
)
from interp.study.units import Unit

Made = Mapping[str, Any]
"""What a stage makes of one piece: tables of scores by name, or what `locate` gives."""


@dataclass
class Base:
    """What every stage needs of the base model, and what the search chose once it is over."""

    study: Study
    fit: FitResiduals
    vectors: Vectors
    dev: SplitTasks
    methods: Sought
    prompts: Prompts
    _searched: dict[str, pd.DataFrame] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, study: Study) -> Base:
        """Read the fit split and fit the vectors."""
        fit = read_fit(study)
        return cls(study, fit, study_vectors(study, fit), SplitTasks(study), sought(study), Prompts.of(study))

    def search(self, group: str, advance: Advance = unsaid) -> pd.DataFrame:
        """The rows of a group of searches: METHODS, or a control. Made once."""
        if group not in self._searched:
            self._searched[group] = (
                search_methods(self.dev, self.vectors, self.methods, advance)
                if group == METHODS
                else search_controls(self.dev, self.fit, self.vectors, group, advance)
            )
        return self._searched[group]

    @cached_property
    def chosen(self) -> ChosenPlans:
        """Method -> language -> what its search chose; empty if nothing is searched for."""
        return choose(self.study, self.methods, self.search(METHODS)) if self.methods.names else {}

    @property
    def plans(self) -> Plans:
        """The plans of what was chosen."""
        return plans_of(self.study, self.vectors, self.chosen)

    @property
    def controls(self) -> Sequence[str]:
        """Kinds of control draws, where anything is searched for."""
        return self.study.design.controls if self.methods.names else ()


@dataclass(frozen=True)
class Stage:
    """One stage. make: its result for one piece; None where the run does it itself.

    unit: which pieces there are, and so which unit of work makes them: a group of searches, a scored language, or one
    piece that belongs to `locate`. steps: of one piece, as progress counts them; a stage without any is left out. cost:
    what the whole stage passes through the model.
    """

    name: str
    unit: Literal["search", "language", "locate", ""]
    make: Callable[[Base, str, Advance], Made] | None
    steps: Callable[[Base], int]
    cost: Callable[[Workload], Iterator[Part]]

    def pieces(self, base: Base) -> Sequence[str]:
        """Groups of searches, languages, or one piece without a name."""
        if self.unit == "search":
            groups: Sequence[str] = (METHODS,) if self is SEARCH else base.controls
            return groups if base.methods.names else ()
        return base.study.languages if self.unit == "language" else ("",)


def _english(base: Base, piece: str, advance: Advance) -> Made:
    return {"english": english_scores(base.study, advance)}


def _unsteered(base: Base, code: str, advance: Advance) -> Made:
    return {"base": score_base_in(base.prompts, code, advance)}


def _search(base: Base, group: str, advance: Advance) -> Made:
    base.search(group, advance)
    return {}  # its rows are the base's own


def _sweep(base: Base, code: str, advance: Advance) -> Made:
    cells = sweep_cells(base.study.design, base.chosen)
    return {"sweep": sweep_in(base.dev, base.vectors, cells, code, advance)}


def _sentences(base: Base, code: str, advance: Advance) -> Made:
    return {"sentences": score_sentences_in(base.study, base.plans, code, advance)}


def _test(base: Base, code: str, advance: Advance) -> Made:
    plans, tables = base.plans, {}
    if plans:
        tables["test"] = score_plans_in(base.prompts, plans, code, advance)
        tables["normaliser"] = estimated_in(base.prompts, plans, code)
    if cells := layer_cells(base.study.design, base.chosen):
        tables["layers"] = score_layers_in(base.prompts, base.vectors, cells, code, advance)
    return tables


def _controls(base: Base, code: str, advance: Advance) -> Made:
    tables = {}
    for control in base.controls:
        rows = base.search(control)
        parts = [
            score_controls_in(base.prompts, rows, base.fit, base.vectors, (control, axis, code), advance)
            for axis in AXES
        ]
        tables[control] = pd.concat(parts, ignore_index=True)
    return tables


def _generate(base: Base, code: str, advance: Advance) -> Made:
    return {"generated": generated_in(base.study, base.vectors, base.chosen, code, advance)}


def _locate(base: Base, piece: str, advance: Advance) -> Made:
    return {"located": locate(base.study, base.fit, advance)}


def _one(base: Base) -> int:
    return 1


SEARCH = Stage("search", "search", _search, lambda base: method_steps(base.study, base.methods), Workload.search)
STAGES = (
    Stage("fit", "", None, _one, Workload.fit),
    Stage("English", "locate", _english, _one, Workload.english),
    Stage("unsteered", "language", _unsteered, _one, Workload.unsteered),
    SEARCH,
    Stage("search of controls", "search", _search, lambda base: control_steps(base.study), Workload.search_of_controls),
    Stage(
        "sweep", "language", _sweep,
        lambda base: 1 + len(cells) if (cells := sweep_cells(base.study.design, base.chosen)) else 0,
        Workload.sweep,
    ),
    Stage("sentences", "language", _sentences, lambda base: 1 + len(base.chosen), Workload.sentences),
    Stage(
        "test", "language", _test,
        lambda base: len(base.chosen) + 2 * len(layer_cells(base.study.design, base.chosen)),
        Workload.test,
    ),
    Stage(
        "controls", "language", _controls,
        lambda base: 2 * base.study.design.draws * len(base.controls),
        Workload.controls,
    ),
    Stage(
        "generate", "language", _generate,
        lambda base: 1 + len(base.chosen) if base.study.config.generate else 0,
        Workload.generate,
    ),
    Stage("locate", "locate", _locate, lambda base: locate_steps(base.study), Workload.locate),
    Stage("train", "", None, _one, train),
    Stage("on top", "", None, _one, on_top),
)  # fmt: skip
"""Of a run, in its order. `train` and `on top` are those of trained models: made, then read and scored."""

LOCATING = tuple(stage for stage in STAGES if stage.name in ("fit", "locate"))
"""The analysis half alone."""


def counted(work: Workload, stages: Sequence[Stage] = STAGES) -> list[Part]:
    """What stages pass through the model."""
    return [replace(part, stage=stage.name) for stage in stages for part in stage.cost(work)]


def compute(unit: Unit) -> None:
    """Make the parts of a unit, but those that are there; the process keeps the last run's model and residuals.

    Another process may do the same at the same time: parts are whole or not there. Raises what a run raises.
    """
    base, store = _base_of(unit)
    begun = time.perf_counter()
    for stage in STAGES:
        if stage.unit == unit.kind and stage.make is not None:
            pieces = [piece for piece in stage.pieces(base) if piece == unit.piece]
            if pieces and stage.steps(base):
                stage.make(base, unit.piece, unsaid)
    seconds = round(time.perf_counter() - begun, 2)
    store.value(unit.record, lambda: {"seconds": seconds, "host": platform.node()})


def forget() -> None:
    """Let go of the model that this process keeps."""
    _LAST.clear()


_LAST: dict[str, tuple[Base, Store]] = {}


def opened(config: RunConfig, inputs: Inputs, store: Store, loaded: LoadedModel | None = None) -> Study:
    """The study of a run whose parts are kept in `store`; raises a TranslocalError if these are of another model.

    loaded: in place of the model that `config` names.
    """
    study = replace(prepare(config, loaded, inputs), parts=store)
    check_made_of(store, made_of(study))
    return study


def _base_of(unit: Unit) -> tuple[Base, Store]:
    key = json.dumps(dict(unit.config), sort_keys=True)
    if key not in _LAST:
        _LAST.clear()
        config = RunConfig(**as_settings(unit.config))
        inputs = resolve(config)
        store = Store.open(partial_folder(config.folder), identity_of(config, inputs), shared=True)
        _LAST[key] = Base.of(opened(config, inputs, store)), store
    return _LAST[key]
