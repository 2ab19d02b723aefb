"""Score plans, and the controls, on test."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import pandas as pd

from interp.data import Axis, Split, Task
from interp.names import BASE
from interp.progress import Advance, unsaid
from interp.steering import Plan
from interp.steering.engine import BoundedNormaliser
from interp.study.ask import Study, bounded_for, estimated_table, scored_table
from interp.study.fit import FitResiduals, Vectors
from interp.study.score._report import is_control
from interp.study.search import ChosenPlans, Design, choose_one, control_draws, control_name


@dataclass(frozen=True)
class Prompts:
    """A study's prompts of a split, per language: `full` has every language's options and the explicit cue.

    The same prompts are scored with another model by `replace(prompts, study=...)`, which makes normalisers anew.
    """

    study: Study
    full: Mapping[str, list[Task]]
    universal: Mapping[str, list[Task]]
    cultural: Mapping[str, list[Task]]
    _normalisers: dict[str, BoundedNormaliser | None] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, study: Study, split: Split = "test", *, others: bool = True) -> Prompts:
        """All prompts of a study on a split. others: `full` has the options of other languages too."""
        return cls(
            study,
            full={
                code: [
                    *study.universal_tasks(code, split, full=others),
                    *study.universal_tasks(code, split, full=others, sensitive=True),
                    *study.cultural_tasks(code, split, full=others),
                    *study.cultural_tasks(code, split, "explicit"),
                ]
                for code in study.languages
            },
            universal={code: study.universal_tasks(code, split) for code in study.languages},
            cultural={code: study.cultural_tasks(code, split) for code in study.languages},
        )

    @property
    def by_axis(self) -> dict[Axis, Mapping[str, list[Task]]]:
        """Axis -> language -> the prompts that are scored with their own options alone."""
        return {"universal": self.universal, "cultural": self.cultural}

    def normaliser(self, code: str) -> BoundedNormaliser | None:
        """What stands in for the whole vocabulary in a language's prompts, where the design allows it."""
        if not self.study.design.bounded:
            return None
        if code not in self._normalisers:
            tasks = [*self.full[code], *self.universal[code], *self.cultural[code]]
            self._normalisers[code] = bounded_for(self.study, tasks)
        return self._normalisers[code]


Plans = Mapping[str, Mapping[str, Plan]]
"""method -> language -> plan."""


def plans_of(study: Study, vectors: Vectors, chosen: ChosenPlans) -> Plans:
    """The plans of what was chosen, in every scored language."""
    positions = study.config.positions
    return {
        method: {code: by_language[code].plan(vectors, code, positions) for code in study.languages}
        for method, by_language in chosen.items()
    }


def score_plans(prompts: Prompts, plans: Plans, advance: Advance) -> Iterator[tuple[str, pd.DataFrame]]:
    """Scores of the unsteered model, then of every plan: (method, table) one after another."""
    languages = prompts.study.languages
    yield BASE, pd.concat([score_base_in(prompts, code, advance) for code in languages], ignore_index=True)
    if not plans:
        return
    scores = [score_plans_in(prompts, plans, code, advance) for code in languages]
    for method in plans:
        yield method, pd.concat([part[part["method"] == method] for part in scores], ignore_index=True)


def score_plans_in(prompts: Prompts, plans: Plans, code: str, advance: Advance) -> pd.DataFrame:
    """Scores of `score_plans` in one language, all methods below each other; exact for all but the controls."""

    def make() -> pd.DataFrame:
        study, tasks, step = prompts.study, prompts.full[code], partial(advance, f"methods {code}")
        own = {method: by_language[code] for method, by_language in plans.items()}
        exact = {method: plan for method, plan in own.items() if not is_control(method)}
        tables = [scored_table(study, tasks, exact, step)]
        if controls := {method: plan for method, plan in own.items() if is_control(method)}:
            tables.append(scored_table(study, tasks, controls, step, normaliser=prompts.normaliser(code)))
        return pd.concat(tables, ignore_index=True)

    return prompts.study.parts.frame(f"test/{code}", make)


def estimated_in(prompts: Prompts, plans: Plans, code: str) -> pd.DataFrame:
    """How far estimates are from the exact scores of `score_plans_in` in a language; empty if all are exact."""

    def make() -> pd.DataFrame:
        own = {method: by_language[code] for method, by_language in plans.items() if not is_control(method)}
        normaliser = prompts.normaliser(code) if own else None
        if normaliser is None:
            return pd.DataFrame()
        exact = score_plans_in(prompts, plans, code, unsaid)
        return estimated_table(prompts.study, prompts.full[code], own, exact, normaliser, code)

    return prompts.study.parts.frame(f"normaliser/{code}", make)


def score_base_in(prompts: Prompts, code: str, advance: Advance) -> pd.DataFrame:
    """Scores of the unsteered model in one language: what the headroom is read from, before any search."""

    def make() -> pd.DataFrame:
        return scored_table(prompts.study, prompts.full[code], {BASE: Plan()}, partial(advance, f"unsteered {code}"))

    return prompts.study.parts.frame(f"base/{code}", make)


def score_controls_in(
    prompts: Prompts, rows: pd.DataFrame, fit: FitResiduals, vectors: Vectors, cell: tuple[str, Axis, str],
    advance: Advance,
) -> pd.DataFrame:  # fmt: skip
    """Scores of one control on one axis in one language (`cell`): a method per draw.

    rows: of the control's search. Each draw has a vector per axis with its own choice on dev; its transfer comes from
    the one, its localization from the other.
    """
    study, (control, axis, code) = prompts.study, cell

    def make() -> pd.DataFrame:
        plans = {}
        for draw, vector in enumerate(control_draws(study, fit, vectors, control, axis, code)):
            name = control_name(control, draw)
            (_, layer, strength), *_ = choose_one(study.design, rows, name, axis, code).steers
            plans[name] = vector.plan(layer, strength, positions=study.config.positions)
        step = partial(advance, f"{control} {axis} {code}")
        return scored_table(study, prompts.by_axis[axis][code], plans, step, normaliser=prompts.normaliser(code))

    return study.parts.frame(f"controls/{control}.{axis}.{code}", make)


def layer_cells(design: Design, chosen: Container[str]) -> list[tuple[str, int]]:
    """EN and LOC, those that were chosen, at every layer of the grid."""
    return [(method, layer) for method in ("en", "loc") if method in chosen for layer in design.layers]


def score_layers_in(
    prompts: Prompts, vectors: Vectors, cells: Sequence[tuple[str, int]], code: str, advance: Advance
) -> pd.DataFrame:
    """Scores of vectors at layers in one language, strength 1: methods `en@3`, `loc@3`, ..."""
    study = prompts.study

    def make() -> pd.DataFrame:
        plans = {
            f"{method}@{layer}": vectors[method][code].plan(layer, positions=study.config.positions)
            for method, layer in cells
        }
        step, normaliser = partial(advance, f"layers {code}"), prompts.normaliser(code)
        tables = [
            scored_table(study, tasks[code], plans, step, normaliser=normaliser) for tasks in prompts.by_axis.values()
        ]
        return pd.concat(tables, ignore_index=True)

    return study.parts.frame(f"layers/{code}", make)
