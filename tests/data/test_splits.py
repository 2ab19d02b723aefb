"""Splits by hash."""

from __future__ import annotations

from collections import Counter

from interp.data import SHARES, assign_splits, join_clusters


def test_shares_hold_for_items_although_clusters_stay_whole() -> None:
    clusters = [f"c{i % 97}" for i in range(1000)]
    splits = assign_splits(clusters, "salt")
    counts = Counter(splits[c] for c in clusters)
    for split, share in SHARES.items():
        assert abs(counts[split] / 1000 - share) < 0.02


def test_order_does_not_matter_and_the_salt_does() -> None:
    clusters = [f"c{i}" for i in range(50)]
    assert assign_splits(clusters, "a") == assign_splits(clusters[::-1], "a")
    assert assign_splits(clusters, "a") != assign_splits(clusters, "b")


def test_one_to_one_answers_join_clusters_through_chains() -> None:
    found = join_clusters([("a", "b"), ("b", "c"), ("x", None), ("c", None)])
    assert found["a"] == found["b"] == found["c"] != found["x"]


def test_equal_texts_share_a_cluster() -> None:
    from interp.data import cluster_texts

    clusters = cluster_texts({"b": "What  is it?", "a": "what is it?", "c": "Who?"})
    assert clusters == {"a": "a", "b": "a", "c": "c"}
