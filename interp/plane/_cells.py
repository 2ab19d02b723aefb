"""Means of a metric per method and language, with paired intervals over clusters: the points of the plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from interp.names import BASE, MACRO
from interp.plane._outcomes import METRICS
from probes import Interval, cluster_weights, expanded_level, percentile_interval, ratio_draws, sign_flip_test

CHANGES = ("transfer", "transfer_specific", "localization")
"""Metrics that also have `d_`, the difference from base."""


@dataclass(frozen=True)
class Resampling:
    """Draws of clusters, shared by all methods and languages: `weights` [draw, cluster] and `clusters` (labels)."""

    clusters: tuple[tuple[str, str], ...]
    weights: Int[np.ndarray, "draw cluster"]

    @classmethod
    def over(cls, clusters: Mapping[str, Sequence[str]], n_draws: int, seed: int) -> Resampling:
        """`clusters[axis]` are those of the whole test split; the axes' entities and topics are drawn independently."""
        names, parts = [], []
        for number, (axis, members) in enumerate(clusters.items()):
            if len(members) == 0:
                continue
            distinct = sorted(set(members))
            names += [(axis, cluster) for cluster in distinct]
            parts.append(cluster_weights(len(distinct), n_draws, seed + number))
        return cls(tuple(names), np.concatenate(parts, axis=1))


class Cells:
    """Means of metrics per method and language with their draws, from which points and contrasts are computed.

    `means` maps a method to the methods it is the mean of, such as a training method to its seeds.
    """

    def __init__(
        self, table: pd.DataFrame, resampling: Resampling, means: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self._means = {name: tuple(members) for name, members in (means or {}).items()}
        self.methods = [*dict.fromkeys(table["method"]), *self._means]
        self.languages = list(dict.fromkeys(table["language"]))
        self._table = table
        self._resampling = resampling
        self._index = {cluster: i for i, cluster in enumerate(resampling.clusters)}
        self._rows = np.array(
            [self._index[key] for key in zip(table["axis"], table["cluster"], strict=True)], dtype=np.int64
        )
        self._sums: dict[tuple[str, str, str], tuple[np.ndarray, np.ndarray]] = {}
        self._where = table.groupby(["method", "language"], sort=False, observed=True).indices

    def sums(
        self, method: str, language: str, metric: str
    ) -> tuple[Float[np.ndarray, "cluster"], Float[np.ndarray, "cluster"]]:
        """Sum and count of the metric in each cluster."""
        key = (method, language, metric)
        if key not in self._sums:
            picked = self._where.get((method, language), np.array([], dtype=np.int64))
            values = self._table[metric].to_numpy(dtype=float)[picked]
            there = ~np.isnan(values)
            size = len(self._resampling.clusters)
            rows = self._rows[picked][there]
            self._sums[key] = (
                np.bincount(rows, weights=values[there], minlength=size).astype(float),
                np.bincount(rows, minlength=size).astype(float),
            )
        return self._sums[key]

    def contributions(self, method: str, language: str, metric: str) -> Float[np.ndarray, "cluster"]:
        """The contribution of each cluster to the mean (they sum to the estimate). `macro` averages the languages."""
        if method in self._means:
            return np.mean([self.contributions(one, language, metric) for one in self._means[method]], axis=0)
        if language == MACRO:
            parts = [self.contributions(method, code, metric) for code in self.languages]
            return np.mean(parts, axis=0)
        sums, counts = self.sums(method, language, metric)
        return sums / counts.sum() if counts.sum() else np.full_like(sums, np.nan)

    def estimate(self, method: str, language: str, metric: str) -> float:
        """Mean of the metric."""
        return float(self.contributions(method, language, metric).sum())

    def draws(self, method: str, language: str, metric: str) -> Float[np.ndarray, "draw"]:
        """Resampled means of the metric."""
        if method in self._means:
            return np.mean([self.draws(one, language, metric) for one in self._means[method]], axis=0)
        if language == MACRO:
            return np.mean([self.draws(method, code, metric) for code in self.languages], axis=0)
        sums, counts = self.sums(method, language, metric)
        return ratio_draws(sums, counts, self._resampling.weights)

    def measured(self, method: str, language: str, metric: str) -> Bool[np.ndarray, "cluster"]:
        """Which clusters have a value for the metric."""
        codes = self.languages if language == MACRO else [language]
        members = self._means.get(method, (method,))
        return np.any([self.sums(one, code, metric)[1] > 0 for one in members for code in codes], axis=0)

    def count(self, language: str, metric: str) -> int:
        """Number of base-model tasks that measure the metric (over all languages for `macro`)."""
        codes = self.languages if language == MACRO else [language]
        return int(sum(self.sums(BASE, code, metric)[1].sum() for code in codes))

    @property
    def resampling(self) -> Resampling:
        """The draws that every mean shares."""
        return self._resampling

    def effect(self, weights: Mapping[str, float], language: str, metric: str) -> Effect:
        """Weighted sum of the methods' means, such as a difference of differences; paired, by the same draws."""
        added = sum(weight * self.contributions(m, language, metric) for m, weight in weights.items())
        measured = np.all([self.measured(m, language, metric) for m in weights], axis=0)
        return Effect(
            float(sum(weight * self.estimate(m, language, metric) for m, weight in weights.items())),
            np.asarray(sum(weight * self.draws(m, language, metric) for m, weight in weights.items())),
            np.asarray(added)[measured],
        )

    def by_item(self, metric: str) -> pd.DataFrame:
        """The metric item by item: rows (axis, cluster, language, item), sorted, a column per method of the table.

        NaN if a method lacks it. Raises ValueError if two tasks of an item measure it in one language.
        """
        index = ["axis", "cluster", "language", "item", "method"]
        values = self._table.loc[self._table[metric].notna(), [*index, metric]].set_index(index)[metric]
        return values.unstack("method").reindex(columns=list(dict.fromkeys(self._table["method"])))


@dataclass(frozen=True)
class Effect:
    """A weighted sum of methods' means: its estimate, its draws, and the contribution of each shared cluster."""

    estimate: float
    draws: Float[np.ndarray, "draw"]
    contributions: Float[np.ndarray, "cluster"]

    @property
    def interval(self) -> Interval:
        """The estimate with its 95% interval over the clusters that all methods have."""
        return _interval(self.estimate, self.draws, len(self.contributions))

    def p_value(self, seed: int) -> float:
        """Sign-flip p over clusters; NaN if nothing is measured."""
        if not len(self.contributions) or np.isnan(self.contributions).any():
            return float("nan")
        return sign_flip_test(self.contributions, np.arange(len(self.contributions)), seed=seed)


def estimate(cells: Cells, methods: Sequence[str], language: str, metric: str, minus: str | None = None) -> Interval:
    """Median over `methods` (one, or the draws of a control) of the metric, optionally minus that of another method."""
    values = np.array([cells.estimate(m, language, metric) for m in methods])
    draws = np.stack([cells.draws(m, language, metric) for m in methods])
    if minus is not None:
        values, draws = values - cells.estimate(minus, language, metric), draws - cells.draws(minus, language, metric)
    measured = np.all([cells.measured(m, language, metric) for m in (*methods, *([minus] if minus else []))], axis=0)
    return _interval(float(np.median(values)), np.median(draws, axis=0), int(measured.sum()))


def _interval(value: float, draws: Float[np.ndarray, "draw"], n_clusters: int) -> Interval:
    """95% interval, expanded for few clusters; without bounds where fewer than two have a value."""
    if n_clusters < 2:
        return Interval(value, np.nan, np.nan)
    lo, hi = percentile_interval(draws, expanded_level(n_clusters))
    return Interval(value, float(lo), float(hi))


def points(
    cells: Cells, methods: Mapping[str, Sequence[str]], cultures: Mapping[str, str], chance: float
) -> pd.DataFrame:
    """One row per method and language, and `macro`: each metric with `_lo` and `_hi`, differences from base, counts.

    `methods` maps the name of a row to the methods whose median it is. `cultures` maps a language to its own culture.
    """
    rows = []
    for name, members in methods.items():
        for language in (*cells.languages, MACRO):
            row: dict[str, object] = {"method": name, "language": language, "culture": cultures.get(language, "")}
            for metric in METRICS:
                _put(row, metric, estimate(cells, members, language, metric))
            for metric in CHANGES:
                _put(row, f"d_{metric}", estimate(cells, members, language, metric, minus=BASE))
            row["n_universal"] = cells.count(language, "transfer")
            row["n_cultural"] = cells.count(language, "localization")
            row["chance"] = chance
            rows.append(row)
    return pd.DataFrame(rows)


def _put(row: dict[str, object], name: str, found: Interval) -> None:
    row[name], row[f"{name}_lo"], row[f"{name}_hi"] = found.estimate, found.lo, found.hi


def contrast(
    cells: Cells, metric: str, method: str, against: str, language: str = MACRO, seed: int = 0
) -> dict[str, object]:
    """Difference of two methods on a metric: estimate, 95% interval, sign-flip p over clusters, number of clusters."""
    found = cells.effect({method: 1.0, against: -1.0}, language, metric)
    return {
        "metric": metric, "method": method, "against": against, "language": language,
        "estimate": found.estimate, "lo": found.interval.lo, "hi": found.interval.hi, "p": found.p_value(seed),
        "n_clusters": len(found.contributions),
    }  # fmt: skip
