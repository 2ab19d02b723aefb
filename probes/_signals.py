"""Signals of layers, what they are held against, and their bootstrap draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Num, Shaped

from probes._intervals import (
    ClusterSums,
    Intervals,
    checked_labels,
    cluster_sums,
    cluster_weights,
    joint_intervals,
    ratio_draws,
)
from probes._student import effective_clusters, normal_deviate, pooled_clusters


@dataclass(frozen=True)
class Sample:
    """Values [layer, example] with the clusters of their examples. NaN is a missing value."""

    values: Num[np.ndarray, "layer example"]
    clusters: Shaped[np.ndarray, " example"]


@dataclass(frozen=True)
class Signal:
    """One signal [layer, example] with the clusters of its examples, and the control or baseline it is compared with.

    control: values paired with the signal, e.g. the mean correctness of a probe's shuffled-label refits. baseline:
    other examples, whose mean is subtracted and whose clusters are drawn independently, e.g. the same probe's
    predictions for prompts that can't hold the label. Without either, the signal is compared with 0. NaN is a missing
    value.
    """

    values: Num[np.ndarray, "layer example"]
    clusters: Shaped[np.ndarray, " example"]
    control: Num[np.ndarray, "layer example"] | None = None
    baseline: Sample | None = None

    @property
    def paired(self) -> Float[np.ndarray, "layer example"]:
        """The values minus their control."""
        values = np.asarray(self.values, dtype=np.float64)
        return values if self.control is None else values - np.asarray(self.control, dtype=np.float64)

    @property
    def excess(self) -> Float[np.ndarray, " layer"]:
        """Mean over the examples, minus the control's and the baseline's."""
        mean = np.nanmean(self.paired, axis=1)
        return mean if self.baseline is None else mean - np.nanmean(self.baseline.values, axis=1)

    def minus(self, other: Signal) -> Signal:
        """The difference from a signal of the same examples, e.g. of another model."""
        baseline = self.baseline
        if baseline is not None and other.baseline is not None:
            baseline = Sample(baseline.values - other.baseline.values, baseline.clusters)
        return Signal(self.paired - other.paired, self.clusters, baseline=baseline)

    def first(self, n_layers: int) -> Signal:
        """The signal of the first layers alone."""
        control = None if self.control is None else self.control[:n_layers]
        base = self.baseline
        baseline = None if base is None else Sample(base.values[:n_layers], base.clusters)
        return Signal(self.values[:n_layers], self.clusters, control, baseline)


Signals = Signal | Sequence[Signal]
"""A signal, or those of several languages: each counts alike, and one label is one cluster in all of them."""


@dataclass(frozen=True)
class Chance:
    """Excess of a signal in cases where there is nothing to find, e.g. of cultures in languages that aren't theirs."""

    excess: Float[np.ndarray, "case layer"]


ENOUGH_CASES = 19
"""With so many cases, a signal that exceeds all of them has p = 0.05."""


@dataclass(frozen=True)
class Drawn:
    """Bootstrap draws of a sample's part in a mean excess, and its number of clusters per layer."""

    draws: Float[np.ndarray, "draw layer"]
    n_clusters: Float[np.ndarray, " layer"]


@dataclass(frozen=True)
class Resampled:
    """Mean excess of a signal per layer, the bootstrap draws of its parts (values, baseline), and its chance."""

    estimate: Float[np.ndarray, " layer"]
    samples: tuple[Drawn, ...]
    chance: Chance | None = None

    @property
    def draws(self) -> Float[np.ndarray, "draw layer"]:
        """Mean excess in each draw."""
        return np.asarray(np.sum([sample.draws for sample in self.samples], axis=0))

    @property
    def n_clusters(self) -> Float[np.ndarray, " layer"]:
        """Number of clusters that the excess is worth."""
        return pooled_clusters(
            np.stack([sample.draws.var(axis=0) for sample in self.samples]),
            np.stack([sample.n_clusters for sample in self.samples]),
        )

    def band(self, level: float) -> Intervals:
        """Band that holds all layers' means at once with probability `level` (max-t)."""
        return joint_intervals(self.estimate, self.draws, self.n_clusters, level)

    def p_value(self) -> float:
        """p of no excess: how often chance holds a mean of the last layers, from any one on, as far above 0; never 0.

        Means are counted in standard errors, and the farthest is taken. Chance is a draw of clusters centred on 0, few
        clusters counting by Student's t. Where cases without anything to find are given, chance is one of them; fewer
        than ENOUGH_CASES can't tell alone, so the draws decide, and p is at least the share of cases as far above 0.
        """
        if self.chance is None:
            return self._p_of_draws()
        as_far = self._cases_as_far(self.chance)
        if len(as_far) >= ENOUGH_CASES:
            return float((1 + as_far.sum()) / (1 + len(as_far)))
        return max(self._p_of_draws(), float(as_far.mean()))

    def _p_of_draws(self) -> float:
        sums, by_chance = tail_sums(self.estimate), tail_sums(self.draws - self.estimate)
        variances = np.stack([tail_sums(sample.draws).var(axis=0) for sample in self.samples])
        n_clusters = pooled_clusters(variances, np.stack([sample.n_clusters for sample in self.samples]))
        error = by_chance.std(axis=0)
        moves = error > 1e-12 * np.abs(tail_sums(self.draws)).max()
        deviates = np.divide(sums, error, out=np.where(sums > 0, np.inf, 0.0), where=moves)
        chance = np.divide(by_chance, error, out=np.zeros_like(by_chance), where=moves).max(axis=1)
        return float((1 + (chance >= normal_deviate(deviates, n_clusters).max()).sum()) / (1 + len(chance)))

    def _cases_as_far(self, chance: Chance) -> Bool[np.ndarray, " case"]:
        """Whether each case is as far above 0; the error is that over all cases and the signal itself."""
        sums = tail_sums(np.concatenate([self.estimate[None], chance.excess]))
        error = np.sqrt((sums**2).mean(axis=0))
        farthest = np.divide(sums, error, out=np.zeros_like(sums), where=error > 0).max(axis=1)
        return np.asarray(farthest[1:] >= farthest[0] - 1e-9)


def resample(
    signals: Mapping[str, Signals], n_draws: int, seed: int, chance: Mapping[str, Chance] | None = None
) -> dict[str, Resampled]:
    """Mean excess of each signal, with shared draws of clusters: a label is the same cluster in all signals.

    Baselines have draws of their own. Raises ValueError for no signals, signals of unequal layers, infinity, a layer
    without values or with values of a single cluster, or labels that are not of one kind.
    """
    if not signals:
        raise ValueError("signals is empty; pass at least one Signal")
    values: dict[str, list[ClusterSums]] = {}
    baselines: dict[str, list[ClusterSums]] = {}
    for name, given in signals.items():
        parts = [given] if isinstance(given, Signal) else list(given)
        values[name] = [_grouped(f"signal {name!r}", part.clusters, _paired(name, part)) for part in parts]
        base = [part.baseline for part in parts if part.baseline is not None]
        if base:
            baselines[name] = [_grouped(f"the baseline of signal {name!r}", b.clusters, b.values) for b in base]
            if len(base) < len(parts):
                raise ValueError(f"give a baseline to all signals of {name!r}, or to none")
    base_seed = int(np.random.SeedSequence(seed).spawn(1)[0].generate_state(1)[0])
    below = _draws(baselines, n_draws, base_seed) if baselines else {}
    resampled = {}
    for name, (estimate, sample) in _draws(values, n_draws, seed).items():
        samples: tuple[Drawn, ...] = (sample,)
        if name in below:
            base_estimate, base_sample = below[name]
            estimate = estimate - base_estimate
            samples += (Drawn(-base_sample.draws, base_sample.n_clusters),)
        resampled[name] = Resampled(estimate, samples, (chance or {}).get(name))
    n_layers(resampled)
    return resampled


def n_layers(signals: Mapping[str, Resampled]) -> int:
    """The number of layers of all signals; ValueError if they differ."""
    numbers = {name: len(signal.estimate) for name, signal in signals.items()}
    if len(set(numbers.values())) > 1:
        raise ValueError(f"all signals must have the same layers, got {numbers}")
    return next(iter(numbers.values()))


def tail_sums(profile: Float[np.ndarray, "*cells layer"]) -> Float[np.ndarray, "*cells layer"]:
    """Sum of each layer and all behind it."""
    return np.asarray(np.cumsum(profile[..., ::-1], axis=-1)[..., ::-1])


def _draws(
    groups: Mapping[str, Sequence[ClusterSums]], n_draws: int, seed: int
) -> dict[str, tuple[Float[np.ndarray, " layer"], Drawn]]:
    """Mean of each name's samples' means, and its draws."""
    every = [sample.labels for samples in groups.values() for sample in samples]
    kinds = {name: samples[0].labels.dtype.kind for name, samples in groups.items()}
    if len({labels.dtype.kind for labels in every}) > 1:
        raise ValueError(f"clusters of all signals must be labels of one kind, got dtype kinds {kinds}")
    labels = np.unique(np.concatenate(every))
    weights = cluster_weights(len(labels), n_draws, seed)
    means = {}
    for name, samples in groups.items():
        draws, counts = [], np.zeros((len(labels), samples[0].counts.shape[1]))
        for sample in samples:
            rows = np.searchsorted(labels, sample.labels)
            drawn = ratio_draws(sample.sums, sample.counts, weights[:, rows])
            # A draw without any value of a layer says nothing about it.
            draws.append(np.where(np.isnan(drawn), sample.mean, drawn))
            counts[rows] += sample.counts
        estimate = np.mean([sample.mean for sample in samples], axis=0)
        means[name] = estimate, Drawn(np.mean(draws, axis=0), effective_clusters(counts))
    return means


def _grouped(
    name: str, clusters: Shaped[np.ndarray, " example"], layers: Num[np.ndarray, "layer example"]
) -> ClusterSums:
    """Sums within clusters, checked."""
    values = np.asarray(layers, dtype=np.float64)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"{name} must be [layer, example] with entries, got shape {values.shape}")
    checked_labels(clusters, values.shape[1], f"clusters of {name}")
    for row, layer in enumerate(values):
        if np.isinf(layer).any():
            raise ValueError(f"{name} is infinite in layer row {row}, example {int(np.isinf(layer).argmax())}")
        if np.isnan(layer).all():
            raise ValueError(f"{name} has no value in layer row {row}; leave that layer out")
    group = cluster_sums(values.T, clusters)
    if len(group.labels) < 2:
        raise ValueError(f"{name} has a single cluster; an interval needs at least two")
    single = np.flatnonzero((group.counts > 0).sum(axis=0) < 2)
    if len(single):
        raise ValueError(f"{name} has values of a single cluster in layer row {single[0]}; leave that layer out")
    return group


def _paired(name: str, signal: Signal) -> Float[np.ndarray, "layer example"]:
    shapes = np.shape(signal.values), np.shape(signal.values if signal.control is None else signal.control)
    if shapes[0] != shapes[1]:
        raise ValueError(f"signal {name!r} and its control must be paired, got shapes {shapes[0]} and {shapes[1]}")
    return signal.paired
