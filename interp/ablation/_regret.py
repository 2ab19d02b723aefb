"""What a choice is worth on test beside the best there, and how far dev flattered it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from interp.names import BASE, MACRO
from interp.plane import Cells
from interp.steering import Goal
from interp.study.search import gain
from probes import expanded_level, percentile_interval

AXIS_METRICS = ("transfer", "localization")
HALVES = 50
"""Random halves of the test clusters that `regret_crossed` is the mean over."""

ORACLE = "oracle"
Draws = Float[np.ndarray, "draw"]


def best_on_test(cells: Cells, goal: Goal, methods: Sequence[str], language: str) -> str:
    """The oracle's choice: of `methods` the one that the goal prefers on test, the earlier of equals."""
    found = [[gain(cells, m, language, metric).estimate for m in methods] for metric in AXIS_METRICS]
    return methods[int(np.argmax(goal.rank(np.array(found[0]), np.array(found[1]))))]


def regret_table(
    test: Cells, dev: Cells, goal: Goal, plans: Sequence[str], finalists: Mapping[str, Sequence[str]], seed: int
) -> pd.DataFrame:
    """The rows of `regret.csv`: per plan and language, and `macro`.

    finalists: language -> methods that the oracle chooses among (the plans with them). Columns, those marked * with _lo
    and _hi: d_transfer*, d_localization* (test), objective* (the goal's, of the test gains; for `macro` the mean over
    languages), regret* (the oracle's objective minus the plan's; the oracle is chosen on the very items that it is
    scored on, which makes regret too large), regret_crossed (the oracle chosen on one random half of the test clusters,
    both scored on the other: mean over HALVES halves), allowed (whether the plan keeps the goal's bound on test),
    optimism_transfer*, optimism_localization* (dev gain minus test gain, in the mean probability that choices go by).
    """
    languages = list(test.languages)
    oracle = {code: best_on_test(test, goal, [*plans, *finalists[code]], code) for code in languages}
    crossed = _crossed(test, goal, plans, finalists, seed)
    rows = []
    for plan in (*plans, ORACLE):
        own = {code: oracle[code] if plan == ORACLE else plan for code in languages}
        worth = {code: _objective(test, goal, own[code], code) for code in languages}
        best = {code: _objective(test, goal, oracle[code], code) for code in languages}
        for language in (*languages, MACRO):
            codes = languages if language == MACRO else [language]
            row: dict[str, object] = {"plan": plan, "language": language}
            level = {metric: _level([test], language, [metric]) for metric in AXIS_METRICS}
            both = _level([test], language)
            for metric in AXIS_METRICS:
                row |= _bounded(f"d_{metric}", _mean([_gain(test, own[c], c, metric) for c in codes]), level[metric])
            row |= _bounded("objective", _mean([worth[c] for c in codes]), both)
            lost = [(best[c][0] - worth[c][0], best[c][1] - worth[c][1]) for c in codes]
            row |= _bounded("regret", _mean(lost), both)
            row["regret_crossed"] = np.nan if plan == ORACLE else float(np.mean([crossed[c][plan] for c in codes]))
            row["allowed"] = bool(np.all([_allowed(test, goal, own[c], c) for c in codes]))
            if plan != ORACLE:
                for metric in AXIS_METRICS:
                    flattered = [_flattered(dev, test, plan, c, f"p_{metric}") for c in codes]
                    row |= _bounded(f"optimism_{metric}", _mean(flattered), _level([dev, test], language, [metric]))
            rows.append(row)
    return pd.DataFrame(rows)


def _gain(cells: Cells, method: str, language: str, metric: str) -> tuple[float, Draws]:
    found = gain(cells, method, language, metric)
    return found.estimate, found.draws


def _objective(cells: Cells, goal: Goal, method: str, language: str) -> tuple[float, Draws]:
    (t, t_draws), (loc, loc_draws) = (_gain(cells, method, language, metric) for metric in AXIS_METRICS)
    return float(goal.objective(np.array(t), np.array(loc))), goal.objective(t_draws, loc_draws)


def _allowed(cells: Cells, goal: Goal, method: str, language: str) -> bool:
    t, loc = (gain(cells, method, language, metric).estimate for metric in AXIS_METRICS)
    return bool(goal.allowed(np.array(t), np.array(loc)))


def _flattered(dev: Cells, test: Cells, plan: str, language: str, metric: str) -> tuple[float, Draws]:
    """Dev gain minus test gain; the two splits are drawn apart."""
    (a, a_draws), (b, b_draws) = _gain(dev, plan, language, metric), _gain(test, plan, language, metric)
    return a - b, a_draws - b_draws


def _mean(parts: Sequence[tuple[float, Draws]]) -> tuple[float, Draws]:
    return float(np.mean([value for value, _ in parts])), np.mean([draws for _, draws in parts], axis=0)


def _bounded(name: str, found: tuple[float, Draws], level: float) -> dict[str, object]:
    lo, hi = percentile_interval(found[1], level)
    return {name: found[0], f"{name}_lo": float(lo), f"{name}_hi": float(hi)}


def _level(several: Sequence[Cells], language: str, metrics: Sequence[str] = AXIS_METRICS) -> float:
    """The level for intervals of what several metrics make together: that of the one with the fewest clusters."""
    counts = [int(cells.measured(BASE, language, metric).sum()) for cells in several for metric in metrics]
    return expanded_level(max(2, min(counts)))


def _crossed(
    cells: Cells, goal: Goal, plans: Sequence[str], finalists: Mapping[str, Sequence[str]], seed: int
) -> dict[str, dict[str, float]]:
    """language -> plan -> regret against an oracle that is chosen on other clusters than those it is scored on."""
    halves = _halves(cells, seed)
    found: dict[str, dict[str, float]] = {}
    for code in cells.languages:
        methods = [*plans, *finalists[code]]
        first, second = ([_half_gains(cells, methods, code, metric, side) for metric in AXIS_METRICS]
                         for side in (halves, ~halves))  # fmt: skip
        lost = []
        for chosen_on, scored_on in ((first, second), (second, first)):
            best = goal.rank(chosen_on[0], chosen_on[1]).argmax(axis=1)
            worth = goal.objective(*scored_on)
            lost.append(worth[np.arange(len(best)), best][:, None] - worth[:, : len(plans)])
        found[code] = dict(zip(plans, np.mean(lost, axis=(0, 1)).tolist(), strict=True))
    return found


def _halves(cells: Cells, seed: int) -> Bool[np.ndarray, "half cluster"]:
    """Random halves of each axis' clusters."""
    axes = np.array([axis for axis, _ in cells.resampling.clusters])
    rng = np.random.default_rng((seed, 11))
    found = np.zeros((HALVES, len(axes)), dtype=bool)
    for axis in dict.fromkeys(axes.tolist()):
        here = np.flatnonzero(axes == axis)
        for half in found:
            half[rng.permutation(here)[: len(here) // 2]] = True
    return found


def _half_gains(
    cells: Cells, methods: Sequence[str], language: str, metric: str, halves: Bool[np.ndarray, "half cluster"]
) -> Float[np.ndarray, "half method"]:
    """Gains on the clusters of each half."""

    def means(method: str) -> np.ndarray:
        sums, counts = cells.sums(method, language, metric)
        return np.asarray((halves @ sums) / np.maximum(halves @ counts, 1))

    base = means(BASE)
    return np.stack([means(method) - base for method in methods], axis=1)
