"""Score plans, and the controls, on test."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from interp.data.items import Split
from interp.data.tasks import Task
from interp.rows import BASE
from interp.steering.plans import Plan
from interp.steering.search import layer_grid
from interp.study.choose import Advance, Chosen, Dev, choose_control
from interp.study.evaluate import ScoreTables, score_tasks
from interp.study.fit import FitResiduals, Vectors, random_vectors, shuffled_vectors
from interp.study.prepare import Study

CONTROL_AXES = {"universal": "en", "cultural": "loc"}
"""Axis -> the method whose norm (random) or pairs (shuffled) its control draws take."""

CONTROLS = ("random", "shuffled")


@dataclass(frozen=True)
class Prompts:
    """Prompts of a split per language: `full` has every language's options and the explicit cue, the others do not."""

    full: Mapping[str, list[Task]]
    universal: Mapping[str, list[Task]]
    cultural: Mapping[str, list[Task]]

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


def _scored(study: Study, tasks: list[Task], plans: Sequence[Plan], step: str, advance: Advance) -> ScoreTables:
    return ScoreTables(tasks, score_tasks(study, tasks, plans, partial(advance, step)))


Plans = Mapping[str, Mapping[str, Plan]]
"""method -> language -> plan."""


def score_methods(
    study: Study, tasks: Prompts, vectors: Vectors, chosen: Mapping[str, Mapping[str, Chosen]], advance: Advance
) -> Iterator[tuple[str, pd.DataFrame]]:
    """`score_plans` of what was chosen."""
    return score_plans(study, tasks, plans_of(study, vectors, chosen), advance)


def plans_of(study: Study, vectors: Vectors, chosen: Mapping[str, Mapping[str, Chosen]]) -> Plans:
    """The plans of what was chosen."""
    return {
        method: {code: by_language[code].plan(study, vectors, code) for code in study.languages}
        for method, by_language in chosen.items()
    }


def score_plans(study: Study, tasks: Prompts, plans: Plans, advance: Advance) -> Iterator[tuple[str, pd.DataFrame]]:
    """Scores of the unsteered model, then of every plan: (method, table) one after another."""
    scored = [score_plans_in(study, tasks, plans, code, advance) for code in study.languages]
    for method in (BASE, *plans):
        yield method, pd.concat([part[part["method"] == method] for part in scored], ignore_index=True)


def score_plans_in(study: Study, tasks: Prompts, plans: Plans, code: str, advance: Advance) -> pd.DataFrame:
    """Scores of `score_plans` in one language, all methods below each other."""

    def make() -> pd.DataFrame:
        own = [Plan(), *(by_language[code] for by_language in plans.values())]
        return _scored(study, tasks.full[code], own, f"methods {code}", advance).tables([BASE, *plans])

    return study.parts.frame(f"test/{code}", make)


def score_controls(
    study: Study, dev: Dev, tasks: Prompts, fit: FitResiduals, vectors: Vectors, advance: Advance
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Scores of random and label-shuffled vectors: (`random` or `shuffled`, table with a method per draw).

    Each draw has a vector per axis with its own choice on dev; its transfer comes from the one, its localization
    from the other.
    """
    for control in CONTROLS:
        parts = [
            score_controls_in(study, dev, tasks, fit, vectors, control, axis, code, advance)
            for axis in CONTROL_AXES
            for code in study.languages
        ]
        yield control, pd.concat(parts, ignore_index=True)


def score_controls_in(
    study: Study,
    dev: Dev,
    tasks: Prompts,
    fit: FitResiduals,
    vectors: Vectors,
    control: str,
    axis: str,
    code: str,
    advance: Advance,
) -> pd.DataFrame:
    """Scores of one control on one axis in one language, all draws below each other."""

    def scored() -> pd.DataFrame:
        make = random_vectors if control == "random" else shuffled_vectors
        draws = make(study, fit, vectors, CONTROL_AXES[axis], study.config.control_draws, code)
        cells = choose_control(study, dev, draws, axis, code, advance)
        plans = [
            one.plan(cell.layer, cell.strength, positions=study.config.positions)
            for one, cell in zip(draws, cells, strict=True)
        ]
        prompts = tasks.universal if axis == "universal" else tasks.cultural
        found = _scored(study, prompts[code], plans, f"{control} {axis} {code}", advance)
        return found.tables([f"{control}_{number:02d}" for number in range(len(plans))])

    return study.parts.frame(f"controls/{control}.{axis}.{code}", scored)


def layer_cells(study: Study, chosen: Container[str]) -> list[tuple[str, int]]:
    """EN and LOC, those that were chosen, at every layer of the grid."""
    return [(method, layer) for method in ("en", "loc") if method in chosen for layer in layer_grid(study.n_layers)]


def score_layers(
    study: Study, tasks: Prompts, vectors: Vectors, cells: Sequence[tuple[str, int]], advance: Advance
) -> pd.DataFrame:
    """Scores of vectors at layers, strength 1: methods `en@3`, `loc@3`, ..."""
    parts = [score_layers_in(study, tasks, vectors, cells, code, advance) for code in study.languages]
    return pd.concat(parts, ignore_index=True)


def score_layers_in(
    study: Study, tasks: Prompts, vectors: Vectors, cells: Sequence[tuple[str, int]], code: str, advance: Advance
) -> pd.DataFrame:
    """Scores of `score_layers` in one language."""

    def make() -> pd.DataFrame:
        plans = [vectors[method][code].plan(layer, positions=study.config.positions) for method, layer in cells]
        scored = _scored(study, [*tasks.universal[code], *tasks.cultural[code]], plans, f"layers {code}", advance)
        return scored.tables([f"{method}@{layer}" for method, layer in cells])

    return study.parts.frame(f"layers/{code}", make)
