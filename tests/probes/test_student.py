import numpy as np
import pytest
from scipy import stats

from probes import expanded_level
from probes._student import effective_clusters, normal_deviate, pooled_clusters, student_deviate


@pytest.mark.parametrize("n", [2, 8, 21, 100.5])
def test_a_deviate_keeps_its_tail_and_gains_what_a_bootstrap_lacks(n):
    found = student_deviate(1.96, n)
    assert stats.t.sf(found * np.sqrt((n - 1) / n), n - 1) == pytest.approx(stats.norm.sf(1.96))
    assert normal_deviate(found, n) == pytest.approx(1.96)


def test_many_clusters_need_no_correction_and_one_allows_none():
    assert student_deviate(1.96, 1e7) == pytest.approx(1.96, abs=1e-5)
    assert np.isnan(student_deviate(1.96, 1))
    assert np.isnan(expanded_level(1))


def test_clusters_of_unequal_size_are_worth_fewer_of_equal_size():
    assert effective_clusters(np.full(7, 3)) == pytest.approx(7)
    assert effective_clusters(np.array([1, 2, 3])) == pytest.approx(36 / 14)
    assert effective_clusters(np.array([100, 1, 0])) == 2
    assert np.isnan(effective_clusters(np.array([5, 0])))


def test_pooled_clusters_are_welchs_degrees_of_freedom():
    x, y = np.random.default_rng(0).standard_normal(9), 3 * np.random.default_rng(1).standard_normal(20)
    oracle = stats.ttest_ind(x, y, equal_var=False).df
    variances = np.array([x.var(ddof=1) / 9, y.var(ddof=1) / 20])
    assert pooled_clusters(variances, np.array([9.0, 20.0])) == pytest.approx(oracle + 1)
    assert pooled_clusters(np.zeros((2, 1)), np.array([[9.0], [20.0]])).tolist() == [9.0]
