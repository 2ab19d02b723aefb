"""Onsets: from which layer on a signal exceeds its control, with an interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Num, Shaped

from probes._intervals import Intervals, Resampling, cluster_interval
from probes._signals import Chance, Resampled, Signal, Signals, n_layers, resample, tail_sums


@dataclass(frozen=True)
class Onset:
    """First layer from which a signal (or each of several) exceeds its control, with the bounds of its interval.

    `layer`, `lo` and `hi` are None without enough evidence (`p` above 1 - level). `p` tests for no excess at any layer
    (for the weakest signal). `firm` is the first layer from which the simultaneous band lies above 0 up to the last
    layer, or None. An upper bound one past the last layer means "at none of them".
    """

    layer: int | None
    lo: int | None
    hi: int | None
    p: float
    firm: int | None


def step_onset(profile: Float[np.ndarray, "*cells layer"]) -> Int[np.ndarray, "*cells"]:
    """Row at which a step from 0 up to a constant fits each profile best by least squares (our definition of an onset).

    At this row the profile passes half of the mean of what follows, so neither a small leak before it nor the number of
    examples moves it. The number of layers means "nowhere": no mean of the last layers is positive.
    """
    sums = tail_sums(np.asarray(profile, dtype=np.float64))
    # By how much a step at each row, its height fitted and positive, lowers the sum of squares.
    gains = np.where(sums > 0, sums**2 / np.arange(sums.shape[-1], 0, -1), 0.0)
    largest = gains.max(axis=-1, keepdims=True)
    # Equal fits, which accuracies make possible, must not be told apart by rounding.
    first = (gains >= largest * (1 - 1e-12)).argmax(axis=-1)
    return np.where(largest[..., 0] > 0, first, gains.shape[-1])


def simultaneous_band(
    values: Num[np.ndarray, "layer example"],
    clusters: Shaped[np.ndarray, " example"],
    resampling: Resampling = Resampling(),
) -> Intervals:
    """Mean over examples per layer, with a simultaneous band over all layers (max-t over a cluster bootstrap).

    NaN is a missing value. Raises ValueError for infinity, a layer without values, fewer than two clusters, or
    clusters of another length.
    """
    signals = resample({"values": Signal(values, clusters)}, resampling.n_draws, resampling.seed)
    return signals["values"].band(resampling.level)


def find_onset(
    signals: Mapping[str, Signals],
    *,
    layers: Sequence[int] | None = None,
    chance: Mapping[str, Chance] | None = None,
    resampling: Resampling = Resampling(),
) -> Onset:
    """First layer from which every signal stays above its control: the latest of their onsets.

    A signal's onset is `step_onset` of its mean excess. The interval is the percentile interval of the whole rule over
    draws of clusters; the rule contains no test, so the bounds do not move to later layers with low power. `layers`
    numbers the rows (default: 0, 1, ...). `chance` gives, for a signal, its excess in cases without a signal. Raises
    ValueError as `simultaneous_band` does, for no signals, for signals or controls of unequal shapes, and for `layers`
    that are not consecutive.
    """
    resampled = resample(signals, resampling.n_draws, resampling.seed, chance)
    numbers = layer_numbers(layers, n_layers(resampled))
    return joint_onset(list(resampled.values()), numbers, resampling.level)


def joint_onset(signals: Sequence[Resampled], layers: Sequence[int], level: float) -> Onset:
    """Latest onset among resampled signals; see `find_onset`."""
    p = max(signal.p_value() for signal in signals)
    firm = max(_firm(signal.band(level).lo) for signal in signals)
    named = [*layers, layers[-1] + 1]
    bound = named[firm] if firm < len(layers) else None
    if p > 1.0 - level:
        return Onset(None, None, None, p, bound)
    row = int(max(step_onset(signal.estimate) for signal in signals))
    lo, hi = row_interval(joint_draws(signals), fewest_clusters(signals), level)
    return Onset(named[row], named[lo], named[hi], p, bound)


def joint_draws(signals: Sequence[Resampled]) -> Int[np.ndarray, " draw"]:
    """Row of the latest onset in each draw."""
    return np.asarray(np.max([step_onset(signal.draws) for signal in signals], axis=0))


def fewest_clusters(signals: Sequence[Resampled]) -> float:
    """The smallest number of clusters that a layer of a signal is worth."""
    return float(min(signal.n_clusters.min() for signal in signals))


def row_interval(draws: Int[np.ndarray, " draw"], n_clusters: float, level: float) -> tuple[int, int]:
    """Percentile interval of whole numbers, expanded for few clusters, widened to whole numbers."""
    lo, hi = cluster_interval(draws.astype(np.float64), n_clusters, level)
    return int(np.floor(lo)), int(np.ceil(hi))


def layer_numbers(layers: Sequence[int] | None, number: int) -> list[int]:
    """The numbers of the rows, 0.. unless given; ValueError unless they are consecutive and as many as the rows."""
    numbers = list(range(number) if layers is None else layers)
    if len(numbers) != number or numbers != list(range(numbers[0], numbers[0] + number)):
        raise ValueError(f"layers must be {number} consecutive numbers, one for each row, got {numbers}")
    return numbers


def _firm(lower: Float[np.ndarray, " layer"]) -> int:
    below = np.flatnonzero(lower <= 0)
    return int(below[-1]) + 1 if len(below) else 0
