"""How often the plane's 95% intervals hold a difference that is known, and how often its tests find one that is not there.

`uv run --group dev pytest -m slow tests/validation/test_coverage.py -n 0 -s` prints the tables of docs/statistics.md. Shares of 2,000
data sets have an error of 0.005.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.validation.clustered import (
    LARGE,
    LOCALIZATION,
    MEANS,
    NULL,
    SLIGHT,
    TRANSFER,
    Design,
    Population,
    coverage,
    effect,
    false_positives,
    of_size,
    table,
)

DESIGNS = {"transfer": TRANSFER, "localization": LOCALIZATION}
POPULATIONS = {"large": LARGE, "slight": SLIGHT}


@pytest.mark.parametrize("population", POPULATIONS.values(), ids=POPULATIONS)
def test_the_true_difference_is_that_of_a_large_sample(population: Population) -> None:
    data = table(Design("transfer", (1,) * 12_000), population, seed=0)
    means = data.groupby("method")["transfer"].mean()
    assert len(MEANS) == data["language"].nunique()
    assert means["m"] - means["base"] == pytest.approx(population.truth, abs=0.009)
    assert NULL.truth == pytest.approx(0.0, abs=1e-12)


def test_the_designs_have_the_organisms_sizes() -> None:
    assert (len(TRANSFER.sizes), sum(TRANSFER.sizes)) == (182, 285)
    assert (len(LOCALIZATION.sizes), sum(LOCALIZATION.sizes)) == (21, 108)
    assert len(effect(TRANSFER, LARGE, 0, 10).contributions) == 182
    assert len(effect(LOCALIZATION, LARGE, 0, 10).contributions) == 21


def test_clusters_make_intervals_cover() -> None:
    """100 data sets: an error of 0.022 at 0.95. Rows taken for independent are far off."""
    assert 0.88 <= coverage(of_size(40), LARGE, 100, 300) <= 0.99
    assert coverage(of_size(40), LARGE, 100, 300, "row") < 0.85


def test_no_effect_is_seldom_found() -> None:
    """100 data sets with 4 methods of which none differs from base: by three errors of 0.022."""
    assert max(false_positives(of_size(12), NULL, 100, methods=4)) <= 0.115


@pytest.mark.slow
@pytest.mark.parametrize("population", POPULATIONS)
def test_transfer_intervals_cover(population: str) -> None:
    found = coverage(TRANSFER, POPULATIONS[population], 2000)
    print(f"\ntransfer, {population}: {found:.3f}")
    assert 0.93 <= found <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("population", POPULATIONS)
def test_localization_intervals_cover(population: str) -> None:
    found = coverage(LOCALIZATION, POPULATIONS[population], 2000)
    print(f"\nlocalization, {population}: {found:.3f}")
    assert 0.93 <= found <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("metric", DESIGNS)
def test_smaller_units_than_clusters_do_not_cover(metric: str) -> None:
    """Items taken for independent fall short where clusters hold several; (item, language) rows fall far short."""
    item, row = (coverage(DESIGNS[metric], LARGE, 500, 500, unit) for unit in ("item", "row"))
    print(f"\n{metric}, by item {item:.3f}, by row {row:.3f}")
    assert row < item < 0.93
    assert row < 0.80


@pytest.mark.slow
@pytest.mark.parametrize("n_clusters", [8, 15, 30, 60])
def test_few_clusters_cover_less(n_clusters: int) -> None:
    found = {name: coverage(of_size(n_clusters), population, 2000) for name, population in POPULATIONS.items()}
    print(f"\n{n_clusters} clusters: " + ", ".join(f"{name} {share:.3f}" for name, share in found.items()))
    low = {8: 0.91, 15: 0.92, 30: 0.92, 60: 0.93}[n_clusters]
    assert low <= min(found.values()) <= max(found.values()) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(("metric", "runs"), [("transfer", 500), ("localization", 1000)])
def test_no_effect_is_found_in_five_percent(metric: str, runs: int) -> None:
    """One p-value, and the smallest of eight adjusted ones, are at most 0.05 in no more than 5%, by three errors."""
    one, any_of_eight = false_positives(DESIGNS[metric], NULL, runs, methods=8)
    print(f"\n{metric}: one test {one:.3f}, any of eight by Holm {any_of_eight:.3f}")
    assert max(one, any_of_eight) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
