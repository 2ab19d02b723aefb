import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import probes
from probes import (
    Interval,
    cluster_sums,
    cluster_weights,
    holm,
    mean_interval,
    mean_intervals,
    paired_interval,
    percentile_interval,
    ratio_draws,
    sign_flip_test,
)
from probes._intervals import expanded_level


def clustered(rng, n_clusters=40, size=5, between=1.0, within=1.0):
    clusters = np.repeat(np.arange(n_clusters), size)
    values = between * rng.standard_normal(n_clusters)[clusters] + within * rng.standard_normal(len(clusters))
    return values, clusters


def test_weights_resample_every_cluster_evenly():
    weights = cluster_weights(7, n_draws=4000, seed=1)
    assert weights.shape == (4000, 7)
    assert (weights.sum(axis=1) == 7).all()
    np.testing.assert_allclose(weights.mean(axis=0), 1.0, atol=0.06)
    np.testing.assert_allclose(weights.var(axis=0), 6 / 7, atol=0.1)


def test_weights_follow_the_seed():
    np.testing.assert_array_equal(cluster_weights(9, 50, seed=3), cluster_weights(9, 50, seed=3))
    assert (cluster_weights(9, 50, seed=3) != cluster_weights(9, 50, seed=4)).any()


@pytest.mark.parametrize(("n_clusters", "n_draws"), [(0, 10), (3, 0)])
def test_weights_refuse_nothing(n_clusters, n_draws):
    with pytest.raises(ValueError, match="at least 1"):
        cluster_weights(n_clusters, n_draws)


def test_cluster_sums_match_pandas_and_leave_nan_out():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((30, 2, 3))
    values[4, 1, 2] = values[11, 0, 0] = np.nan
    clusters = rng.choice(["b", "a", "c"], size=30)
    found = cluster_sums(values, clusters)
    grouped = pd.DataFrame(values.reshape(30, 6)).groupby(clusters)
    assert found.labels.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(found.sums.reshape(3, 6), grouped.sum())
    np.testing.assert_array_equal(found.counts.reshape(3, 6), grouped.count())


def test_cluster_sums_refuse_bad_input():
    with pytest.raises(ValueError, match="at least one row"):
        cluster_sums(np.zeros((0, 2)), np.zeros(0))
    with pytest.raises(ValueError, match="infinite entry at row 2"):
        cluster_sums(np.array([0.0, 1.0, np.inf]), np.zeros(3))
    with pytest.raises(ValueError, match="each of 3 rows"):
        cluster_sums(np.zeros(3), np.zeros(2))


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
def test_a_missing_label_is_refused(missing):
    with pytest.raises(ValueError, match="clusters has a missing label at row 1"):
        cluster_sums(np.zeros(2), np.array(["a", missing], dtype=object))


def test_ratio_draws_match_the_rows_written_out():
    rng = np.random.default_rng(2)
    numerators, denominators = rng.random((5, 2, 3)), rng.random((5, 2, 3))
    weights = cluster_weights(5, 20, seed=0)
    found = ratio_draws(numerators, denominators, weights)
    for draw in range(20):
        rows = np.repeat(np.arange(5), weights[draw])
        np.testing.assert_allclose(found[draw], numerators[rows].sum(axis=0) / denominators[rows].sum(axis=0))


def test_ratio_draws_share_a_denominator_and_mark_an_empty_one():
    weights = np.array([[2, 0], [1, 1]])
    found = ratio_draws(np.array([[3.0, 1.0], [5.0, 7.0]]), np.array([0.0, 4.0]), weights)
    np.testing.assert_array_equal(found, [[np.nan, np.nan], [2.0, 2.0]])


def test_ratio_draws_refuse_shapes_that_disagree():
    with pytest.raises(ValueError, match=r"\(3, 2\).*\(2,|must agree"):
        ratio_draws(np.zeros((3, 2)), np.zeros((2, 2)), np.ones((4, 3)))
    with pytest.raises(ValueError, match="must agree"):
        ratio_draws(np.zeros(3), np.zeros(3), np.ones((4, 2)))


def test_percentiles_ignore_nan_per_cell():
    draws = np.column_stack([np.arange(101.0), np.full(101, np.nan), np.arange(101.0)])
    draws[:51, 2] = np.nan
    lo, hi = percentile_interval(draws, level=0.9)
    np.testing.assert_allclose(lo, [5.0, np.nan, 53.45])
    np.testing.assert_allclose(hi, [95.0, np.nan, 97.55])
    np.testing.assert_allclose(percentile_interval(draws.T, level=0.9, axis=1), [lo, hi])


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, float("nan")])
def test_percentiles_refuse_a_level_outside_the_unit_interval(level):
    with pytest.raises(ValueError, match="level"):
        percentile_interval(np.zeros(3), level)


def test_percentiles_refuse_no_draws():
    with pytest.raises(ValueError, match="draws is empty"):
        percentile_interval(np.zeros((0, 4)))


@pytest.mark.parametrize("n", [5, 21, 182])
def test_the_expanded_level_turns_a_normal_bootstrap_into_students_interval(n):
    """A bootstrap mean of n values with standard deviation 1 has the error sqrt((n - 1) / n) / sqrt(n)."""
    tail = (1 + expanded_level(n, 0.9)) / 2
    reach = stats.norm.ppf(tail) * np.sqrt((n - 1) / n) / np.sqrt(n)
    assert reach == pytest.approx(stats.t.interval(0.9, n - 1, scale=1 / np.sqrt(n))[1])
    assert np.isnan(expanded_level(1))
    assert expanded_level(2) < 1


def test_mean_interval_of_single_rows_is_the_ordinary_bootstrap():
    values = np.random.default_rng(5).gamma(2.0, size=60)
    found = mean_interval(values, np.arange(60), n_draws=20000)
    oracle = stats.bootstrap((values,), np.mean, n_resamples=20000, method="percentile", rng=1).confidence_interval
    assert found.estimate == pytest.approx(values.mean())
    assert found.lo == pytest.approx(oracle.low, abs=0.02)
    assert found.hi == pytest.approx(oracle.high, abs=0.02)


def test_mean_interval_ignores_row_order_and_follows_the_seed():
    values, clusters = clustered(np.random.default_rng(6))
    order = np.random.default_rng(7).permutation(len(values))
    found, moved = mean_interval(values, clusters), mean_interval(values[order], clusters[order])
    np.testing.assert_allclose([moved.estimate, moved.lo, moved.hi], [found.estimate, found.lo, found.hi], rtol=1e-12)
    assert mean_interval(values, clusters) == found
    assert mean_interval(values, clusters, seed=1).lo != found.lo


def test_a_resampled_cluster_carries_all_its_rows():
    values, clusters = clustered(np.random.default_rng(8), within=0.0)
    found, one_each = mean_interval(values, clusters), mean_interval(values[::5], clusters[::5])
    np.testing.assert_allclose([found.lo, found.hi], [one_each.lo, one_each.hi])


def test_cluster_bootstrap_covers_the_mean_and_the_plain_one_does_not():
    rng = np.random.default_rng(9)
    covered = plain = 0
    for run in range(300):
        values, clusters = clustered(rng)
        interval = mean_interval(values, clusters, n_draws=300, seed=run)
        covered += interval.lo <= 0.0 <= interval.hi
        interval = mean_interval(values, np.arange(len(values)), n_draws=300, seed=run)
        plain += interval.lo <= 0.0 <= interval.hi
    # Nominal 0.95; the percentile interval of 40 clusters falls a little short, and 300 runs have an error of 0.013.
    assert 0.89 <= covered / 300 <= 0.98
    assert plain / 300 < 0.80


def test_one_cluster_has_no_interval():
    found = mean_interval(np.array([1.0, 2.0]), np.array(["a", "a"]))
    assert found.estimate == 1.5
    assert np.isnan(found.lo)
    assert np.isnan(found.hi)


def test_cells_share_their_draws_and_skip_missing_values():
    values, clusters = clustered(np.random.default_rng(10))
    gaps = values.copy()
    gaps[clusters >= 20] = np.nan
    lone = np.where(clusters == 3, values, np.nan)
    found = mean_intervals(np.column_stack([values, values + 1.0, gaps, lone]), clusters)
    np.testing.assert_allclose(found.lo[1] - found.lo[0], 1.0)
    np.testing.assert_allclose(found.estimate[2], values[clusters < 20].mean())
    assert found.hi[2] - found.lo[2] > found.hi[0] - found.lo[0]
    np.testing.assert_allclose(found.estimate[3], values[clusters == 3].mean())
    assert np.isnan([found.lo[3], found.hi[3]]).all()


def test_pairing_removes_what_the_pair_shares():
    rng = np.random.default_rng(11)
    shared, clusters = clustered(rng, between=5.0)
    a, b = shared + 0.5 + 0.1 * rng.standard_normal(200), shared
    found = paired_interval(a, b, clusters)
    assert found.lo < 0.5 < found.hi
    assert found.hi - found.lo < 0.1
    assert found == mean_interval(a - b, clusters)


def test_intervals_refuse_bad_input():
    with pytest.raises(ValueError, match="finite, got nan at row 1"):
        mean_interval(np.array([0.0, np.nan]), np.arange(2))
    with pytest.raises(ValueError, match="one-dimensional"):
        mean_interval(np.zeros((2, 2)), np.arange(2))
    with pytest.raises(ValueError, match="3 and 2 rows"):
        paired_interval(np.zeros(3), np.zeros(2), np.arange(3))


def test_intervals_cannot_be_changed():
    with pytest.raises(AttributeError):
        Interval(0.0, -1.0, 1.0).lo = 0.0


@pytest.mark.parametrize("alternative", ["two-sided", "greater"])
def test_exact_sign_flips_match_scipy(alternative):
    values, clusters = clustered(np.random.default_rng(12), n_clusters=9, size=3)
    sums = (values + 0.5).reshape(9, 3).sum(axis=1)
    oracle = stats.permutation_test(
        (sums,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative=alternative
    )
    assert sign_flip_test(values + 0.5, clusters, alternative=alternative) == pytest.approx(oracle.pvalue)


def test_drawn_sign_flips_approach_the_exact_p():
    values, clusters = clustered(np.random.default_rng(13), n_clusters=12)
    exact = sign_flip_test(values + 0.3, clusters, n_draws=2**12)
    drawn = sign_flip_test(values + 0.3, clusters, n_draws=2**12 - 1)
    assert drawn != exact
    assert drawn == pytest.approx(exact, abs=0.03)


def test_p_is_never_zero():
    few, many = np.ones(5), np.ones(200)
    assert sign_flip_test(few, np.arange(5)) == 2 / 2**5
    assert sign_flip_test(few, np.arange(5), alternative="greater") == 1 / 2**5
    assert sign_flip_test(many, np.arange(200), n_draws=999) == 1 / 1000


def test_no_difference_has_p_one():
    assert sign_flip_test(np.zeros(30), np.arange(30)) == 1.0
    assert sign_flip_test(np.array([0.1, -0.1, 0.2, -0.2]), np.array([0, 0, 1, 1])) == 1.0


def test_sign_flips_of_whole_clusters_hold_their_level():
    rng = np.random.default_rng(14)
    clustered_hits = plain_hits = 0
    for _ in range(200):
        values, clusters = clustered(rng, n_clusters=8, size=10)
        clustered_hits += sign_flip_test(values, clusters) <= 0.05
        plain_hits += sign_flip_test(values, np.arange(80), n_draws=199) <= 0.05
    assert clustered_hits / 200 < 0.10
    assert plain_hits / 200 > 0.25


def test_sign_flips_ignore_row_order_and_follow_the_seed():
    values, clusters = clustered(np.random.default_rng(15))
    order = np.random.default_rng(16).permutation(len(values))
    p = sign_flip_test(values, clusters, n_draws=5000)
    assert sign_flip_test(values[order], clusters[order], n_draws=5000) == p
    assert sign_flip_test(values, clusters, n_draws=5000, seed=1) != p


def test_sign_flips_refuse_bad_input():
    with pytest.raises(ValueError, match="'less'"):
        sign_flip_test(np.ones(3), np.arange(3), alternative="less")
    with pytest.raises(ValueError, match="finite"):
        sign_flip_test(np.array([1.0, np.nan]), np.arange(2))
    with pytest.raises(ValueError, match="n_draws"):
        sign_flip_test(np.ones(3), np.arange(3), n_draws=0)


def test_holm_known_answer():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.6, 0.9, 0.5])), [1.0, 1.0, 1.0])
    assert holm(np.array([])).shape == (0,)


@pytest.mark.parametrize("bad", [[0.5, np.nan], [-0.1], [1.1]])
def test_holm_refuses_what_is_no_probability(bad):
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        holm(np.array(bad))


def test_holm_refuses_a_matrix():
    with pytest.raises(ValueError, match="one-dimensional"):
        holm(np.full((2, 2), 0.5))


def test_every_public_name_resolves_and_an_unknown_one_does_not():
    assert {name for name in probes.__all__ if callable(getattr(probes, name))} == set(probes.__all__)
    assert set(probes.__all__) <= set(dir(probes))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = probes.no_such_name


def test_importing_probes_loads_nothing_heavy():
    code = "import sys, probes; print(*({'numpy', 'pandas', 'sklearn', 'torch', 'interp'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
