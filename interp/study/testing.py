"""Score the chosen plans, and the controls, on test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from interp.data.tasks import Task
from interp.plane import BASE
from interp.steering.plans import Plan
from interp.steering.search import layer_grid
from interp.study.choose import Advance, Chosen, Dev, choose_control
from interp.study.evaluate import score_table, score_tasks
from interp.study.fit import FitResiduals, Vectors, random_vectors, shuffled_vectors
from interp.study.prepare import Study

CONTROL_AXES = {"universal": "en", "cultural": "loc"}
"""Axis -> the method whose norm (random) or pairs (shuffled) its control draws take."""

CONTROLS = ("random", "shuffled")


@dataclass(frozen=True)
class Prompts:
    """Test prompts per language: `full` has every language's options and the explicit cue, the others do not."""

    full: Mapping[str, list[Task]]
    universal: Mapping[str, list[Task]]
    cultural: Mapping[str, list[Task]]

    @classmethod
    def of(cls, study: Study) -> Prompts:
        """All test prompts of a study."""
        return cls(
            full={
                code: [
                    *study.universal_tasks(code, "test", full=True),
                    *study.cultural_tasks(code, "test", full=True),
                    *study.cultural_tasks(code, "test", "explicit"),
                ]
                for code in study.languages
            },
            universal={code: study.universal_tasks(code, "test") for code in study.languages},
            cultural={code: study.cultural_tasks(code, "test") for code in study.languages},
        )


def _scored(study: Study, method: str, tasks: list[Task], plan: Plan | None) -> pd.DataFrame:
    scores = score_tasks(study, tasks, plan)
    return score_table(method, tasks, scores)


def score_methods(
    study: Study, tasks: Prompts, vectors: Vectors, chosen: Mapping[str, Mapping[str, Chosen]], advance: Advance
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Scores of the unsteered model, then of every chosen plan: (method, table) one after another."""
    for method in (BASE, *chosen):
        parts = []
        for code in study.languages:
            advance(f"test {method}:{code}")
            plan = None if method == BASE else chosen[method][code].plan(study, vectors, code)
            parts.append(_scored(study, method, tasks.full[code], plan))
        yield method, pd.concat(parts, ignore_index=True)


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
            for number, draws in enumerate(make(study, fit, vectors, method, study.config.control_draws)):
                best = choose_control(study, dev, draws, axis, advance)
                for code, cell in best.items():
                    plan = draws[code].plan(cell.layer, cell.strength, positions=study.config.positions)
                    advance(f"test {control} {number}:{code}")
                    parts.append(_scored(study, f"{control}_{number:02d}", prompts[code], plan))
        yield control, pd.concat(parts, ignore_index=True)


def score_layers(study: Study, tasks: Prompts, vectors: Vectors, advance: Advance) -> pd.DataFrame:
    """Scores of EN and of LOC at every layer of the grid, strength 1: methods `en@3`, `loc@3`, ..."""
    parts = []
    for method in ("en", "loc"):
        for layer in layer_grid(study.loaded.model.cfg.n_layers):
            for code in study.languages:
                advance(f"layer {layer} {method}:{code}")
                plan = vectors[method][code].plan(layer, positions=study.config.positions)
                parts.append(_scored(study, f"{method}@{layer}", [*tasks.universal[code], *tasks.cultural[code]], plan))
    return pd.concat(parts, ignore_index=True)
