"""Searches over random vectors: what is found where there is nothing to find, and whether test sees through it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from interp.ablation._ablate import opened
from interp.data import Axis, OptionMark, Role, Task, draw
from interp.errors import ConfigError
from interp.model import HookedModel, LoadedModel
from interp.names import MACRO
from interp.plane import Cells
from interp.progress import Bars, Stages, unsaid
from interp.steering import SURGICAL, SteeringVectors
from interp.study.ask import Study
from interp.study.fit import FitResiduals, Vectors, random_like, residual_norms, study_vectors
from interp.study.folder import write_csv
from interp.study.search import (
    METRIC,
    PAIRS,
    Sought,
    SplitTasks,
    choose,
    gain,
    gain_table,
    languages_of,
    search_methods,
)

KINDS = ("vectors", "vectors and roles")
"""What is random: the vectors, or also which of an item's options counts as right (as local)."""

SOUGHT = Sought(("en",), ("loc",), {SURGICAL: PAIRS[SURGICAL]})


@dataclass(frozen=True)
class NoiseResult:
    """What searches over noise leave behind."""

    folder: Path
    table: pd.DataFrame
    lines: list[str]


@dataclass
class ShuffledRoles(SplitTasks):
    """Items whose option that counts is drawn at random, the same one in every language: there is nothing to find.

    number: another one, other roles.
    """

    number: int = 0

    def made(self, axis: Axis, code: str) -> list[Task]:
        """Prompts of the split; base is at chance on them, and no plan can be expected to change that."""
        seeds = str(self.study.config.seed), str(self.number)
        return [_shuffled(task, seeds) for task in super().made(axis, code)]


def _shuffled(task: Task, seeds: tuple[str, str]) -> Task:
    numbers = sorted({mark.index for mark in task.marks if mark.index >= 0})
    counts = numbers[draw(len(numbers), "role", *seeds, task.axis, task.prompt.item)]
    roles: tuple[Role, Role] = ("right", "wrong") if task.axis == "universal" else ("local", "other")

    def marked(mark: OptionMark) -> OptionMark:
        return replace(mark, role=roles[mark.index != counts])

    return replace(task, marks=tuple(marked(mark) for mark in task.marks))


def add_noise(
    folder: Path, searches: int, progress: Stages | None = None, model: HookedModel | LoadedModel | None = None
) -> NoiseResult:
    """Repeat a finished run's search over fresh random vectors, `searches` times, and add noise.csv to the run.

    The vectors have the covariance of the residuals and the norm of the fitted EN and LOC. Each search chooses a
    surgical plan by the run's rounds and goal; the gain of the choice is measured on test with its interval. model and
    errors as in `interp.ablation.ablate`. Raises ConfigError for less than one search.
    """
    if searches < 1:
        raise ConfigError(f"noise {searches!r} is not allowed", allowed="whole numbers from 1")
    begun, progress = time.perf_counter(), progress or Bars()
    run, fit = opened(folder, progress, model)
    study, drawn = run.study, draw_noise(run.study, fit, searches)
    real = SplitTasks(study), SplitTasks(study, "test")

    def searched_once(number: int) -> pd.DataFrame:
        shuffled = ShuffledRoles(study, number=number), ShuffledRoles(study, "test", number=number)
        rows = []
        for kind, (dev, test) in zip(KINDS, (real, shuffled), strict=True):
            rows += [{"seed": number, "random": kind} | row for row in _searched(dev, test, drawn[number])]
        return pd.DataFrame(rows)

    with run.store({"adds": "noise", "searches": searches}) as store:
        parts = []
        with progress.stage("searching noise", searches) as advance:
            for number in range(searches):
                parts.append(store.frame(f"noise/{number}", partial(searched_once, number)))
                advance(f"search {number + 1}")
        table = pd.concat(parts, ignore_index=True)
        lines = counted_lines(table)
        told = {"searches": searches, "found": lines, "seconds": round(time.perf_counter() - begun, 2)}
        with run.adding({"noise": told}) as working:
            write_csv(working / "noise.csv", table)
    return NoiseResult(folder, table, lines)


def draw_noise(study: Study, fit: FitResiduals, n: int) -> list[Vectors]:
    """`n` draws of random EN and LOC in every language, with the residuals' covariance and the real vectors' norms."""
    real, processing = study_vectors(study, fit), {"processing": study.loaded.processing}
    every: list[dict[str, dict[str, SteeringVectors]]] = [{"en": {}, "loc": {}} for _ in range(n)]
    for method in every[0]:
        for code in study.languages:
            norms = residual_norms(fit, code)
            drawn = random_like(study, fit, code, real[method][code].vectors, n, f"noise {method}")
            for vectors, values in zip(every, drawn, strict=True):
                vectors[method][code] = SteeringVectors(f"noise:{code}", values, processing, norms)
    return list(every)


def _searched(dev: SplitTasks, test: SplitTasks, vectors: Vectors) -> list[dict[str, object]]:
    """One search: gains of its choice on dev and on test, per language and over all."""
    study = dev.study
    chosen = choose(study, SOUGHT, search_methods(dev, vectors, SOUGHT, unsaid))[SURGICAL]
    plans = {code: chosen[code].plan(vectors, code, study.config.positions) for code in study.languages}
    parts = [gain_table(test, code, {SURGICAL: plan}, unsaid) for code, plan in plans.items()]
    cells = Cells(pd.concat(parts, ignore_index=True), study.resampling)
    rows = []
    for language in languages_of(cells):
        codes = cells.languages if language == MACRO else [language]
        row: dict[str, object] = {"language": language}
        for axis, metric in METRIC.items():
            row[f"dev_d_{metric}"] = float(np.mean([chosen[code].gains[axis] for code in codes]))
            row[f"p_d_{metric}"] = gain(cells, SURGICAL, language, f"p_{metric}").estimate
            change = gain(cells, SURGICAL, language, metric).interval
            row |= {f"d_{metric}": change.estimate, f"d_{metric}_lo": change.lo, f"d_{metric}_hi": change.hi}
        rows.append(row)
    return rows


def counted(table: pd.DataFrame) -> Mapping[str, dict[str, float]]:
    """Per kind of noise, over all languages: searches, and in how many dev or test's lower bound is above 0."""
    found: dict[str, dict[str, float]] = {}
    for kind, rows in table[table["language"] == MACRO].groupby("random", sort=False):
        dev = np.stack([rows[f"dev_d_{metric}"] for metric in ("transfer", "localization")])
        above = np.stack([rows[f"d_{metric}_lo"] > 0 for metric in ("transfer", "localization")])
        found[str(kind)] = {
            "searches": len(rows), "dev": int((dev > 0).any(axis=0).sum()), "transfer": int(above[0].sum()),
            "localization": int(above[1].sum()), "either": int(above.any(axis=0).sum()),
        }  # fmt: skip
    return found


def counted_lines(table: pd.DataFrame) -> list[str]:
    """The counts in sentences."""
    return [
        f"random {kind}: dev shows a gain in {n['dev']} of {n['searches']} searches; on test the lower bound of the "
        f"gain is above 0 in {n['either']} (transfer {n['transfer']}, localization {n['localization']})"
        for kind, n in counted(table).items()
    ]
