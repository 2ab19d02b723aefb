import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from probes._codelength import FRACTIONS, code_blocks, online_bits


def test_blocks_end_at_the_stated_fractions():
    blocks = code_blocks(np.arange(1000))
    np.testing.assert_array_equal(np.cumsum([len(b) for b in blocks]), np.ceil(np.array(FRACTIONS) * 1000 - 1e-9))
    assert sorted(np.concatenate(blocks)) == list(range(1000))
    assert 0.07 * 100 > 7
    assert [len(b) for b in code_blocks(np.arange(100), (0.07, 0.2, 1.0))] == [7, 13, 80]


def test_blocks_are_random_follow_the_seed_and_drop_what_is_empty():
    assert not np.array_equal(code_blocks(np.arange(1000))[0], np.arange(32))
    assert np.array_equal(code_blocks(np.arange(1000), seed=1)[0], code_blocks(np.arange(1000), seed=1)[0])
    assert not np.array_equal(code_blocks(np.arange(1000), seed=1)[0], code_blocks(np.arange(1000), seed=2)[0])
    assert [len(b) for b in code_blocks(np.arange(3))] == [1, 1, 1]


def test_clusters_stay_whole():
    clusters = np.random.default_rng(0).integers(20, size=200)
    blocks = code_blocks(clusters)
    assert sum(len(np.unique(clusters[b])) for b in blocks) == 20
    order = np.random.default_rng(1).permutation(200)
    moved = code_blocks(clusters[order])
    assert [set(order[b]) for b in moved] == [set(b) for b in blocks]


@pytest.mark.parametrize("k", [2, 3])
def test_bits_match_a_plain_loop(k):
    rng = np.random.default_rng(0)
    codes = rng.permutation(np.arange(90) % k)
    z = rng.standard_normal((90, 4)) + np.eye(4)[codes]
    blocks = code_blocks(np.arange(90), (0.1, 0.3, 1.0), seed=1)
    expected = np.full(90, np.log2(k))
    for i in (1, 2):
        seen = np.concatenate(blocks[:i])
        model = LogisticRegression(C=0.5, tol=1e-9, max_iter=5000).fit(z[seen], codes[seen])
        for row in blocks[i]:
            p = model.predict_proba(z[row : row + 1])[0, codes[row]]
            expected[row] = -np.log2(p * len(seen) / (len(seen) + 1) + 1 / k / (len(seen) + 1))
    np.testing.assert_allclose(online_bits(z, codes, blocks, k, C=0.5), expected, rtol=1e-2)


def test_a_readable_label_costs_little_and_a_random_one_its_entropy():
    rng = np.random.default_rng(2)
    codes = rng.permutation(np.arange(2000) % 4)
    noise = rng.standard_normal((2000, 5))
    blocks = code_blocks(np.arange(2000))
    readable = online_bits(noise + 8 * np.eye(5)[codes], codes, blocks, 4)
    assert readable.mean() < 2 * 0.032 + 0.1
    assert 1.98 < online_bits(noise, codes, blocks, 4).mean() < 2.2


def test_a_class_that_was_not_seen_costs_no_infinity():
    """After 4 examples, all of class 0: class 0 has probability 4/5 + 1/15, each other 1/15."""
    codes = np.array([0, 0, 0, 0, 0, 1, 2])
    blocks = [np.arange(4), np.arange(4, 7)]
    bits = online_bits(np.ones((7, 2)), codes, blocks, 3)
    np.testing.assert_allclose(bits, [*[np.log2(3)] * 4, -np.log2(13 / 15), np.log2(15), np.log2(15)])


@pytest.mark.parametrize("fractions", [(1.0,), (0.0, 1.0), (0.5, 0.5, 1.0), (0.5, 0.9), (0.5, np.nan, 1.0)])
def test_blocks_refuse_bad_fractions(fractions):
    with pytest.raises(ValueError, match="fractions must rise from above 0 to 1"):
        code_blocks(np.arange(10), fractions)
