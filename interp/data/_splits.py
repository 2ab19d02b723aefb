"""Splits fit / dev / test, by hash, whole clusters at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from interp.data._draws import unit
from interp.data._items import Split

SHARES: Mapping[Split, float] = {"fit": 0.25, "dev": 0.28, "test": 0.47}


def assign_splits(clusters: Iterable[str], salt: str) -> dict[str, Split]:
    """A split per cluster; `clusters` has one entry per item.

    Clusters are ranked by hash and cut where the items before them pass the shares, so that the shares hold
    for items although clusters stay whole.
    """
    sizes = Counter(iter(clusters))  # of a mapping, its keys
    assigned: dict[str, Split] = {}
    before = 0
    for cluster in sorted(sizes, key=lambda cluster: unit("split", salt, cluster)):
        middle = (before + sizes[cluster] / 2) / sizes.total()
        if middle < SHARES["fit"]:
            assigned[cluster] = "fit"
        elif middle < SHARES["fit"] + SHARES["dev"]:
            assigned[cluster] = "dev"
        else:
            assigned[cluster] = "test"
        before += sizes[cluster]
    return assigned


def join_clusters(pairs: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """Cluster name per subject: subjects are joined with the one-to-one answers that are subjects of other items.

    `pairs` holds (subject, one-to-one answer or None); the cluster is named after its first member in order.
    """
    parent: dict[str, str] = {}

    def root(x: str) -> str:
        while parent.setdefault(x, x) != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        return x

    subjects = []
    for subject, answer in pairs:
        subjects.append(subject)
        a = root(subject)
        if answer is not None:
            b = root(answer)
            parent[max(a, b)] = min(a, b)
    return {subject: root(subject) for subject in subjects}


def cluster_texts(texts: Mapping[str, str]) -> dict[str, str]:
    """Cluster per key of a text: keys of equal texts share one, named after the first of them in order."""
    first: dict[str, str] = {}
    return {key: first.setdefault(" ".join(texts[key].casefold().split()), key) for key in sorted(texts)}
