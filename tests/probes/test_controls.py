import numpy as np
import pytest

from probes import control_labels, random_directions, shuffled_labels
from probes._controls import canonical_order


def test_canonical_order_ignores_the_order_given():
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 2, size=(40, 3)).astype(float)
    labels = rng.choice(["x", "y"], size=40)
    order = rng.permutation(40)
    first, second = canonical_order(rows, labels), canonical_order(rows[order], labels[order])
    np.testing.assert_array_equal(rows[first], rows[order][second])
    np.testing.assert_array_equal(labels[first], labels[order][second])
    assert (np.diff(rows[first][:, 0]) >= 0).all()


def test_shuffled_labels_keep_the_counts_and_follow_the_seed():
    y = np.repeat(["a", "b", "c"], [50, 30, 20])
    shuffled = shuffled_labels(y, seed=1)
    assert sorted(shuffled) == sorted(y)
    assert 0.2 < (shuffled == y).mean() < 0.6
    np.testing.assert_array_equal(shuffled, shuffled_labels(y, seed=1))
    assert (shuffled != shuffled_labels(y, seed=2)).any()


def test_labels_shuffled_within_groups_stay_in_their_group():
    groups = np.random.default_rng(0).permutation(np.repeat([0, 1], 40))
    y = groups * 10 + np.random.default_rng(1).integers(0, 4, 80)
    shuffled = shuffled_labels(y, 3, groups)
    assert (shuffled // 10 == groups).all()
    assert (shuffled != y).any()
    assert all(sorted(shuffled[groups == g]) == sorted(y[groups == g]) for g in (0, 1))
    with pytest.raises(ValueError, match="within must hold one label for each of 80"):
        shuffled_labels(y, 3, groups[:5])


def control_case():
    rng = np.random.default_rng(2)
    y = np.repeat(["a", "b", "c"], [60, 30, 10])
    types_train, types_test = rng.permutation(np.arange(100) % 50), np.arange(30, 80)
    return y, types_train, types_test


def test_control_labels_are_fixed_per_type_across_training_and_test():
    y, types_train, types_test = control_case()
    train, test = control_labels(y, types_train, types_test, seed=3)
    label = {}
    for t, value in zip([*types_train, *types_test], [*train, *test], strict=True):
        assert label.setdefault(t, value) == value
    assert len(label) == 80


def test_control_labels_share_out_types_as_the_labels_are_distributed():
    y, types_train, types_test = control_case()
    train, _ = control_labels(y, types_train, types_test, seed=3)
    per_type = [train[types_train == t][0] for t in range(50)]
    assert [per_type.count(c) for c in "abc"] == [30, 15, 5]


def test_control_labels_keep_every_class_when_types_are_few():
    y = np.repeat(["a", "b", "c"], [98, 1, 1])
    train, _ = control_labels(y, np.arange(100) % 5, np.arange(5))
    per_type = [train[t] for t in range(5)]
    assert sorted(per_type) == ["a", "a", "a", "b", "c"]


def test_unseen_types_draw_from_the_same_distribution():
    y = np.repeat(["a", "b"], [80, 20])
    _, test = control_labels(y, np.arange(100), np.arange(1000, 3000), seed=4)
    assert 0.77 < (test == "a").mean() < 0.83


def test_control_labels_ignore_row_order_and_follow_the_seed():
    y, types_train, types_test = control_case()
    order = np.random.default_rng(5).permutation(100)
    train, test = control_labels(y, types_train, types_test, seed=6)
    moved, same = control_labels(y[order], types_train[order], types_test, seed=6)
    np.testing.assert_array_equal(moved, train[order])
    np.testing.assert_array_equal(same, test)
    assert (control_labels(y, types_train, types_test, seed=7)[0] != train).any()


def test_control_labels_refuse_bad_types():
    y = np.repeat(["a", "b", "c"], 10)
    with pytest.raises(ValueError, match="3 classes needs as many types in training, got 2"):
        control_labels(y, np.arange(30) % 2, np.arange(4))
    with pytest.raises(ValueError, match="types_train must hold one label for each of 30"):
        control_labels(y, np.arange(29), np.arange(4))


def test_directions_have_the_covariance_and_the_norm():
    rng = np.random.default_rng(8)
    mix = np.diag([3.0, 1.0, 1.0, 0.0]) @ np.linalg.qr(rng.standard_normal((4, 4)))[0]
    covariance = mix.T @ mix
    drawn = random_directions(n=20000, norm=2.5, covariance=covariance)
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 2.5)
    oracle = rng.multivariate_normal(np.zeros(4), covariance, size=20000)
    oracle *= 2.5 / np.linalg.norm(oracle, axis=1, keepdims=True)
    np.testing.assert_allclose(drawn.T @ drawn / 20000, oracle.T @ oracle / 20000, atol=0.1)


def test_samples_stand_for_their_covariance():
    rng = np.random.default_rng(9)
    samples = 7.0 + rng.standard_normal((500, 3)) * [4.0, 2.0, 0.5]
    a = random_directions(samples, n=20000)
    b = random_directions(n=20000, covariance=np.cov(samples, rowvar=False))
    np.testing.assert_allclose(a.T @ a / 20000, b.T @ b / 20000, atol=0.02)
    np.testing.assert_allclose(a.mean(axis=0), 0.0, atol=0.03)


def test_directions_ignore_row_order_and_follow_the_seed():
    samples = np.random.default_rng(10).standard_normal((30, 4))
    drawn = random_directions(samples, seed=1)
    assert drawn.shape == (20, 4)
    np.testing.assert_allclose(random_directions(samples[::-1], seed=1), drawn)
    assert not np.allclose(random_directions(samples, seed=2), drawn)


SAMPLES = np.arange(12.0).reshape(4, 3) ** 2


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({}, "either samples or covariance"),
        ({"samples": SAMPLES, "covariance": np.eye(3)}, "not both"),
        ({"samples": SAMPLES, "n": 0}, "n must be at least 1"),
        ({"samples": SAMPLES, "norm": 0.0}, "norm must be positive"),
        ({"samples": SAMPLES, "norm": np.nan}, "norm must be positive"),
        ({"samples": SAMPLES[:1]}, "at least 2 rows"),
        ({"samples": SAMPLES[0]}, "must be a matrix"),
        ({"samples": np.full((43, 3), 0.1)}, "no variance"),
        ({"samples": np.array([[0.0, np.inf], [1.0, 1.0]])}, "got inf in row 0"),
        ({"covariance": np.ones((2, 3))}, "square and symmetric"),
        ({"covariance": np.array([[1.0, 0.5], [0.0, 1.0]])}, "square and symmetric"),
        ({"covariance": np.diag([1.0, -1.0])}, "positive semi-definite"),
        ({"covariance": np.zeros((2, 2))}, "no variance"),
    ],
)
def test_directions_refuse_bad_input(kwargs, message):
    with pytest.raises(ValueError, match=message):
        random_directions(**kwargs)
