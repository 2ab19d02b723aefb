"""Searches over random vectors: what is found where there is nothing to find, and whether test sees through it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from interp.data.tasks import OptionMark, Role, Task
from interp.files import write_json
from interp.model.loading import LoadedModel
from interp.model.protocol import HookedModel
from interp.plane import Cells
from interp.progress import Stages, unsaid
from interp.rows import MACRO
from interp.steering.search import SearchSpace, Setting, share_grid
from interp.study.describing import described
from interp.study.fit import read_fit
from interp.study.fits import Fitted, Noise, plan_of
from interp.study.gains import gain, gain_table, languages_of
from interp.study.output import MANIFEST, draw_figures, run_folder, write_csv
from interp.study.paired import Pairs
from interp.study.prepare import prepare, with_model
from interp.study.resolve import Inputs
from interp.study.searching import Effort, Items, search, sides_of
from interp.study.tuning_config import TuneConfig

EFFORT = Effort(sides=12, pairs=8, finalists=4, varied=0, shares=(0.5, 0.5))
"""Of every search; 12 sides are the whole space below."""

KINDS = ("vectors", "vectors and roles")
"""What is random: the vectors, or also which of an item's options counts as right (as local)."""


@dataclass(frozen=True)
class NoiseResult:
    """What searches over noise leave behind."""

    folder: Path
    table: pd.DataFrame
    lines: list[str]


class ShuffledRoles(Items):
    """Items whose option that counts is drawn at random, the same one in every language: there is nothing to find."""

    def tasks(self, axis: str, code: str) -> list[Task]:
        """Prompts of the split; base is at chance on them, and no plan can be expected to change that."""
        if (axis, code) not in self._tasks:
            real = super().tasks(axis, code)
            self._tasks[axis, code] = [_shuffled(task, self.study.config.seed) for task in real]
        return self._tasks[axis, code]


def _shuffled(task: Task, seed: int) -> Task:
    from interp.data.draws import draw

    numbers = sorted({mark.index for mark in task.marks if mark.index >= 0})
    counts = numbers[draw(len(numbers), "role", str(seed), task.axis, task.prompt.item)]
    roles: tuple[Role, Role] = ("right", "wrong") if task.axis == "universal" else ("local", "other")

    def marked(mark: OptionMark) -> OptionMark:
        return replace(mark, role=roles[mark.index != counts])

    return replace(task, marks=tuple(marked(mark) for mark in task.marks))


def run_noise(
    config: TuneConfig,
    progress: Stages,
    model: HookedModel | LoadedModel | None = None,
    inputs: Inputs | None = None,
) -> NoiseResult:
    """`config.noise` searches, each over fresh random vectors; writes noise.csv and its figure.

    Vectors have the covariance of the residuals and the norm of the fitted EN and LOC. A search tries both alone at
    three layers and two strengths, then pairs, and chooses by the goal; test tells the gain of the choice with its
    interval. Arguments and errors as in `run_tune`.
    """
    config, loaded = with_model(config, model)
    with run_folder(config.folder, ["figures"]) as folder:
        begun = time.perf_counter()
        with progress.stage("loading", 1) as advance:
            study = prepare(config, loaded, inputs)
            advance(study.loaded.name)
        with progress.stage("reading residuals", 1) as advance:
            fit = read_fit(study)
            advance("fit")
        real = Fitted(study, Pairs(study, fit))
        layers = share_grid(study.n_layers, config.control_layers)
        space = SearchSpace(layers, (0.5, 1.0), ("mean",), (), ("add",), (config.positions,), (1,))
        rows = []
        with progress.stage("searching noise", config.noise * len(KINDS)) as advance:
            for seed in range(config.noise):
                fits = Noise(study, fit, real, seed)
                for kind in KINDS:
                    seeded = replace(study, config=replace(config, seed=seed))
                    make = Items if kind == KINDS[0] else ShuffledRoles
                    found = _one(make(seeded, "dev"), make(seeded, "test"), fits, space, config)
                    rows += [{"seed": seed, "random": kind} | row for row in found]
                    advance(f"seed {seed}")
        table = pd.DataFrame(rows)
        write_csv(folder / "noise.csv", table)
        write_json(folder / MANIFEST, described(study) | {"seconds": round(time.perf_counter() - begun, 2)})
        draw_figures(folder)
    return NoiseResult(config.folder, table, told(table))


def _one(dev: Items, test: Items, fits: Noise, space: SearchSpace, config: TuneConfig) -> list[dict[str, object]]:
    """One search in every language: gains on dev and on test, per language and over all."""
    sides = sides_of(space.sides("en"), space.sides("loc"))
    chosen: dict[str, Setting] = {}
    flattered: dict[str, tuple[float, float]] = {}
    parts = []
    for code in dev.study.languages:
        alone = dev.score(fits, sides, code, unsaid, EFFORT.shares[0], EFFORT.fewest)
        found = search(dev, fits, alone, code, config.rule, EFFORT, unsaid)
        chosen[code] = found.chosen
        at = found.final.settings.index(found.chosen)
        flattered[code] = float(found.final.gains[0][at]), float(found.final.gains[1][at])
        parts.append(gain_table(test, code, {"searched": plan_of(fits, found.chosen, code)}, unsaid))
    cells = Cells(pd.concat(parts, ignore_index=True), test.study.resampling_of("test"))
    rows = []
    for language in languages_of(cells):
        codes = cells.languages if language == MACRO else [language]
        row: dict[str, object] = {"language": language}
        for axis, metric in enumerate(("transfer", "localization")):
            row[f"dev_d_{metric}"] = float(np.mean([flattered[code][axis] for code in codes]))
            row[f"p_d_{metric}"] = gain(cells, "searched", language, f"p_{metric}").estimate
            change = gain(cells, "searched", language, metric).interval
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


def told(table: pd.DataFrame) -> list[str]:
    """The counts in sentences."""
    return [
        f"random {kind}: dev shows a gain in {n['dev']} of {n['searches']} searches; on test the lower bound is above "
        f"0 in {n['either']} (transfer {n['transfer']}, localization {n['localization']})"
        for kind, n in counted(table).items()
    ]
