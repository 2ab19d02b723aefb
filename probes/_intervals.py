"""Intervals and tests over whole clusters: items of one entity or topic are never taken for independent."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Num, Shaped

from probes._student import effective_clusters, expanded_level, pooled_clusters, student_deviate

Alternative = Literal["two-sided", "greater"]

_CHUNK = 4096


class Resampling(NamedTuple):
    """Settings of bootstrap intervals.

    n_draws: number of bootstrap draws of clusters. seed: random seed of all draws. level: confidence level, e.g. 0.95.
    """

    n_draws: int = 2000
    seed: int = 0
    level: float = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate with the bounds of its interval."""

    estimate: float
    lo: float
    hi: float


@dataclass(frozen=True)
class Intervals:
    """Estimates with the bounds of their intervals, one per cell."""

    estimate: Float[np.ndarray, "*cells"]
    lo: Float[np.ndarray, "*cells"]
    hi: Float[np.ndarray, "*cells"]

    def columns(self, name: str) -> dict[str, Float[np.ndarray, "*cells"]]:
        """The three as columns of a table: `name`, and `name` with _lo and _hi."""
        return {name: self.estimate, f"{name}_lo": self.lo, f"{name}_hi": self.hi}


@dataclass(frozen=True)
class ClusterSums:
    """Sum and number of the values in each cluster; `labels` is sorted and names the first axis."""

    sums: Float[np.ndarray, " cluster *cells"]
    counts: Float[np.ndarray, " cluster *cells"]
    labels: Shaped[np.ndarray, " cluster"]

    @property
    def mean(self) -> Float[np.ndarray, "*cells"]:
        """Mean over all values; NaN if there are none."""
        return ratio(self.sums.sum(axis=0), self.counts.sum(axis=0))

    @property
    def effective(self) -> Float[np.ndarray, "*cells"]:
        """`effective_clusters` of each cell."""
        return effective_clusters(self.counts)


def checked_labels(labels: Shaped[np.ndarray, " n"], n: int, name: str) -> Shaped[np.ndarray, " n"]:
    """`labels` as an array of length `n`; ValueError if the length differs or a label is missing."""
    array = np.asarray(labels)
    if array.shape != (n,):
        raise ValueError(f"{name} must hold one label for each of {n} rows, got shape {array.shape}")
    missing = np.flatnonzero(pd.isna(array))
    if len(missing):
        raise ValueError(f"{name} has a missing label at row {missing[0]}")
    return array


def cluster_weights(n_clusters: int, n_draws: int = 2000, seed: int = 0) -> Int[np.ndarray, " draw cluster"]:
    """How often each cluster appears in each of `n_draws` draws of `n_clusters` clusters with replacement."""
    if n_clusters < 1 or n_draws < 1:
        raise ValueError(f"n_clusters and n_draws must be at least 1, got {n_clusters} and {n_draws}")
    shares = np.full(n_clusters, 1.0 / n_clusters)
    return np.random.default_rng(seed).multinomial(n_clusters, shares, size=n_draws)


def cluster_sums(values: Num[np.ndarray, " n *cells"], clusters: Shaped[np.ndarray, " n"]) -> ClusterSums:
    """Sums of `values` within clusters. NaN is a missing value: left out of the sum and of the count.

    Raises ValueError for no rows, an infinite value, or labels of another length.
    """
    data = np.asarray(values, dtype=np.float64)
    if data.ndim == 0 or data.shape[0] == 0:
        raise ValueError(f"values must have at least one row, got shape {data.shape}")
    if np.isinf(data).any():
        raise ValueError(f"values has an infinite entry at row {int(np.argwhere(np.isinf(data))[0, 0])}")
    labels, codes = np.unique(checked_labels(clusters, data.shape[0], "clusters"), return_inverse=True)
    present = ~np.isnan(data)
    sums = np.zeros((len(labels), *data.shape[1:]))
    counts = np.zeros_like(sums)
    np.add.at(sums, codes, np.where(present, data, 0.0))
    np.add.at(counts, codes, present)
    return ClusterSums(sums, counts, labels)


def ratio(above: Float[np.ndarray, "*cells"], below: Float[np.ndarray, "*cells"]) -> Float[np.ndarray, "*cells"]:
    """`above` over `below` in each cell; NaN if `below` is 0."""
    return np.asarray(np.divide(above, below, out=np.full(np.shape(above), np.nan), where=np.asarray(below) != 0))


def ratio_draws(
    numerators: Num[np.ndarray, " cluster *cells"],
    denominators: Num[np.ndarray, " cluster *cells"],
    weights: Int[np.ndarray, " draw cluster"],
) -> Float[np.ndarray, " draw *cells"]:
    """Resampled ratio of sums for each draw; NaN if the resampled denominator is 0.

    `denominators` may also be [cluster], shared by all cells. Raises ValueError if shapes disagree.
    """
    top = np.asarray(numerators, dtype=np.float64)
    bottom = np.asarray(denominators, dtype=np.float64)
    draws = np.asarray(weights, dtype=np.float64)
    if bottom.ndim == 1:
        bottom = bottom.reshape(-1, *[1] * (top.ndim - 1))
    if bottom.ndim != top.ndim or len(bottom) != len(top) or draws.ndim != 2 or draws.shape[1] != len(top):
        raise ValueError(
            f"numerators {top.shape}, denominators {bottom.shape} and weights {draws.shape} must agree as "
            "[cluster, *cells], [cluster, *cells] and [draw, cluster]"
        )
    above = np.tensordot(draws, top, axes=1)
    return ratio(above, np.broadcast_to(np.tensordot(draws, bottom, axes=1), above.shape))


def percentile_interval(
    draws: Float[np.ndarray, " ..."], level: float = 0.95, axis: int = 0
) -> tuple[Float[np.ndarray, " ..."], Float[np.ndarray, " ..."]]:
    """Lower and upper bound of the central `level` of `draws` along `axis`; NaN draws are ignored (all NaN: NaN).

    Raises ValueError for a level outside (0, 1) or no draws. Percentile bootstrap (Efron & Tibshirani 1993, ch. 13).
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie strictly between 0 and 1, got {level}")
    array = np.moveaxis(np.asarray(draws, dtype=np.float64), axis, 0)
    if len(array) == 0:
        raise ValueError("draws is empty, so there is nothing to take an interval of")
    defined = ~np.isnan(array).all(axis=0)
    filled = np.where(defined, array, 0.0)
    tails = [(1.0 - level) / 2.0, (1.0 + level) / 2.0]
    lo, hi = np.where(defined, np.nanquantile(filled, tails, axis=0), np.nan)
    return lo, hi


def cluster_interval(
    draws: Float[np.ndarray, "draw *cells"], n_clusters: Num[np.ndarray, "*cells"] | float, level: float = 0.95
) -> tuple[Float[np.ndarray, "*cells"], Float[np.ndarray, "*cells"]]:
    """Percentile interval of means over `n_clusters` resampled clusters, expanded for few; NaN below two clusters.

    Raises ValueError as `percentile_interval` does.
    """
    array = np.asarray(draws, dtype=np.float64)
    lo, hi = (np.full(array.shape[1:], np.nan) for _ in range(2))
    numbers = np.broadcast_to(np.asarray(n_clusters, dtype=np.float64), array.shape[1:])
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie strictly between 0 and 1, got {level}")
    for n in np.unique(numbers[numbers >= 2]):
        cells = numbers == n
        lo[cells], hi[cells] = percentile_interval(array[:, cells], expanded_level(float(n), level))
    return lo, hi


def joint_intervals(
    estimate: Float[np.ndarray, " *cells"],
    draws: Float[np.ndarray, " draw *cells"],
    n_clusters: Num[np.ndarray, "*cells"] | float,
    level: float = 0.95,
) -> Intervals:
    """Simultaneous intervals, which cover all cells at once with probability `level` (max-t over bootstrap draws).

    The `level` quantile of the draws' largest deviation, in standard errors, corresponds to a higher level for a single
    cell. At that level each cell gets the width that its number of clusters requires (`student_deviate`). A cell that
    does not vary has an interval of zero width. Raises ValueError for a level outside (0, 1).
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie strictly between 0 and 1, got {level}")
    deviations = draws - estimate
    error = deviations.std(axis=0)
    moves = error > 1e-12 * np.abs(draws).max()
    t = np.divide(np.abs(deviations), error, out=np.zeros_like(deviations), where=moves)
    joint = float(np.quantile(t.reshape(len(t), -1).max(axis=1), level))
    reach = np.where(moves, error * student_deviate(joint, n_clusters), 0.0)
    return Intervals(estimate, estimate - reach, estimate + reach)


def mean_intervals(
    values: Num[np.ndarray, " n *cells"],
    clusters: Shaped[np.ndarray, " n"],
    n_draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Intervals:
    """Mean over the rows for each cell, with its cluster bootstrap interval. All cells share the resampled clusters.

    Intervals are expanded for few clusters (`cluster_interval`, `ClusterSums.effective`). NaN is a missing value.
    Bounds are NaN if fewer than two clusters have a value: one cluster has no spread.
    """
    grouped = cluster_sums(values, clusters)
    draws = ratio_draws(grouped.sums, grouped.counts, cluster_weights(len(grouped.labels), n_draws, seed))
    return Intervals(grouped.mean, *cluster_interval(draws, grouped.effective, level))


def difference_intervals(
    values: Num[np.ndarray, " n *cells"],
    clusters: Shaped[np.ndarray, " n"],
    baseline: Num[np.ndarray, " m *cells"],
    baseline_clusters: Shaped[np.ndarray, " m"],
    n_draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Intervals:
    """Mean of `values` minus mean of `baseline`, other examples whose clusters are drawn independently.

    Expanded for few clusters, counted over both samples by `pooled_clusters`. Missing values as in `mean_intervals`.
    """
    groups = cluster_sums(values, clusters), cluster_sums(baseline, baseline_clusters)
    seeds = (int(s.generate_state(1)[0]) for s in np.random.SeedSequence(seed).spawn(2))
    first, second = (
        ratio_draws(group.sums, group.counts, cluster_weights(len(group.labels), n_draws, own))
        for group, own in zip(groups, seeds, strict=True)
    )
    spread = np.stack([np.nanvar(first, axis=0), np.nanvar(second, axis=0)])
    number = pooled_clusters(spread, np.stack([group.effective for group in groups]))
    return Intervals(groups[0].mean - groups[1].mean, *cluster_interval(first - second, number, level))


def mean_interval(
    values: Num[np.ndarray, " n"],
    clusters: Shaped[np.ndarray, " n"],
    n_draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Mean of `values` with its cluster bootstrap interval; bounds are NaN for a single cluster.

    Raises ValueError for a NaN or infinite value, or labels of another length.
    """
    data = _finite_vector(values, "values")
    interval = mean_intervals(data, clusters, n_draws, seed, level)
    return Interval(float(interval.estimate), float(interval.lo), float(interval.hi))


def paired_interval(
    a: Num[np.ndarray, " n"],
    b: Num[np.ndarray, " n"],
    clusters: Shaped[np.ndarray, " n"],
    n_draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Mean of a − b, row by row, with its cluster bootstrap interval. Errors as in `mean_interval`."""
    first, second = _finite_vector(a, "a"), _finite_vector(b, "b")
    if first.shape != second.shape:
        raise ValueError(f"a and b must be paired row by row, got {len(first)} and {len(second)} rows")
    return mean_interval(first - second, clusters, n_draws, seed, level)


def sign_flip_test(
    differences: Num[np.ndarray, " n"],
    clusters: Shaped[np.ndarray, " n"],
    n_draws: int = 10000,
    seed: int = 0,
    alternative: Alternative = "two-sided",
) -> float:
    """p-value for a mean difference of 0, by flipping the signs of whole cluster sums. It is never 0.

    All flips are enumerated when 2**clusters <= n_draws; otherwise they are drawn, and the observed one counts as
    a draw (Phipson & Smyth 2010). Raises ValueError for a non-finite difference or an unknown alternative.
    """
    if alternative not in get_args(Alternative):
        raise ValueError(f"alternative must be one of {get_args(Alternative)}, got {alternative!r}")
    if n_draws < 1:
        raise ValueError(f"n_draws must be at least 1, got {n_draws}")
    sums = cluster_sums(_finite_vector(differences, "differences"), clusters).sums
    n_clusters = len(sums)
    exact = 2**n_clusters <= n_draws
    signs = _all_signs(n_clusters) if exact else _drawn_signs(n_clusters, n_draws, seed)
    observed = sums.sum() if alternative == "greater" else abs(sums.sum())
    # Flips that tie with the observed sum must count as such whatever the order of summation.
    threshold = observed - 1e-10 * np.abs(sums).sum()
    extreme = 0
    for chunk in signs:
        flipped = chunk @ sums
        extreme += int(((flipped if alternative == "greater" else np.abs(flipped)) >= threshold).sum())
    return float(extreme / 2**n_clusters) if exact else (extreme + 1) / (n_draws + 1)


def holm(p_values: Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """p-values adjusted for their number by Holm's step-down rule (Holm 1979), in the order given.

    Raises ValueError for a value that is NaN or outside [0, 1].
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1:
        raise ValueError(f"p_values must be one-dimensional, got shape {p.shape}")
    if not ((p >= 0.0) & (p <= 1.0)).all():
        raise ValueError(f"p_values must lie in [0, 1], got {p[~((p >= 0.0) & (p <= 1.0))].tolist()}")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return adjusted


def _finite_vector(values: Num[np.ndarray, " n"], name: str) -> Float[np.ndarray, " n"]:
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1 or len(data) == 0:
        raise ValueError(f"{name} must be one-dimensional and not empty, got shape {data.shape}")
    if not np.isfinite(data).all():
        row = int(np.flatnonzero(~np.isfinite(data))[0])
        raise ValueError(f"{name} must be finite, got {data[row]} at row {row}")
    return data


def _all_signs(n_clusters: int) -> Iterator[Float[np.ndarray, "chunk cluster"]]:
    bits = np.arange(n_clusters)
    for start in range(0, 2**n_clusters, _CHUNK):
        codes = np.arange(start, min(start + _CHUNK, 2**n_clusters))
        yield 1.0 - 2.0 * ((codes[:, None] >> bits) & 1)


def _drawn_signs(n_clusters: int, n_draws: int, seed: int) -> Iterator[Float[np.ndarray, "chunk cluster"]]:
    rng = np.random.default_rng(seed)
    for chunk in range(math.ceil(n_draws / _CHUNK)):
        size = min(_CHUNK, n_draws - chunk * _CHUNK)
        yield 1.0 - 2.0 * rng.integers(0, 2, size=(size, n_clusters))
