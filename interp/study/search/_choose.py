"""Choose layers and strengths on dev: for every method, every pair of vectors and every control draw by one search."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from interp.data import Axis
from interp.plane import pareto
from interp.progress import Advance
from interp.steering import SteeringVectors, Strength
from interp.study.ask import Study
from interp.study.fit import FitResiduals, Vectors, random_vectors, shuffled_vectors
from interp.study.search._chosen import Chosen, Pair, Sought
from interp.study.search._design import FINALISTS, METHODS, Design
from interp.study.search._rounds import (
    AXES,
    Batch,
    SplitTasks,
    cautious,
    halve,
    mean_gain,
    score_candidates,
    searched,
    standing,
)

CONTROL_AXES: dict[Axis, str] = {"universal": "en", "cultural": "loc"}
"""Axis -> the method whose norm (random) or pairs (shuffled) its control draws take."""


def search_methods(dev: SplitTasks, vectors: Vectors, methods: Sought, advance: Advance) -> pd.DataFrame:
    """The rows (`interp.study.search.COLUMNS`) of all methods and pairs."""

    def make() -> pd.DataFrame:
        parts = [
            halve(dev, axis, {name: vectors[name] for name in names}, advance)
            for axis, names in methods.by_axis.items()
            if names
        ]
        rows = pd.concat(parts, ignore_index=True)
        return pd.concat([rows, *_pair_rows(dev, vectors, methods, rows, advance)], ignore_index=True)

    return dev.study.parts.frame(f"search/{METHODS}", make)


def search_controls(
    dev: SplitTasks, fit: FitResiduals, vectors: Vectors, control: str, advance: Advance
) -> pd.DataFrame:
    """The rows of all draws of a control, on both axes: the same rounds over the same grid as a method's."""
    study = dev.study

    def make() -> pd.DataFrame:
        parts = []
        for axis in CONTROL_AXES:
            by_language = {code: control_draws(study, fit, vectors, control, axis, code) for code in study.languages}
            several = {
                control_name(control, draw): {code: drawn[draw] for code, drawn in by_language.items()}
                for draw in range(study.design.draws)
            }
            parts.append(halve(dev, axis, several, advance))
        return pd.concat(parts, ignore_index=True)

    return study.parts.frame(f"search/{control}", make)


def control_draws(
    study: Study, fit: FitResiduals, vectors: Vectors, control: str, axis: Axis, code: str
) -> list[SteeringVectors]:
    """The vectors of a control's draws on an axis, in a language."""
    make = random_vectors if control == "random" else shuffled_vectors
    return make(study, fit, vectors, CONTROL_AXES[axis], study.design.draws, code)


def control_name(control: str, draw: int) -> str:
    """The row of a control's draw."""
    return f"{control}_{draw:02d}"


def choose(study: Study, methods: Sought, rows: pd.DataFrame) -> dict[str, dict[str, Chosen]]:
    """method -> language -> choice, from the rows of `search_methods`."""
    chosen: dict[str, dict[str, Chosen]] = {}
    for axis, names in methods.by_axis.items():
        for name in names:
            chosen[name] = {code: choose_one(study.design, rows, name, axis, code) for code in study.languages}
    for name, pair in methods.pairs.items():
        own = rows[rows["search"] == name]
        chosen[name] = {code: _chosen_pair(study, own, pair, code) for code in study.languages}
    return chosen


def choose_one(design: Design, rows: pd.DataFrame, search: str, axis: Axis, code: str) -> Chosen:
    """A search's choice in a language: its own where the design refines, else that of all languages together."""
    side = "en" if axis == "universal" else "loc"
    own = rows[(rows["search"] == search) & (rows["axis"] == axis)]
    last = own[own["round"] == own["round"].max()]
    alive = own[own[side].isin(last[side].unique())]
    cell = standing(alive, search, axis, code if design.refined else None)[0]
    gain = alive[(alive[side] == cell) & (alive["language"] == code)]["gain"].mean()
    return Chosen(((search, *design.cells[cell]),), {axis: float(gain)})


def _pair_rows(
    dev: SplitTasks, vectors: Vectors, methods: Sought, rows: pd.DataFrame, advance: Advance
) -> Iterator[pd.DataFrame]:
    design, positions = dev.study.design, dev.study.config.positions
    number, stop = len(design.rounds) - 1, searched(dev.study)
    for name, pair in methods.pairs.items():
        for code in dev.study.languages:
            cells = finalists(design, pair, rows, code if design.refined else None)
            plans = [Chosen(_steers(design, pair, each), {}).plan(vectors, code, positions) for each in cells]
            candidates = [(name, en, loc, plan) for (en, loc), plan in zip(cells, plans, strict=True)]
            for axis in AXES:
                tasks = dev.tasks(axis, code)[:stop]
                yield score_candidates(dev, axis, code, candidates, Batch(number, 0, tasks), advance)


def _steers(design: Design, pair: Pair, cells: tuple[int, int]) -> tuple[tuple[str, int, Strength], ...]:
    en, loc = cells
    return (pair.en, *design.cells[en]), (pair.loc, *design.cells[loc])


def finalists(design: Design, pair: Pair, rows: pd.DataFrame, language: str | None) -> list[tuple[int, int]]:
    """Cells of EN and LOC that are tried together: FINALISTS of each, over all languages or in one.

    Where LOC must be deeper, each EN cell is tried with the best of the deeper cells, and one without any is left out.
    Where no cell has any, the best of both are tried.
    """
    en = standing(rows, pair.en, "universal", language)
    loc = standing(rows, pair.loc, "cultural", language)
    if not pair.deeper:
        return [(a, b) for a in en[:FINALISTS] for b in loc[:FINALISTS]]
    depth = [layer for layer, _ in design.cells]
    pairs = []
    for a in en:
        deeper = [b for b in loc if depth[b] > depth[a]][:FINALISTS]
        pairs += [(a, b) for b in deeper]
        if len({first for first, _ in pairs}) == FINALISTS:
            break
    return pairs or [(en[0], loc[0])]


def _chosen_pair(study: Study, own: pd.DataFrame, pair: Pair, code: str) -> Chosen:
    """The pair that the run's goal prefers, by its gains over all languages or, where the design refines, in one."""
    tried, gains, means = _pair_gains(study.design, own, code)
    best = int(np.argmax(study.config.rule.rank(gains[:, 0], gains[:, 1], (means[:, 0], means[:, 1]))))
    return _as_chosen(study.design, own, pair, code, tried[best])


def fronts(study: Study, methods: Sought, rows: pd.DataFrame) -> dict[str, dict[str, Chosen]]:
    """`front_00`, `front_01`, ... -> language -> a pair of EN and LOC that no other beats on both axes, by transfer."""
    pair, own = methods.pairs["surgical"], rows[rows["search"] == "surgical"]
    front: dict[str, dict[str, Chosen]] = {}
    for code in study.languages:
        tried, gains, _ = _pair_gains(study.design, own, code)
        order = np.argsort(gains[:, 0], kind="stable")
        for number, place in enumerate(order[pareto(gains)[order]]):
            chosen = _as_chosen(study.design, own, pair, code, tried[place])
            front.setdefault(f"front_{number:02d}", {})[code] = chosen
    return front


def _pair_gains(design: Design, own: pd.DataFrame, code: str) -> tuple[list[tuple[int, int]], np.ndarray, np.ndarray]:
    """The pairs that were tried in a language, and what each gains on both axes: as choices go by it, and on average.

    Choices go by the `cautious` gain; a bound on what may be lost holds for the average.
    """
    judged = own[own["language"] == code] if design.refined else own
    by = ["en", "loc", "axis"]
    # As they were tried, so that of equals the earlier one is taken.
    tried = own[own["language"] == code][["en", "loc"]].drop_duplicates()
    pairs = [(int(en), int(loc)) for en, loc in tried.itertuples(index=False)]
    gains, means = (
        rule(judged, by).unstack("axis").loc[pairs][list(AXES)].to_numpy() for rule in (cautious, mean_gain)
    )
    return pairs, gains, means


def _as_chosen(design: Design, own: pd.DataFrame, pair: Pair, code: str, cells: tuple[int, int]) -> Chosen:
    en, loc = cells
    rows = own[(own["language"] == code) & (own["en"] == en) & (own["loc"] == loc)]
    gains: dict[str, float] = {axis: float(rows[rows["axis"] == axis]["gain"].mean()) for axis in AXES}
    return Chosen(_steers(design, pair, cells), gains)


def plans_tried(design: Design, languages: int, searches: int) -> int:
    """How many plans `halve` scores for searches on one axis, in all languages."""
    cells, total = len(design.cells), 0
    for each in design.rounds:
        total += cells * languages * searches
        cells = min(cells, each.kept)
    return total


def method_steps(study: Study, methods: Sought) -> int:
    """How many plans `search_methods` scores on dev."""
    languages = len(study.languages)
    single = plans_tried(study.design, languages, len(methods.universal) + len(methods.cultural))
    return single + 2 * FINALISTS**2 * languages * len(methods.pairs)


def control_steps(study: Study) -> int:
    """How many plans `search_controls` scores on dev."""
    return plans_tried(study.design, len(study.languages), study.design.draws * len(CONTROL_AXES))
