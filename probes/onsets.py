"""Onsets: from which layer on a signal exceeds its control, with simultaneous bands and an interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Num, Shaped

from probes.intervals import (
    Intervals,
    checked_labels,
    cluster_sums,
    cluster_weights,
    joint_intervals,
    percentile_interval,
    ratio_draws,
)


@dataclass(frozen=True)
class Signal:
    """One signal [layer, example] with the clusters of its examples and, paired with it, its control (none: 0).

    Examples: a probe's correctness and that of its shuffled-label refits (their mean); a cosine margin, which has its
    control in it. NaN is a missing value.
    """

    values: Num[np.ndarray, "layer example"]
    clusters: Shaped[np.ndarray, " example"]
    control: Num[np.ndarray, "layer example"] | None = None


@dataclass(frozen=True)
class Onset:
    """Layer from which a signal (or each of several) exceeds its control, with the bounds of its interval.

    `layer`, `lo` and `hi` are None where the evidence falls short (`p` above 1 - level). `p` is that of no excess at
    any layer (of the weakest signal). `firm` is the first layer from which the simultaneous band lies above 0 at every
    layer to the last, or None. An upper bound one past the last layer stands for "at none of them".
    """

    layer: int | None
    lo: int | None
    hi: int | None
    p: float
    firm: int | None


@dataclass(frozen=True)
class Resampled:
    """Mean excess of a signal per layer, and the same in each bootstrap draw."""

    estimate: Float[np.ndarray, " layer"]
    draws: Float[np.ndarray, "draw layer"]

    def band(self, level: float) -> Intervals:
        """Band that holds all layers' means at once with probability `level` (max-t)."""
        return joint_intervals(self.estimate, self.draws, level)

    def p_value(self) -> float:
        """p of no excess: how often draws centred on 0 hold a mean of the last layers, from any one on, as far above.

        Means are counted in standard errors, and the farthest is taken; never 0.
        """
        sums, by_chance = _tail_sums(self.estimate), _tail_sums(self.draws - self.estimate)
        error = by_chance.std(axis=0)
        moves = error > 1e-12 * np.abs(_tail_sums(self.draws)).max()
        found = np.divide(sums, error, out=np.where(sums > 0, np.inf, 0.0), where=moves).max()
        chance = np.divide(by_chance, error, out=np.zeros_like(by_chance), where=moves).max(axis=1)
        return float((1 + (chance >= found).sum()) / (1 + len(chance)))


def step_onset(profile: Float[np.ndarray, "*cells layer"]) -> Int[np.ndarray, "*cells"]:
    """Row at which a step from 0 up to a constant fits each profile best by least squares (our definition of an onset).

    It is where the profile passes half of the mean of what follows, so that neither a small leak before nor the number
    of examples moves it. The number of layers stands for "nowhere": no mean of the last layers is positive.
    """
    gains = _gains(np.asarray(profile, dtype=np.float64))
    largest = gains.max(axis=-1, keepdims=True)
    # Equal fits, which accuracies make possible, must not be told apart by rounding.
    first = (gains >= largest * (1 - 1e-12)).argmax(axis=-1)
    return np.where(largest[..., 0] > 0, first, gains.shape[-1])


def simultaneous_band(
    values: Num[np.ndarray, "layer example"],
    clusters: Shaped[np.ndarray, " example"],
    *,
    n_draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Intervals:
    """Mean over examples per layer, with a band that holds all layers at once (max-t over a cluster bootstrap).

    NaN is a missing value. Raises ValueError for infinity, a layer without values, fewer than two clusters, or
    clusters of another length.
    """
    return resample({"values": Signal(values, clusters)}, n_draws, seed)["values"].band(level)


def find_onset(
    signals: Mapping[str, Signal],
    *,
    layers: Sequence[int] | None = None,
    n_draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Onset:
    """First layer from which every signal exceeds its control for good: the latest of their onsets.

    A signal's onset is `step_onset` of its mean excess. The interval is the percentile interval of the whole rule over
    draws of clusters; no test takes part in the rule, so the bounds do not move late as the power falls. `layers`
    numbers the rows (0.. unless given). Raises ValueError as `simultaneous_band` does, for no signals, for signals or
    controls of unequal shapes, or for `layers` that are not consecutive.
    """
    found = resample(signals, n_draws, seed)
    numbers = layer_numbers(layers, _n_layers(found))
    return joint_onset(list(found.values()), numbers, level)


def resample(signals: Mapping[str, Signal], n_draws: int, seed: int) -> dict[str, Resampled]:
    """Mean excess of each signal, with the same draws of clusters for all: one label is one cluster in all of them."""
    if not signals:
        raise ValueError("signals is empty; give at least one Signal")
    groups = {}
    for name, signal in signals.items():
        groups[name] = cluster_sums(_excess(name, signal).T, signal.clusters)
        if len(groups[name].labels) < 2:
            raise ValueError(f"signal {name!r} has a single cluster; an interval needs at least two")
    kinds = {name: group.labels.dtype.kind for name, group in groups.items()}
    if len(set(kinds.values())) > 1:
        raise ValueError(f"clusters of all signals must be labels of one kind, got dtype kinds {kinds}")
    labels = np.unique(np.concatenate([group.labels for group in groups.values()]))
    weights = cluster_weights(len(labels), n_draws, seed)
    found = {}
    for name, group in groups.items():
        estimate = group.sums.sum(axis=0) / group.counts.sum(axis=0)
        draws = ratio_draws(group.sums, group.counts, weights[:, np.searchsorted(labels, group.labels)])
        # A draw without any value of a layer says nothing about it.
        found[name] = Resampled(estimate, np.where(np.isnan(draws), estimate, draws))
    _n_layers(found)
    return found


def joint_onset(signals: Sequence[Resampled], layers: Sequence[int], level: float) -> Onset:
    """Latest onset among resampled signals; see `find_onset`."""
    p = max(signal.p_value() for signal in signals)
    firm = max(_firm(signal.band(level).lo) for signal in signals)
    named = [*layers, layers[-1] + 1]
    bound = named[firm] if firm < len(layers) else None
    if p > 1.0 - level:
        return Onset(None, None, None, p, bound)
    row = int(max(step_onset(signal.estimate) for signal in signals))
    lo, hi = row_interval(joint_draws(signals), level)
    return Onset(named[row], named[lo], named[hi], p, bound)


def joint_draws(signals: Sequence[Resampled]) -> Int[np.ndarray, " draw"]:
    """Row of the latest onset in each draw."""
    return np.asarray(np.max([step_onset(signal.draws) for signal in signals], axis=0))


def row_interval(draws: Int[np.ndarray, " draw"], level: float) -> tuple[int, int]:
    """Percentile interval of whole numbers, widened to whole numbers."""
    lo, hi = percentile_interval(draws.astype(np.float64), level)
    return int(np.floor(lo)), int(np.ceil(hi))


def layer_numbers(layers: Sequence[int] | None, n_layers: int) -> list[int]:
    """The numbers of the rows, 0.. unless given; ValueError unless they are consecutive and as many as the rows."""
    numbers = list(range(n_layers) if layers is None else layers)
    if len(numbers) != n_layers or numbers != list(range(numbers[0], numbers[0] + n_layers)):
        raise ValueError(f"layers must be {n_layers} consecutive numbers, one for each row, got {numbers}")
    return numbers


def _gains(profile: Float[np.ndarray, "*cells layer"]) -> Float[np.ndarray, "*cells layer"]:
    """By how much a step at each row, its height fitted and positive, lowers the sum of squares."""
    sums = _tail_sums(profile)
    lengths = np.arange(profile.shape[-1], 0, -1)
    return np.asarray(np.where(sums > 0, sums**2 / lengths, 0.0))


def _tail_sums(profile: Float[np.ndarray, "*cells layer"]) -> Float[np.ndarray, "*cells layer"]:
    return np.asarray(np.cumsum(profile[..., ::-1], axis=-1)[..., ::-1])


def _firm(lower: Float[np.ndarray, " layer"]) -> int:
    below = np.flatnonzero(lower <= 0)
    return int(below[-1]) + 1 if len(below) else 0


def _n_layers(found: Mapping[str, Resampled]) -> int:
    numbers = {name: len(signal.estimate) for name, signal in found.items()}
    if len(set(numbers.values())) > 1:
        raise ValueError(f"all signals must have the same layers, got {numbers}")
    return next(iter(numbers.values()))


def _excess(name: str, signal: Signal) -> Float[np.ndarray, "layer example"]:
    values = np.asarray(signal.values, dtype=np.float64)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"signal {name!r} must be [layer, example] with entries, got shape {values.shape}")
    checked_labels(signal.clusters, values.shape[1], f"clusters of signal {name!r}")
    if signal.control is not None:
        control = np.asarray(signal.control, dtype=np.float64)
        if control.shape != values.shape:
            raise ValueError(
                f"signal {name!r} and its control must be paired, got shapes {values.shape} and {control.shape}"
            )
        values = values - control
    for row, layer in enumerate(values):
        if np.isinf(layer).any():
            raise ValueError(f"signal {name!r} is infinite in layer row {row}, example {int(np.isinf(layer).argmax())}")
        if np.isnan(layer).all():
            raise ValueError(f"signal {name!r} has no value in layer row {row}; leave that layer out")
    return values
