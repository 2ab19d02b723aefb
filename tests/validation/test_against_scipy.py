"""Intervals and p-values against scipy, which resamples in its own way, and against answers written out."""

from __future__ import annotations

from itertools import chain, combinations, product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from interp.names import BASE, MACRO
from probes import (
    Interval,
    cluster_sums,
    cluster_weights,
    holm,
    mean_interval,
    percentile_interval,
    ratio_draws,
    sign_flip_test,
)
from probes._intervals import expanded_level
from probes._student import effective_clusters
from tests.validation.clustered import LARGE, LOCALIZATION, SLIGHT, Design, cells, of_size, table

DRAWS = 20_000


def assert_agree(found: Interval, oracle: stats.bootstrap) -> None:
    """Bounds within a tenth of a standard error: that is four errors of two 2.5% quantiles of 20,000 draws."""
    near = 0.1 * oracle.standard_error
    assert found.lo == pytest.approx(oracle.confidence_interval.low, abs=near)
    assert found.hi == pytest.approx(oracle.confidence_interval.high, abs=near)


def test_equal_clusters_are_a_bootstrap_of_their_means() -> None:
    rng = np.random.default_rng(0)
    values = rng.gamma(2.0, size=(25, 1)) + rng.normal(size=(25, 6))
    oracle = stats.bootstrap((values.mean(axis=1),), np.mean, n_resamples=DRAWS, method="percentile", rng=1,
                             confidence_level=expanded_level(25))  # fmt: skip
    assert_agree(mean_interval(values.ravel(), np.repeat(np.arange(25), 6), DRAWS), oracle)


def test_unequal_clusters_are_a_bootstrap_of_the_ratio_of_sums() -> None:
    rng = np.random.default_rng(2)
    clusters = np.repeat(np.arange(30), rng.integers(1, 12, size=30))
    values = rng.normal(size=30)[clusters] + 0.1 * clusters + rng.normal(size=len(clusters))
    sums, counts = np.bincount(clusters, values), np.bincount(clusters)
    oracle = stats.bootstrap(
        (sums, counts), lambda top, bottom, axis: top.sum(axis) / bottom.sum(axis),
        paired=True, vectorized=True, n_resamples=DRAWS, method="percentile", rng=3,
        confidence_level=expanded_level(float(effective_clusters(counts))),
    )  # fmt: skip
    assert_agree(mean_interval(values, clusters, DRAWS), oracle)


def test_draws_have_the_distribution_of_all_resamples() -> None:
    """Three clusters can be drawn in 27 ways."""
    values, clusters = np.array([1.0, 0.0, 0.0, 1.0, 1.0, 1.0]), np.array([0, 1, 1, 1, 2, 2])
    rows = [values[clusters == number] for number in range(3)]
    exact = [np.concatenate([rows[number] for number in drawn]).mean() for drawn in product(range(3), repeat=3)]
    grouped = cluster_sums(values, clusters)
    draws = ratio_draws(grouped.sums, grouped.counts, cluster_weights(3, DRAWS))
    ways = pd.Series(np.round(exact, 9)).value_counts()
    found = pd.Series(np.round(draws, 9)).value_counts().reindex(ways.index)
    assert found.sum() == DRAWS
    assert stats.chisquare(found, ways * DRAWS / 27).pvalue > 0.001


def test_two_opposite_clusters() -> None:
    """A quarter of the resamples is each of the two clusters alone: the interval reaches from one to the other."""
    values, clusters = np.array([1.0, 1.0, -1.0, -1.0]), np.array([0, 0, 1, 1])
    assert mean_interval(values, clusters) == Interval(0.0, -1.0, 1.0)
    assert sign_flip_test(values, clusters) == 1.0
    assert sign_flip_test(np.abs(values), clusters) == 2 / 2**2


@pytest.mark.parametrize(
    "design", [of_size(25), LOCALIZATION, Design("transfer", (1, 2, 3) * 10, asked=0.6, silent=12)]
)
def test_the_planes_paired_difference_is_a_paired_bootstrap(design: Design) -> None:
    """scipy draws clusters as columns of 18 paired samples: each language's sums of both methods, and its counts."""
    data = table(design, LARGE, seed=4)
    made = cells(data, design, 0, DRAWS)
    found = made.effect({"m": 1.0, BASE: -1.0}, MACRO, design.metric)
    labels = [cluster for _, cluster in made.resampling.clusters]
    grouped = data.groupby(["method", "language", "cluster"])[design.metric]
    sums, counts = (
        part.unstack("cluster").reindex(columns=labels).fillna(0) for part in (grouped.sum(), grouped.count())
    )

    def difference(*samples: np.ndarray, axis: int) -> np.ndarray:
        steered, base, asked = (np.stack([part.sum(axis) for part in samples[start::3]]) for start in range(3))
        return ((steered - base) / asked).mean(axis=0)

    samples = [
        part.to_numpy()
        for code in made.languages
        for part in (sums.loc["m", code], sums.loc[BASE, code], counts.loc[BASE, code])
    ]
    oracle = stats.bootstrap(
        samples,
        difference,
        paired=True,
        vectorized=True,
        n_resamples=DRAWS,
        method="percentile",
        rng=5,
        batch=1000,
        confidence_level=expanded_level(len(found.contributions)),
    )
    assert found.estimate == pytest.approx(difference(*samples, axis=-1))
    assert_agree(found.interval, oracle)


def test_the_planes_p_value_swaps_the_methods_of_whole_clusters() -> None:
    """scipy swaps m and base within each of 12 clusters, in all 4,096 ways."""
    design = of_size(12)
    data = table(design, SLIGHT, seed=6)
    size = data.groupby(["method", "language"])[design.metric].transform("size")
    shares = (data[design.metric] / size / data["language"].nunique()).groupby([data["method"], data["cluster"]]).sum()
    oracle = stats.permutation_test(
        (shares["m"], shares[BASE]), lambda a, b, axis: (a - b).sum(axis),
        permutation_type="samples", n_resamples=np.inf, vectorized=True,
    )  # fmt: skip
    found = cells(data, design, 0, 10).effect({"m": 1.0, BASE: -1.0}, MACRO, design.metric)
    assert 0.01 < oracle.pvalue < 0.9
    assert found.p_value(seed=0) == pytest.approx(oracle.pvalue)


@pytest.mark.parametrize("alternative", ["two-sided", "greater"])
def test_drawn_sign_flips_of_clusters_match_scipys(alternative: str) -> None:
    """Two p-values of 10,000 draws lie within four of their errors."""
    rng = np.random.default_rng(7)
    clusters = np.repeat(np.arange(40), rng.integers(1, 8, size=40))
    values = 0.3 + rng.normal(size=40)[clusters] + rng.normal(size=len(clusters))
    oracle = stats.permutation_test(
        (np.bincount(clusters, values),), np.sum, permutation_type="samples", n_resamples=10_000,
        alternative=alternative, rng=8,
    ).pvalue  # fmt: skip
    assert 0.01 < oracle < 0.9
    assert sign_flip_test(values, clusters, alternative=alternative) == pytest.approx(
        oracle, abs=4 * np.sqrt(2 * oracle * (1 - oracle) / 10_000)
    )


def test_holm_is_the_closure_of_bonferroni() -> None:
    """A hypothesis falls where every set of hypotheses with it does, each by Bonferroni's rule (Marcus et al. 1976)."""
    for seed in range(20):
        p = np.round(np.random.default_rng(seed).beta(0.4, 2.0, size=7), 2)
        others = [[j for j in range(7) if j != i] for i in range(7)]
        closed = [
            max(
                min(1.0, (1 + len(rest)) * min([p[i], *p[list(rest)]]))
                for rest in chain.from_iterable(combinations(others[i], size) for size in range(7))
            )
            for i in range(7)
        ]
        np.testing.assert_allclose(holm(p), closed)


def test_an_interval_at_another_level_is_that_of_scipy() -> None:
    values = np.random.default_rng(9).normal(size=50)
    draws = ratio_draws(values, np.ones(50), cluster_weights(50, DRAWS))
    oracle = stats.bootstrap((values,), np.mean, n_resamples=DRAWS, method="percentile", confidence_level=0.8, rng=10)
    lo, hi = percentile_interval(draws, level=0.8)
    assert_agree(Interval(float(values.mean()), float(lo), float(hi)), oracle)
