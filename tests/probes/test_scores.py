import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, brier_score_loss, roc_auc_score

from probes import Resampling, cluster_weights, expanded_level
from probes._scores import auc, balanced_accuracy, brier_scores
from probes._student import effective_clusters


def scored(n=60, layers=2, k=3, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.arange(n) % k)
    raw = rng.random((layers, n, k)) + 0.5 * np.eye(k)[codes]
    return np.round(raw / raw.sum(axis=2, keepdims=True), 1), codes, rng.integers(12, size=n)


def resampled(metric, codes, clusters, n_draws=30):
    """The metric of each draw, examples really repeated."""
    labels = np.unique(clusters)
    values = []
    for draw in cluster_weights(len(labels), n_draws, seed=3):
        rows = np.repeat(np.arange(len(codes)), draw[np.searchsorted(labels, clusters)])
        values.append(metric(rows))
    return np.array(values)


def tails(clusters):
    """Of an interval that is expanded for few clusters of unequal size."""
    level = expanded_level(float(effective_clusters(np.unique(clusters, return_counts=True)[1])))
    return [(1 - level) / 2, (1 + level) / 2]


@pytest.mark.parametrize("k", [2, 3])
def test_auc_and_its_interval_match_scikit_learn_on_repeated_examples(k):
    probability, codes, clusters = scored(k=k)
    assert len(np.unique(probability[0, :, 1])) < 30  # ties matter

    def oracle(rows, layer):
        if k == 2:
            return roc_auc_score(codes[rows], probability[layer, rows, 1])
        return np.mean([roc_auc_score(codes[rows] == c, probability[layer, rows, c]) for c in range(k)])

    found, note = auc(probability, codes, clusters, Resampling(30, 3))
    assert note == ""
    for layer in range(2):
        assert found.estimate[layer] == pytest.approx(oracle(np.arange(60), layer))
        draws = resampled(lambda rows, layer=layer: oracle(rows, layer), codes, clusters)
        np.testing.assert_allclose([found.lo[layer], found.hi[layer]], np.quantile(draws, tails(clusters)))


def test_auc_is_the_same_however_the_draws_are_cut(monkeypatch):
    probability, codes, clusters = scored(k=2)
    whole, _ = auc(probability, codes, clusters, Resampling(30))
    monkeypatch.setattr("probes._scores._CHUNK", 7)
    cut, _ = auc(probability, codes, clusters, Resampling(30))
    np.testing.assert_array_equal(whole.lo, cut.lo)


def test_draws_without_a_class_are_left_out_of_the_auc():
    probability, codes, _ = scored(n=8, k=2)
    found, note = auc(probability, codes, codes, Resampling(50))
    assert note == ""
    np.testing.assert_allclose(found.lo, found.estimate)
    np.testing.assert_allclose(found.hi, found.estimate)


def test_auc_is_missing_where_a_class_is():
    probability, codes, clusters = scored(k=3)
    kept = codes != 1
    found, note = auc(probability[:, kept], codes[kept], clusters[kept], Resampling(10))
    assert note == "1 of 3 classes not in test"
    assert np.isnan([found.estimate, found.lo, found.hi]).all()


def test_balanced_accuracy_and_its_interval_match_scikit_learn_on_repeated_examples():
    probability, codes, clusters = scored()
    predicted = probability.argmax(axis=2)
    found = balanced_accuracy((predicted == codes).astype(float), codes, clusters, Resampling(30, 3))
    for layer in range(2):
        assert found.estimate[layer] == pytest.approx(balanced_accuracy_score(codes, predicted[layer]))
        draws = resampled(
            lambda rows, layer=layer: balanced_accuracy_score(codes[rows], predicted[layer, rows]), codes, clusters
        )
        np.testing.assert_allclose([found.lo[layer], found.hi[layer]], np.quantile(draws, tails(clusters)))


def test_a_draw_without_a_class_takes_the_mean_of_the_others():
    """Each cluster is one class, and each example right: whatever is drawn, the mean recall is 1."""
    found = balanced_accuracy(np.ones((1, 6)), np.arange(6) % 3, np.arange(6) % 3, Resampling(50))
    assert found.lo == found.hi == 1.0


def test_balanced_accuracy_ignores_what_does_not_occur_and_bounds_need_two_clusters():
    found = balanced_accuracy(np.array([[1.0, 0.0, 1.0]]), np.array([0, 0, 2]), np.zeros(3), Resampling(5))
    assert found.estimate == pytest.approx([0.75])
    assert np.isnan([found.lo, found.hi]).all()


def test_brier_scores_match_scikit_learn():
    probability, codes, _ = scored()
    probability /= probability.sum(axis=2, keepdims=True)
    expected = [brier_score_loss(codes, p, scale_by_half=True) for p in probability]
    np.testing.assert_allclose(brier_scores(probability, codes).mean(axis=1), expected)
    sure = np.array([[[1.0, 0.0], [1.0, 0.0], [0.5, 0.5]]])
    np.testing.assert_allclose(brier_scores(sure, np.array([0, 1, 0])), [[0.0, 1.0, 0.25]])
