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
    plans = {
        method: {code: by_language[code].plan(study, vectors, code) for code in study.languages}
        for method, by_language in chosen.items()
    }
    return score_plans(study, tasks, plans, advance)


def score_plans(study: Study, tasks: Prompts, plans: Plans, advance: Advance) -> Iterator[tuple[str, pd.DataFrame]]:
    """Scores of the unsteered model, then of every plan: (method, table) one after another."""
    scored = []
    for code in study.languages:
        own = [Plan(), *(by_language[code] for by_language in plans.values())]
        scored.append(_scored(study, tasks.full[code], own, f"methods {code}", advance))
    for number, method in enumerate((BASE, *plans)):
        yield method, pd.concat([part.table(number, method) for part in scored], ignore_index=True)


def score_controls(
    study: Study, dev: Dev, tasks: Prompts, fit: FitResiduals, vectors: Vectors, advance: Advance
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Scores of random and label-shuffled vectors: (`random` or `shuffled`, table with a method per draw).

    Each draw has a vector per axis with its own choice on dev; its transfer comes from the one, its localization
    from the other.
    """
    for control in CONTROLS:
        make = random_vectors if control == "random" else shuffled_vectors
        parts = []
        for axis, method in CONTROL_AXES.items():
            prompts = tasks.universal if axis == "universal" else tasks.cultural
            draws = make(study, fit, vectors, method, study.config.control_draws)
            for code in study.languages:
                own = [draw[code] for draw in draws]
                cells = choose_control(study, dev, own, axis, code, advance)
                plans = [
                    vectors_of_draw.plan(cell.layer, cell.strength, positions=study.config.positions)
                    for vectors_of_draw, cell in zip(own, cells, strict=True)
                ]
                scored = _scored(study, prompts[code], plans, f"{control} {axis} {code}", advance)
                parts += [scored.table(number, f"{control}_{number:02d}") for number in range(len(plans))]
        yield control, pd.concat(parts, ignore_index=True)


def layer_cells(study: Study, chosen: Container[str]) -> list[tuple[str, int]]:
    """EN and LOC, those that were chosen, at every layer of the grid."""
    return [(method, layer) for method in ("en", "loc") if method in chosen for layer in layer_grid(study.n_layers)]


def score_layers(
    study: Study, tasks: Prompts, vectors: Vectors, cells: Sequence[tuple[str, int]], advance: Advance
) -> pd.DataFrame:
    """Scores of vectors at layers, strength 1: methods `en@3`, `loc@3`, ..."""
    parts = []
    for code in study.languages:
        plans = [vectors[method][code].plan(layer, positions=study.config.positions) for method, layer in cells]
        scored = _scored(study, [*tasks.universal[code], *tasks.cultural[code]], plans, f"layers {code}", advance)
        parts += [scored.table(number, f"{method}@{layer}") for number, (method, layer) in enumerate(cells)]
    return pd.concat(parts, ignore_index=True)
