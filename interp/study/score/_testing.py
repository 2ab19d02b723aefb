"""Score plans, and the controls, on test."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import pandas as pd

from interp.data import Axis, Split, Task
from interp.names import BASE
from interp.progress import Advance, unsaid
from interp.steering import Plan
from interp.steering.engine import BoundedNormaliser
from interp.study.ask import ScoreTables, Study, bounded_for, estimated_table, score_tasks
from interp.study.fit import FitResiduals, Vectors
from interp.study.score._report import is_control
from interp.study.search import ChosenPlans, choose_one, control_draws, control_name


@dataclass(frozen=True)
class Prompts:
    """Prompts of a split per language: `full` has every language's options and the explicit cue, the others do not."""

    full: Mapping[str, list[Task]]
    universal: Mapping[str, list[Task]]
    cultural: Mapping[str, list[Task]]
    _normalisers: dict[str, BoundedNormaliser | None] = field(default_factory=dict, repr=False)

    def normaliser(self, study: Study, code: str) -> BoundedNormaliser | None:
        """What stands in for the whole vocabulary in a language's prompts, where the design allows it."""
        if not study.design.bounded:
            return None
        if code not in self._normalisers:
            tasks = [*self.full[code], *self.universal[code], *self.cultural[code]]
            self._normalisers[code] = bounded_for(study, tasks)
        return self._normalisers[code]

    @classmethod
    def of(cls, study: Study, split: Split = "test") -> Prompts:
        """All prompts of a study on a split."""
        return cls(
            full={
                code: [
                    *study.universal_tasks(code, split, full=True),
                    *study.universal_tasks(code, split, full=True, sensitive=True),
                    *study.cultural_tasks(code, split, full=True),
                    *study.cultural_tasks(code, split, "explicit"),
                ]
                for code in study.languages
            },
            universal={code: study.universal_tasks(code, split) for code in study.languages},
            cultural={code: study.cultural_tasks(code, split) for code in study.languages},
        )


def _scored(
    study: Study,
    tasks: list[Task],
    plans: Mapping[str, Plan],
    step: Callable[[float], None],
    normaliser: BoundedNormaliser | None,
) -> pd.DataFrame:
    scores = score_tasks(study, tasks, list(plans.values()), step, normaliser=normaliser)
    return ScoreTables(tasks, scores).tables(list(plans))


Plans = Mapping[str, Mapping[str, Plan]]
"""method -> language -> plan."""


def score_methods(
    study: Study, tasks: Prompts, vectors: Vectors, chosen: ChosenPlans, advance: Advance
) -> Iterator[tuple[str, pd.DataFrame]]:
    """`score_plans` of what was chosen."""
    return score_plans(study, tasks, plans_of(study, vectors, chosen), advance)


def plans_of(study: Study, vectors: Vectors, chosen: ChosenPlans, languages: Sequence[str] = ()) -> Plans:
    """The plans of what was chosen, in some languages; by default in all that are scored."""
    return {
        method: {code: by_language[code].plan(study, vectors, code) for code in languages or study.languages}
        for method, by_language in chosen.items()
    }


def score_plans(study: Study, tasks: Prompts, plans: Plans, advance: Advance) -> Iterator[tuple[str, pd.DataFrame]]:
    """Scores of the unsteered model, then of every plan: (method, table) one after another."""
    base = [score_base_in(study, tasks, code, advance) for code in study.languages]
    yield BASE, pd.concat(base, ignore_index=True)
    if not plans:
        return
    scored = [score_plans_in(study, tasks, plans, code, advance) for code in study.languages]
    for method in plans:
        yield method, pd.concat([part[part["method"] == method] for part in scored], ignore_index=True)


def score_plans_in(study: Study, tasks: Prompts, plans: Plans, code: str, advance: Advance) -> pd.DataFrame:
    """Scores of `score_plans` in one language, all methods below each other; exact for all but the controls."""

    def make() -> pd.DataFrame:
        own = {method: by_language[code] for method, by_language in plans.items()}
        step = partial(advance, f"methods {code}")
        exact = {method: plan for method, plan in own.items() if not is_control(method)}
        tables = [_scored(study, tasks.full[code], exact, step, None)]
        if controls := {method: plan for method, plan in own.items() if is_control(method)}:
            tables.append(_scored(study, tasks.full[code], controls, step, tasks.normaliser(study, code)))
        return pd.concat(tables, ignore_index=True)

    return study.parts.frame(f"test/{code}", make)


def estimated_in(study: Study, tasks: Prompts, plans: Plans, code: str) -> pd.DataFrame:
    """How far estimates are from the exact scores of `score_plans_in` in a language; empty where all are exact."""

    def make() -> pd.DataFrame:
        own = {method: by_language[code] for method, by_language in plans.items() if not is_control(method)}
        normaliser = tasks.normaliser(study, code) if own else None
        if normaliser is None:
            return pd.DataFrame()
        scores = score_plans_in(study, tasks, plans, code, unsaid)
        return estimated_table(study, tasks.full[code], own, scores, normaliser, code)

    return study.parts.frame(f"normaliser/{code}", make)


def score_base_in(study: Study, tasks: Prompts, code: str, advance: Advance) -> pd.DataFrame:
    """Scores of the unsteered model in one language: what the headroom is told from, before any search."""

    def make() -> pd.DataFrame:
        return _scored(study, tasks.full[code], {BASE: Plan()}, partial(advance, f"unsteered {code}"), None)

    return study.parts.frame(f"base/{code}", make)


def score_controls_in(
    study: Study, rows: pd.DataFrame, tasks: Prompts, fit: FitResiduals, vectors: Vectors,
    cell: tuple[str, Axis, str], advance: Advance,
) -> pd.DataFrame:  # fmt: skip
    """Scores of one control on one axis in one language (`cell`): a method per draw.

    rows: of the control's search. Each draw has a vector per axis with its own choice on dev; its transfer comes from
    the one, its localization from the other.
    """
    control, axis, code = cell

    def make() -> pd.DataFrame:
        plans = {}
        for draw, vector in enumerate(control_draws(study, fit, vectors, control, axis, code)):
            name = control_name(control, draw)
            (_, layer, strength), *_ = choose_one(study, rows, name, axis, code).steers
            plans[name] = vector.plan(layer, strength, positions=study.config.positions)
        step = partial(advance, f"{control} {axis} {code}")
        return _scored(study, _by_axis(tasks)[axis][code], plans, step, tasks.normaliser(study, code))

    return study.parts.frame(f"controls/{control}.{axis}.{code}", make)


def layer_cells(study: Study, chosen: Container[str]) -> list[tuple[str, int]]:
    """EN and LOC, those that were chosen, at every layer of the grid."""
    return [(method, layer) for method in ("en", "loc") if method in chosen for layer in study.design.layers]


def score_layers_in(
    study: Study, tasks: Prompts, vectors: Vectors, cells: Sequence[tuple[str, int]], code: str, advance: Advance
) -> pd.DataFrame:
    """Scores of vectors at layers in one language, strength 1: methods `en@3`, `loc@3`, ..."""

    def make() -> pd.DataFrame:
        plans = {
            f"{method}@{layer}": vectors[method][code].plan(layer, positions=study.config.positions)
            for method, layer in cells
        }
        step = partial(advance, f"layers {code}")
        return pd.concat(
            [
                _scored(study, some[code], plans, step, tasks.normaliser(study, code))
                for some in _by_axis(tasks).values()
            ],
            ignore_index=True,
        )

    return study.parts.frame(f"layers/{code}", make)


def _by_axis(tasks: Prompts) -> dict[Axis, Mapping[str, list[Task]]]:
    return {"universal": tasks.universal, "cultural": tasks.cultural}
