"""How EN and LOC lie to each other at each layer: cosine, norms, principal angles, stability; each against chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped
from scipy.linalg import subspace_angles

from probes._alignment import cosine, layer_names, layer_stack
from probes._controls import random_directions
from probes._intervals import (
    checked_labels,
    cluster_interval,
    cluster_sums,
    cluster_weights,
    percentile_interval,
    ratio_draws,
)
from probes._student import effective_clusters

# Below this share of the largest singular value, what is left of a dependent vector is single-precision rounding.
_RANK_TOLERANCE = 1e-5

_FLIP_DRAWS = 50


@dataclass(frozen=True)
class _Pairs:
    """Paired differences of one vector, with the clusters of the pairs."""

    differences: Float[np.ndarray, "layer pair d_model"]
    clusters: Shaped[np.ndarray, " pair"]


@dataclass(frozen=True)
class _Fit:
    """One layer's cluster sums: a vector is their weighted sum, so its draws need no more than their inner products."""

    sums: Float[np.ndarray, "cluster d_model"]
    counts: Float[np.ndarray, " cluster"]

    @property
    def vector(self) -> Float[np.ndarray, " d_model"]:
        return np.asarray(self.sums.sum(axis=0) / self.counts.sum())

    @property
    def n_clusters(self) -> float:
        return float(effective_clusters(self.counts))


def direction_layers(
    en: Float[np.ndarray, "layer en_pair d_model"],
    loc: Float[np.ndarray, "layer loc_pair d_model"],
    residuals: Float[np.ndarray, "layer example d_model"],
    *,
    clusters_en: Shaped[np.ndarray, " en_pair"],
    clusters_loc: Shaped[np.ndarray, " loc_pair"],
    layers: Sequence[object] | None = None,
    n_draws: int = 2000,
    n_null: int = 200,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Cosine of EN and LOC, their norms and stability, one row per layer. A vector is the mean of its differences.

    Columns, those marked * with _lo and _hi from a bootstrap over clusters (EN and LOC resampled independently):

    - layer; cosine*, cosine_null_lo and cosine_null_hi (its `level` interval for pairs of random directions with the
      residuals' covariance), cosine_p (share of such pairs at least as parallel, in either sense: small says closer
      than chance, near 1 says closer to orthogonal than chance)
    - en_norm*, loc_norm*: norm over the median norm of `residuals`; _null (its `level` quantile when the sign of each
      cluster is drawn at random) and _p (share of such draws at least as long)
    - en_stability, loc_stability: mean cosine of a refit on resampled clusters with the vector; _q05 (its 5% quantile);
      _null and _p as above, from refits of the sign-flipped vectors
    - n_en, n_loc: number of pairs

    Refits hold the sampling noise twice, which lengthens vectors and turns them apart; intervals are moved so that the
    draws' mean is the estimate. NaN where a vector is 0. Raises ValueError for unequal layers or widths, NaN or
    infinity, fewer than two clusters, or residuals without variance.
    """
    stacks = {
        "en": layer_stack(en, "en"),
        "loc": layer_stack(loc, "loc"),
        "residuals": layer_stack(residuals, "residuals"),
    }
    _check_stacks(stacks)
    pairs = {
        "en": _pairs(stacks["en"], clusters_en, "clusters_en"),
        "loc": _pairs(stacks["loc"], clusters_loc, "clusters_loc"),
    }
    names = layer_names(layers, len(stacks["en"]))
    _check_counts(n_draws, n_null)
    rows = []
    for row, name in enumerate(names):
        draw_seeds = np.random.SeedSequence((seed, row)).spawn(5)
        lengths = np.linalg.norm(stacks["residuals"][row].astype(np.float64), axis=1)
        scale = float(np.median(lengths))
        fits = {side: _fit(part, row) for side, part in pairs.items()}
        weights = {
            side: _weights(len(fit.counts), n_draws, s)
            for (side, fit), s in zip(fits.items(), draw_seeds[:2], strict=True)
        }
        found: dict[str, object] = {"layer": name}
        found |= _cosine_columns(
            fits, weights, _random(stacks["residuals"][row], 2 * n_null, draw_seeds[2], name), level
        )
        for (side, fit), s in zip(fits.items(), draw_seeds[3:], strict=True):
            found |= _length_columns(side, fit, weights[side], scale, n_null, s, level)
        found |= {"n_en": stacks["en"].shape[1], "n_loc": stacks["loc"].shape[1]}
        rows.append(found)
    return pd.DataFrame(rows)


def angle_layers(
    en: Sequence[Float[np.ndarray, "layer _pair d_model"]],
    loc: Sequence[Float[np.ndarray, "layer _pair d_model"]],
    residuals: Float[np.ndarray, "layer example d_model"],
    *,
    clusters_en: Sequence[Shaped[np.ndarray, " _pair"]],
    clusters_loc: Sequence[Shaped[np.ndarray, " _pair"]],
    layers: Sequence[object] | None = None,
    n_draws: int = 200,
    n_null: int = 200,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Principal angles, in degrees, between the span of all EN and the span of all LOC vectors, one row per layer.

    `en` and `loc` hold the paired differences of each vector (of each language, or culture), with their clusters.
    Columns: layer, rank_en, rank_loc (vectors that depend on the others add none), and for each angle k = 1.., smallest
    first: angle_k, _lo and _hi (bootstrap over clusters, one label being one cluster in all vectors of a side; moved as
    in `direction_layers`), _null_lo and _null_hi (its `level` interval for random subspaces of the same ranks, with the
    residuals' covariance), _p (share of such subspaces whose angle is as small: small says closer than chance, near 1
    says closer to orthogonal than chance). NaN where a layer has fewer angles.
    Raises ValueError as `direction_layers` does, or for no vectors.
    """
    if not len(en) or not len(loc):
        raise ValueError(f"en and loc must hold at least one vector's differences each, got {len(en)} and {len(loc)}")
    for side, parts, owners in (("en", en, clusters_en), ("loc", loc, clusters_loc)):
        if len(parts) != len(owners):
            raise ValueError(f"clusters_{side} must have an entry for each of {len(parts)} vectors, got {len(owners)}")
    stacks = {
        f"{side}[{i}]": layer_stack(x, f"{side}[{i}]")
        for side, xs in (("en", en), ("loc", loc))
        for i, x in enumerate(xs)
    }
    stacks["residuals"] = layer_stack(residuals, "residuals")
    _check_stacks(stacks)
    sides = {
        side: [_pairs(stacks[f"{side}[{i}]"], c, f"clusters_{side}[{i}]") for i, c in enumerate(owners)]
        for side, owners in (("en", clusters_en), ("loc", clusters_loc))
    }
    names = layer_names(layers, len(stacks["residuals"]))
    _check_counts(n_draws, n_null)
    rows = []
    for row, name in enumerate(names):
        seeds = np.random.SeedSequence((seed, row)).spawn(4)
        spans, drawn, fewest = [], [], np.inf
        for vectors, s in zip(sides.values(), seeds[:2], strict=True):
            fits = [_fit_labelled(part, row) for part in vectors]
            spans.append(_basis(np.stack([fit.vector for fit, _ in fits])))
            drawn.append(_span_draws(fits, n_draws, s))
            fewest = min(fewest, *(fit.n_clusters for fit, _ in fits))
        ranks = [span.shape[1] for span in spans]
        found: dict[str, object] = {"layer": name, "rank_en": ranks[0], "rank_loc": ranks[1]}
        if min(ranks):
            angles = _angles(spans[0], spans[1])
            draws = np.stack([_angles(_basis(a), _basis(b), len(angles)) for a, b in zip(*drawn, strict=True)])
            null = _random_angles(stacks["residuals"][row], ranks, n_null, seeds[2:], name)
            found |= _angle_columns(angles, draws, null, fewest, level)
        rows.append(found)
    return pd.DataFrame(rows)


def _check_stacks(stacks: dict[str, Float[np.ndarray, "layer _n d_model"]]) -> None:
    shapes = {name: (stack.shape[0], stack.shape[2]) for name, stack in stacks.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"all inputs must have equal layers and widths, got {shapes} as (layers, d_model)")


def _check_counts(n_draws: int, n_null: int) -> None:
    if n_draws < 1 or n_null < 1:
        raise ValueError(f"n_draws and n_null must be at least 1, got {n_draws} and {n_null}")


def _pairs(
    differences: Float[np.ndarray, "layer pair d_model"], clusters: Shaped[np.ndarray, " pair"], name: str
) -> _Pairs:
    labels = checked_labels(clusters, differences.shape[1], name)
    if len(np.unique(labels)) < 2:
        raise ValueError(f"{name} has a single cluster; a bootstrap needs at least two")
    return _Pairs(differences, labels)


def _fit(pairs: _Pairs, row: int) -> _Fit:
    return _fit_labelled(pairs, row)[0]


def _fit_labelled(pairs: _Pairs, row: int) -> tuple[_Fit, Shaped[np.ndarray, " cluster"]]:
    grouped = cluster_sums(pairs.differences[row], pairs.clusters)
    return _Fit(grouped.sums, grouped.counts[:, 0]), grouped.labels


def _weights(n_clusters: int, n_draws: int, seed: np.random.SeedSequence) -> Int[np.ndarray, "draw cluster"]:
    return cluster_weights(n_clusters, n_draws, int(seed.generate_state(1)[0]))


def _random(
    residuals: Float[np.ndarray, "example d_model"], n: int, seed: np.random.SeedSequence, layer: object
) -> Float[np.ndarray, "n d_model"]:
    try:
        return random_directions(residuals, n, seed=seed)
    except ValueError as error:
        raise ValueError(f"residuals of layer {layer} give no random directions: {error}") from error


def _cosine_columns(
    fits: dict[str, _Fit],
    weights: dict[str, Int[np.ndarray, "draw cluster"]],
    directions: Float[np.ndarray, "twice_n d_model"],
    level: float,
) -> dict[str, object]:
    en, loc = fits["en"], fits["loc"]
    found = float(cosine(en.vector, loc.vector))
    dots = ((weights["en"] @ (en.sums @ loc.sums.T)) * weights["loc"]).sum(axis=1)
    norms = [np.sqrt(_squares(fit.sums @ fit.sums.T, weights[side])) for side, fit in fits.items()]
    draws = _divide(dots, norms[0] * norms[1])
    half = len(directions) // 2
    null = cosine(directions[:half], directions[half:])
    lo, hi = _moved_interval(found, draws, min(en.n_clusters, loc.n_clusters), level, (-1.0, 1.0))
    null_lo, null_hi = percentile_interval(null, level)
    return {
        "cosine": found,
        "cosine_lo": lo,
        "cosine_hi": hi,
        "cosine_null_lo": float(null_lo),
        "cosine_null_hi": float(null_hi),
        "cosine_p": _share(np.abs(null) >= abs(found), found),
    }


def _length_columns(
    side: str,
    fit: _Fit,
    weights: Int[np.ndarray, "draw cluster"],
    scale: float,
    n_null: int,
    seed: np.random.SeedSequence,
    level: float,
) -> dict[str, object]:
    """Norm and stability of one vector, with the null of signs drawn at random for its clusters."""
    gram = fit.sums @ fit.sums.T
    ones = np.ones((1, len(gram)))
    norm = float(np.sqrt(_squares(gram, ones)[0]) / (fit.counts.sum() * scale))
    draws = np.sqrt(_squares(gram, weights)) / (weights @ fit.counts * scale)
    lo, hi = _moved_interval(norm, draws, fit.n_clusters, level, (0.0, np.inf))
    stability = _refit_cosines(gram, weights, ones)
    flip_seed, refit_seed = seed.spawn(2)
    signs = np.random.default_rng(flip_seed).choice([-1.0, 1.0], size=(n_null, len(gram)))
    null_norm = np.sqrt(_squares(gram, signs)) / (fit.counts.sum() * scale)
    refits = _weights(len(gram), _FLIP_DRAWS, refit_seed)
    null_stability = np.array([_refit_cosines(gram, refits * sign, sign[None]).mean() for sign in signs])
    mean = float(stability.mean())
    return {
        f"{side}_norm": norm,
        f"{side}_norm_lo": lo,
        f"{side}_norm_hi": hi,
        f"{side}_norm_null": float(np.quantile(null_norm, level)),
        f"{side}_norm_p": _share(null_norm >= norm, norm),
        f"{side}_stability": mean,
        f"{side}_stability_q05": float(np.quantile(stability, 0.05)),
        f"{side}_stability_null": float(np.quantile(null_stability, level)),
        f"{side}_stability_p": _share(null_stability >= mean, mean),
    }


def _squares(gram: Float[np.ndarray, "k k"], weights: Float[np.ndarray, "draw k"]) -> Float[np.ndarray, " draw"]:
    """Squared norms of weighted sums of the vectors whose inner products are given; rounding below 0 becomes 0."""
    return np.asarray(np.maximum(((weights @ gram) * weights).sum(axis=1), 0.0))


def _refit_cosines(
    gram: Float[np.ndarray, "k k"], weights: Float[np.ndarray, "draw k"], full: Float[np.ndarray, "1 k"]
) -> Float[np.ndarray, " draw"]:
    lengths = np.sqrt(_squares(gram, weights) * _squares(gram, full))
    return np.minimum(_divide(weights @ (gram @ full[0]), lengths), 1.0)


def _divide(top: Float[np.ndarray, " n"], bottom: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return np.asarray(np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0))


def _moved_interval(
    estimate: float, draws: Float[np.ndarray, " draw"], n_clusters: float, level: float, within: tuple[float, float]
) -> tuple[float, float]:
    """Interval of draws over `n_clusters`, moved so that their mean is the estimate, inside what is possible."""
    if np.isnan(estimate):
        return np.nan, np.nan
    lo, hi = cluster_interval(draws - np.nanmean(draws) + estimate, n_clusters, level)
    return float(np.clip(lo, *within)), float(np.clip(hi, *within))


def _share(as_extreme: Shaped[np.ndarray, " draw"], found: float) -> float:
    return np.nan if np.isnan(found) else float((1 + as_extreme.sum()) / (1 + len(as_extreme)))


def _basis(vectors: Float[np.ndarray, "vector d_model"]) -> Float[np.ndarray, "d_model rank"]:
    """Orthonormal basis of the span; none for vectors of 0."""
    _, sizes, directions = np.linalg.svd(vectors, full_matrices=False)
    return np.asarray(directions[sizes > _RANK_TOLERANCE * max(sizes[0], np.finfo(np.float64).tiny)].T)


def _angles(
    a: Float[np.ndarray, "d_model _rank"], b: Float[np.ndarray, "d_model _rank"], n: int | None = None
) -> Float[np.ndarray, " angle"]:
    """Principal angles in degrees, smallest first; the first `n` of them, NaN for those there aren't."""
    found = np.full(min(a.shape[1], b.shape[1]) if n is None else n, np.nan)
    if a.shape[1] and b.shape[1]:
        angles = np.rad2deg(subspace_angles(a, b)[::-1])[: len(found)]
        found[: len(angles)] = angles
    return found


def _span_draws(
    fits: Sequence[tuple[_Fit, Shaped[np.ndarray, " cluster"]]], n_draws: int, seed: np.random.SeedSequence
) -> list[Float[np.ndarray, "vector d_model"]]:
    """All vectors of a side refitted on the same draws of clusters; a draw without any pair of one leaves it out."""
    labels = np.unique(np.concatenate([own for _, own in fits]))
    weights = _weights(len(labels), n_draws, seed)
    vectors = np.stack(
        [ratio_draws(fit.sums, fit.counts, weights[:, np.searchsorted(labels, own)]) for fit, own in fits], axis=1
    )
    return [draw[~np.isnan(draw).any(axis=1)] for draw in vectors]


def _random_angles(
    residuals: Float[np.ndarray, "example d_model"],
    ranks: Sequence[int],
    n: int,
    seeds: Sequence[np.random.SeedSequence],
    layer: object,
) -> Float[np.ndarray, "n angle"]:
    width = residuals.shape[1]
    first, second = (
        _random(residuals, n * rank, s, layer).reshape(n, rank, width) for rank, s in zip(ranks, seeds, strict=True)
    )
    return np.stack([_angles(_basis(a), _basis(b), min(ranks)) for a, b in zip(first, second, strict=True)])


def _angle_columns(
    angles: Float[np.ndarray, " angle"],
    draws: Float[np.ndarray, "draw angle"],
    null: Float[np.ndarray, "null angle"],
    n_clusters: float,
    level: float,
) -> dict[str, object]:
    columns: dict[str, object] = {}
    for k, angle in enumerate(angles.tolist()):
        lo, hi = _moved_interval(angle, draws[:, k], n_clusters, level, (0.0, 90.0))
        null_lo, null_hi = percentile_interval(null[:, k], level)
        columns |= {
            f"angle_{k + 1}": angle,
            f"angle_{k + 1}_lo": lo,
            f"angle_{k + 1}_hi": hi,
            f"angle_{k + 1}_null_lo": float(null_lo),
            f"angle_{k + 1}_null_hi": float(null_hi),
            f"angle_{k + 1}_p": _share(null[:, k] <= angle, angle),
        }
    return columns
