"""How long a shift of the residual stream is, where it points, and which directions it lies in, from arrays alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from probes._intervals import cluster_interval, ratio, ratio_draws
from probes._student import effective_clusters

STATISTICS = ("shift", "on_en", "on_loc", "share_en", "share_loc", "share_rest")


@dataclass(frozen=True)
class Frame:
    """Unit directions of one layer. `loc_apart`: what of LOC is orthogonal to EN. All are 0 where there is nothing."""

    en: Float[np.ndarray, "d_model"]
    loc: Float[np.ndarray, "d_model"]
    loc_apart: Float[np.ndarray, "d_model"]
    random: Float[np.ndarray, "draw d_model"]

    @classmethod
    def of(
        cls,
        en: Float[np.ndarray, "d_model"],
        loc: Float[np.ndarray, "d_model"],
        random: Float[np.ndarray, "draw d_model"],
    ) -> Frame:
        """The frame of two vectors and random directions of any length."""
        unit_en, unit_loc = _unit(en), _unit(loc)
        apart = unit_loc - (unit_loc @ unit_en) * unit_en
        loc_apart = np.zeros_like(apart) if np.linalg.norm(apart) < 1e-6 else _unit(apart)
        return cls(unit_en, unit_loc, loc_apart, np.stack([_unit(row) for row in random]))


@dataclass(frozen=True)
class Measured:
    """A shift's STATISTICS, the share of its mean square on each random direction, each with its draws.

    n_clusters: how many clusters of equal size the examples are worth.
    """

    statistics: Float[np.ndarray, "statistic"]
    draws: Float[np.ndarray, "draw statistic"]
    random: Float[np.ndarray, "direction"]
    random_draws: Float[np.ndarray, "draw direction"]
    common: float
    n_clusters: float


def measure(
    shift: Float[np.ndarray, "example d_model"],
    frame: Frame,
    scale: float,
    clusters: Int[np.ndarray, "example"],
    weights: Int[np.ndarray, "draw cluster"],
) -> Measured:
    """The shift of each example against the frame; lengths are over `scale`, the median norm of the residuals.

    - shift: mean length; on_en, on_loc: mean of the product with the unit vector; all over `scale`.
    - share_en, share_loc, share_rest: parts of the mean squared length along EN, along what of LOC is orthogonal to EN,
      and of the rest. They sum to 1; NaN if nothing shifted.
    - common: squared length of the mean shift over the mean squared length: 1 where all examples shift alike.

    clusters: number of each example's cluster, a column of `weights`, the bootstrap's draws.
    """
    s = np.asarray(shift, dtype=np.float64)
    square = (s**2).sum(axis=1)
    along_en, along_loc = (s @ frame.en) ** 2, (s @ frame.loc_apart) ** 2
    # Rounding may leave less than nothing for the rest.
    rest = np.maximum(square - along_en - along_loc, 0.0)
    lengths = np.stack([np.sqrt(square), s @ frame.en, s @ frame.loc], axis=1) / scale
    parts = np.concatenate([np.stack([along_en, along_loc, rest], axis=1), (s @ frame.random.T) ** 2], axis=1)
    above = np.concatenate([lengths, parts], axis=1)
    below = np.concatenate([np.ones_like(lengths), np.repeat(square[:, None], parts.shape[1], axis=1)], axis=1)
    tops, bottoms = (_by_cluster(values, clusters, weights.shape[1]) for values in (above, below))
    shares, draws = ratio(tops.sum(axis=0), bottoms.sum(axis=0)), ratio_draws(tops, bottoms, weights)
    n = len(STATISTICS)
    common = float(ratio((s.mean(axis=0) ** 2).sum(), square.mean()))
    return Measured(
        shares[:n], draws[:, :n], shares[n:], draws[:, n:], common, float(effective_clusters(np.bincount(clusters)))
    )


def mean(parts: Sequence[Measured]) -> Measured:
    """The mean over languages; the parts' draws are of the same clusters."""
    return Measured(
        np.mean([part.statistics for part in parts], axis=0), np.mean([part.draws for part in parts], axis=0),
        np.mean([part.random for part in parts], axis=0), np.mean([part.random_draws for part in parts], axis=0),
        float(np.mean([part.common for part in parts])), min(part.n_clusters for part in parts),
    )  # fmt: skip


def columns(measured: Measured) -> dict[str, float]:
    """STATISTICS and `share_random`, the median over the random directions, each with `_lo` and `_hi`; and `common`.

    `en_above_random`, `loc_above_random`: the part of the random directions whose share is smaller than EN's, and than
    that of what of LOC is orthogonal to EN.
    """
    row: dict[str, float] = {}
    values = [*measured.statistics, np.median(measured.random)]
    draws = np.column_stack([measured.draws, np.median(measured.random_draws, axis=1)])
    bounds = cluster_interval(draws, measured.n_clusters)
    for name, value, lo, hi in zip((*STATISTICS, "share_random"), values, *bounds, strict=True):
        row |= {name: float(value), f"{name}_lo": float(lo), f"{name}_hi": float(hi)}
    for name in ("en", "loc"):
        share = row[f"share_{name}"]
        row[f"{name}_above_random"] = float(np.nan if np.isnan(share) else (measured.random < share).mean())
    return row | {"common": measured.common}


def _unit(vector: Float[np.ndarray, "d_model"]) -> Float[np.ndarray, "d_model"]:
    x = np.asarray(vector, dtype=np.float64)
    length = np.linalg.norm(x)
    return np.asarray(x / length) if length > 0 else x


def _by_cluster(
    values: Float[np.ndarray, "example column"], clusters: Int[np.ndarray, "example"], n: int
) -> Float[np.ndarray, "cluster column"]:
    sums = np.zeros((n, values.shape[1]))
    np.add.at(sums, clusters, values)
    return sums
