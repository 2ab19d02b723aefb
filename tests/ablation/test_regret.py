"""Regret and optimism on outcomes whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from interp.ablation._regret import best_on_test, regret_table
from interp.names import BASE, MACRO
from interp.plane import Cells, Resampling
from interp.steering import Goal

GOAL = Goal("balanced")


def cells_of(means: dict[str, tuple[float, float]], n: int = 40, languages: tuple[str, ...] = ("el",), seed: int = 0):
    """Outcomes of methods with given (transfer, localization), exact where n times the mean is whole, else drawn."""
    rng = np.random.default_rng(seed)
    rows = []
    for method, axes in means.items():
        for axis, metric, mean in zip(("universal", "cultural"), ("transfer", "localization"), axes, strict=True):
            for language in languages:
                whole = abs(n * mean - round(n * mean)) < 1e-9
                right = np.arange(n) < round(n * mean) if whole else rng.random(n) < mean
                for item in range(n):
                    rows.append(
                        {"method": method, "axis": axis, "cue": "none", "language": language, "item": str(item),
                         "cluster": str(item), metric: float(right[item]), f"p_{metric}": float(right[item])}
                    )  # fmt: skip
    table = pd.DataFrame(rows)
    clusters = {axis: [str(i) for i in range(n)] for axis in ("universal", "cultural")}
    return Cells(table, Resampling.over(clusters, 300, 0))


KNOWN = {BASE: (0.5, 0.5), "plan": (0.55, 0.6), "finalist 0": (0.7, 0.6), "finalist 1": (0.9, 0.4)}


def test_the_oracle_is_the_goals_best_on_test_and_regret_is_what_it_is_ahead() -> None:
    cells = cells_of(KNOWN)
    assert best_on_test(cells, GOAL, ["plan", "finalist 0", "finalist 1"], "el") == "finalist 0"
    table = regret_table(cells, cells, GOAL, ["plan"], {"el": ["finalist 0", "finalist 1"]}, 0).set_index(
        ["plan", "language"]
    )
    own, oracle = 2 * 0.05 * 0.1 / 0.15, 2 * 0.2 * 0.1 / 0.3
    assert table.loc[("plan", "el"), "objective"] == pytest.approx(own)
    assert table.loc[("oracle", "el"), "objective"] == pytest.approx(oracle)
    assert table.loc[("plan", MACRO), "regret"] == pytest.approx(oracle - own)
    assert table.loc[("oracle", "el"), "regret"] == 0
    assert table.loc[("plan", "el"), "regret_lo"] <= oracle - own <= table.loc[("plan", "el"), "regret_hi"]


def test_a_bound_is_told_where_test_breaks_it() -> None:
    cells = cells_of(KNOWN)
    table = regret_table(cells, cells, Goal("transfer", max_erasure=0.01), ["finalist 1", "plan"], {"el": []}, 0)
    allowed = table.set_index(["plan", "language"])["allowed"]
    assert not allowed[("finalist 1", "el")]
    assert allowed[("plan", "el")]


def test_optimism_is_dev_minus_test() -> None:
    dev = cells_of({BASE: (0.5, 0.5), "plan": (0.65, 0.5)})
    table = regret_table(cells_of(KNOWN), dev, GOAL, ["plan"], {"el": []}, 0).iloc[0]
    assert table["optimism_transfer"] == pytest.approx(0.10)
    assert table["optimism_localization"] == pytest.approx(-0.10)
    assert table["optimism_transfer_lo"] < 0.10 < table["optimism_transfer_hi"]


def test_where_all_plans_are_alike_regret_is_flattered_and_its_crossed_form_is_not() -> None:
    """30 plans of one true worth: the best on test looks better than any of them is."""
    plain, crossed = [], []
    for seed in range(12):
        means = {BASE: (0.5, 0.5), "plan": (0.601, 0.601)} | {f"finalist {i}": (0.601, 0.601) for i in range(30)}
        cells = cells_of(means, n=60, seed=seed)
        row = regret_table(cells, cells, GOAL, ["plan"], {"el": [f"finalist {i}" for i in range(30)]}, seed).iloc[0]
        plain.append(row["regret"])
        crossed.append(row["regret_crossed"])
    assert np.mean(plain) > 0.06
    assert abs(np.mean(crossed)) < 0.03
