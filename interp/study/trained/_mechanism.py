"""A trained model's shift from its base: how much of it is EN and LOC, and what undoing it restores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
import torch

from interp.data import Task
from interp.model.read import read_residuals
from interp.names import BASE, MACRO
from interp.plane import Cells, estimate, outcomes
from interp.progress import Advance
from interp.steering import Plan
from interp.steering.engine import Patch, check_comparable, score_patched
from interp.study.ask import ScoreTables, Study, score_tasks
from interp.study.fit import FitResiduals, Vectors, control_seed
from probes import Frame, Measured, columns, mean, measure, random_directions

DIRECTIONS = 20
"""Random directions that the shares are compared with."""

PATCHED_DIRECTIONS = 5
"""How many of them are also undone."""

OWN_PROMPTS = ("bytes", "sum", "mean")
"""Normalisations that score the tasks' own prompts, and nothing else: what patched scoring works on."""

TRAINED = "trained"

PARTS = ("", "_en", "_loc", "_rest")
"""What is undone: the whole shift, or its part along EN, along what of LOC is orthogonal to EN, or outside of both."""


def mechanism_steps(study: Study) -> int:
    """How far `mechanism_table` advances."""
    return len(study.languages) * (3 + len(patched_layers(study)) * patches_per_layer(study))


def mechanism_table(
    base: Study, trained: Study, vectors: Vectors, method: str, fit: FitResiduals, advance: Advance
) -> pd.DataFrame:
    """One row per layer and language, and `macro`, for a trained model against its base.

    The studies differ in their model alone; `vectors` (`en`, `loc`) and `fit` are the base's. All is measured on the
    implicit cultural test prompts that are scored. Columns:

    - those of `shifts.columns`: the shift at the last prompt token, over the base's median residual norm of the fit
      split, in parts, beside random directions with the covariance of the base's residuals.
    - localization_base, localization_trained, erasure (base minus trained).
    - restored: what localization gains when the shift after the block is undone at every position; restored_en, _loc,
      _rest: when only that part is; restored_random: the median over directions at random. NaN after blocks that are
      not patched (see `patched_layers`), and under a normalisation that scores other prompts than the tasks' own (see
      OWN_PROMPTS).

    All but `common` and `_above_random` have `_lo` and `_hi`: paired bootstrap over clusters. Raises ValueError for
    models that can't be compared (see `check_comparable`).
    """
    check_comparable(base.loaded.model, trained.loaded.model)
    shifts: dict[str, list[Measured]] = {}
    scored: list[pd.DataFrame] = []
    for code in base.languages:
        tasks = base.cultural_tasks(code, "test")
        advance(f"shift {code}")
        frames, norms = _frames(base, vectors, fit, code)
        shifts[code] = _shifts(base, trained, tasks, frames, norms)
        scored += _scores(base, trained, tasks, frames, code, advance)
    cells = Cells(outcomes(pd.concat(scored, ignore_index=True), base.config.normalisation), base.resampling)
    rows = []
    for layer in range(base.n_layers):
        by_language = {code: measured[layer] for code, measured in shifts.items()}
        for code, shift in (by_language | {MACRO: mean(list(by_language.values()))}).items():
            place = {"method": method, "layer": layer, "language": code}
            rows.append(place | columns(shift) | _restored(cells, layer, code))
    return pd.DataFrame(rows)


def patched_layers(study: Study) -> tuple[int, ...]:
    """After which blocks the shift is undone: those of the design's grid, and the last."""
    return (*study.design.layers, study.n_layers - 1)


def patches_per_layer(study: Study) -> int:
    """How many patches are scored after each of these blocks."""
    return len(PARTS) + PATCHED_DIRECTIONS if study.config.normalisation in OWN_PROMPTS else 0


def _frames(study: Study, vectors: Vectors, fit: FitResiduals, code: str) -> tuple[list[Frame], list[float]]:
    """Directions and median residual norm after every block, from the fit split."""
    residuals = torch.cat([fit.universal[code], fit.implicit[code]], dim=1)[1:].double().numpy()
    en, loc = (vectors[name][code].vectors.double().numpy() for name in ("en", "loc"))
    frames = [
        Frame.of(
            en[layer], loc[layer],
            random_directions(samples, DIRECTIONS, seed=control_seed(study, code, layer, "mechanism")),
        )
        for layer, samples in enumerate(residuals)
    ]  # fmt: skip
    return frames, [float(np.median(np.linalg.norm(samples, axis=1))) for samples in residuals]


def _shifts(
    base: Study, trained: Study, tasks: Sequence[Task], frames: Sequence[Frame], norms: Sequence[float]
) -> list[Measured]:
    """The shift at the prompts' last tokens after every block."""
    before, after = (
        read_residuals(study.loaded.model, base.ids(task.prompt.text for task in tasks), **study.passes)[1:].double()
        for study in (base, trained)
    )
    places = {cluster: place for place, cluster in enumerate(base.resampling.clusters)}
    clusters = np.array([places["cultural", task.cluster] for task in tasks])
    return [
        measure(shift, frame, norm, clusters, base.resampling.weights)
        for shift, frame, norm in zip((after - before).cpu().numpy(), frames, norms, strict=True)
    ]


def _scores(
    base: Study, trained: Study, tasks: list[Task], frames: Sequence[Frame], code: str, advance: Advance
) -> list[pd.DataFrame]:
    """Scores of both models, and of the trained one under every patch; methods are named by `_name`."""
    parts = []
    for study, name in ((base, BASE), (trained, TRAINED)):
        scores = score_tasks(study, tasks, [Plan()], partial(advance, f"{name} {code}"))
        parts.append(ScoreTables(tasks, scores).table(0, name))
    if not patches_per_layer(base):
        return parts
    patches: dict[str, Patch] = {}
    for layer in patched_layers(base):
        patches |= {_name(part, layer): patch for part, patch in _patches(layer, frames[layer]).items()}
    patched = score_patched(
        base.loaded.model, trained.loaded.model, [task.prompt for task in tasks], list(patches.values()),
        engine=base.config.engine, tokens=base.tokens, progress=partial(advance, f"patches {code}"), **base.passes,
    )  # fmt: skip
    tables = ScoreTables(tasks, patched)
    return [*parts, *(tables.table(number, name) for number, name in enumerate(patches))]


def _patches(layer: int, frame: Frame) -> Mapping[str, Patch]:
    """What is undone after a block, by the part's name."""
    en, loc, random = (
        torch.from_numpy(rows[np.linalg.norm(rows, axis=1) > 0]).float()
        for rows in (frame.en[None], frame.loc_apart[None], frame.random[:PATCHED_DIRECTIONS])
    )
    return {
        "": Patch(layer),
        "_en": Patch(layer, en),
        "_loc": Patch(layer, loc),
        "_rest": Patch(layer, torch.cat([en, loc]), outside=True),
        **{_random(number): Patch(layer, row[None]) for number, row in enumerate(random)},
    }


def _random(number: int) -> str:
    return f"_random{number}"


def _name(part: str, layer: int) -> str:
    return f"restored{part}@{layer}"


def _restored(cells: Cells, layer: int, code: str) -> dict[str, float]:
    """Localization of both models, and what each patch of a layer restores of it."""
    effects: dict[str, tuple[Sequence[str], str | None]] = {
        "localization_base": ([BASE], None),
        "localization_trained": ([TRAINED], None),
        "erasure": ([BASE], TRAINED),
        **{f"restored{part}": ([_name(part, layer)], TRAINED) for part in PARTS},
        "restored_random": ([_name(_random(number), layer) for number in range(PATCHED_DIRECTIONS)], TRAINED),
    }
    row: dict[str, float] = {}
    for column, (methods, minus) in effects.items():
        interval = estimate(cells, methods, code, "localization", minus=minus)
        row |= {column: interval.estimate, f"{column}_lo": interval.lo, f"{column}_hi": interval.hi}
    return row
