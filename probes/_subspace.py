"""Geometry of EN and LOC at each layer, compared with chance: cosine, norms, principal angles, stability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, Shaped
from scipy.linalg import subspace_angles

from probes._alignment import cosine, layer_names, layer_stack
from probes._controls import random_directions
from probes._intervals import (
    ClusterSums,
    Resampling,
    checked_labels,
    cluster_interval,
    cluster_sums,
    cluster_weights,
    percentile_interval,
    ratio,
    ratio_draws,
)

# Below this share of the largest singular value, what is left of a dependent vector is single-precision rounding.
_RANK_TOLERANCE = 1e-5

_FLIP_DRAWS = 50
"""Refits of each sign-flipped vector, whose mean cosine is its stability."""


def direction_layers(
    en: Float[np.ndarray, "layer en_pair d_model"],
    loc: Float[np.ndarray, "layer loc_pair d_model"],
    residuals: Float[np.ndarray, "layer example d_model"],
    *,
    clusters_en: Shaped[np.ndarray, " en_pair"],
    clusters_loc: Shaped[np.ndarray, " loc_pair"],
    layers: Sequence[object] | None = None,
    n_null: int = 200,
    resampling: Resampling = Resampling(),
) -> pd.DataFrame:
    """Cosine of EN and LOC, their norms and stability, one row per layer. A vector is the mean of its differences.

    Columns, those marked * with _lo and _hi from a bootstrap over clusters (EN and LOC resampled independently):

    - layer; cosine*, cosine_null_lo and cosine_null_hi (its `level` interval for pairs of random directions with the
      residuals' covariance), cosine_p (share of such pairs that are at least as parallel, in either direction: a small
      value means closer than chance, a value near 1 closer to orthogonal than chance)
    - en_norm*, loc_norm*: norm over the median norm of `residuals`; _null (its `level` quantile when the sign of each
      cluster is drawn at random) and _p (share of such draws at least as long)
    - en_stability, loc_stability: mean cosine of a refit on resampled clusters with the vector; _q05 (its 5% quantile);
      _null and _p as above, from refits of the sign-flipped vectors
    - n_en, n_loc: number of pairs

    Refits contain the sampling noise twice, which lengthens vectors and turns them apart; intervals are shifted so that
    the mean of the draws is the estimate. NaN if a vector is 0. Raises ValueError for unequal layers or widths, NaN or
    infinity, fewer than two clusters, or residuals without variance.
    """
    stacks = _stacks({"en": en, "loc": loc, "residuals": residuals})
    clusters = {
        side: _checked_clusters(owners, stacks[side].shape[1], f"clusters_{side}")
        for side, owners in (("en", clusters_en), ("loc", clusters_loc))
    }
    names = layer_names(layers, len(stacks["en"]))
    n_draws, seed, level = resampling
    _check_counts(n_draws, n_null)
    rows = []
    for row, name in enumerate(names):
        *weight_seeds, null_seed, en_seed, loc_seed = np.random.SeedSequence((seed, row)).spawn(5)
        scale = float(np.median(np.linalg.norm(stacks["residuals"][row].astype(np.float64), axis=1)))
        fits = {side: cluster_sums(stacks[side][row], owners) for side, owners in clusters.items()}
        weights = {
            side: _weights(len(fit.labels), n_draws, s)
            for (side, fit), s in zip(fits.items(), weight_seeds, strict=True)
        }
        directions = _random(stacks["residuals"][row], 2 * n_null, null_seed, name)
        columns: dict[str, object] = {"layer": name} | _cosine_columns(fits, weights, directions, level)
        for (side, fit), s in zip(fits.items(), (en_seed, loc_seed), strict=True):
            columns |= _length_columns(side, fit, weights[side], scale, n_null, s, level)
        rows.append(columns | {"n_en": stacks["en"].shape[1], "n_loc": stacks["loc"].shape[1]})
    return pd.DataFrame(rows)


def angle_layers(
    en: Sequence[Float[np.ndarray, "layer _pair d_model"]],
    loc: Sequence[Float[np.ndarray, "layer _pair d_model"]],
    residuals: Float[np.ndarray, "layer example d_model"],
    *,
    clusters_en: Sequence[Shaped[np.ndarray, " _pair"]],
    clusters_loc: Sequence[Shaped[np.ndarray, " _pair"]],
    layers: Sequence[object] | None = None,
    n_null: int = 200,
    resampling: Resampling = Resampling(n_draws=200),
) -> pd.DataFrame:
    """Principal angles, in degrees, between the span of all EN and the span of all LOC vectors, one row per layer.

    `en` and `loc` hold the paired differences of each vector (of each language, or culture), with their clusters.
    Columns: layer, rank_en, rank_loc (vectors that depend on the others add none), and for each angle k = 1.., smallest
    first: angle_k, _lo and _hi (bootstrap over clusters, one label being one cluster in all vectors of a side; moved as
    in `direction_layers`), _null_lo and _null_hi (its `level` interval for random subspaces of the same ranks, with the
    residuals' covariance), _p (share of such subspaces whose angle is as small: small says closer than chance, near 1
    says closer to orthogonal than chance). NaN if a layer has fewer angles. Every draw takes decompositions of all
    vectors, so there are 200 unless `resampling` is given.
    Raises ValueError as `direction_layers` does, or for no vectors.
    """
    if not len(en) or not len(loc):
        raise ValueError(f"en and loc must hold at least one vector's differences each, got {len(en)} and {len(loc)}")
    for side, parts, owners in (("en", en, clusters_en), ("loc", loc, clusters_loc)):
        if len(parts) != len(owners):
            raise ValueError(f"clusters_{side} must have an entry for each of {len(parts)} vectors, got {len(owners)}")
    sides = {"en": (en, clusters_en), "loc": (loc, clusters_loc)}
    stacks = _stacks(
        {f"{side}[{i}]": x for side, (xs, _) in sides.items() for i, x in enumerate(xs)} | {"residuals": residuals}
    )
    vectors = {
        side: [
            (stacks[f"{side}[{i}]"], _checked_clusters(c, stacks[f"{side}[{i}]"].shape[1], f"clusters_{side}[{i}]"))
            for i, c in enumerate(owners)
        ]
        for side, (_, owners) in sides.items()
    }
    names = layer_names(layers, len(stacks["residuals"]))
    n_draws, seed, level = resampling
    _check_counts(n_draws, n_null)
    rows = []
    for row, name in enumerate(names):
        seeds = np.random.SeedSequence((seed, row)).spawn(4)
        fits = [[cluster_sums(stack[row], owners) for stack, owners in pairs] for pairs in vectors.values()]
        spans = [_basis(np.stack([fit.mean for fit in side])) for side in fits]
        ranks = [span.shape[1] for span in spans]
        columns: dict[str, object] = {"layer": name, "rank_en": ranks[0], "rank_loc": ranks[1]}
        if min(ranks):
            angles = _angles(spans[0], spans[1])
            redrawn = [_span_draws(side, n_draws, s) for side, s in zip(fits, seeds[:2], strict=True)]
            draws = np.stack([_angles(_basis(a), _basis(b), len(angles)) for a, b in zip(*redrawn, strict=True)])
            null = _random_angles(stacks["residuals"][row], ranks, n_null, seeds[2:], name)
            fewest = min(_n_clusters(fit) for side in fits for fit in side)
            columns |= _angle_columns(angles, draws, null, fewest, level)
        rows.append(columns)
    return pd.DataFrame(rows)


def _stacks(
    inputs: Mapping[str, Float[np.ndarray, "layer _n d_model"]],
) -> dict[str, Float[np.ndarray, "layer _n d_model"]]:
    """The inputs, checked; ValueError if they differ in layers or width."""
    stacks = {name: layer_stack(x, name) for name, x in inputs.items()}
    shapes = {name: (stack.shape[0], stack.shape[2]) for name, stack in stacks.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"all inputs must have equal layers and widths, got {shapes} as (layers, d_model)")
    return stacks


def _check_counts(n_draws: int, n_null: int) -> None:
    if n_draws < 1 or n_null < 1:
        raise ValueError(f"n_draws and n_null must be at least 1, got {n_draws} and {n_null}")


def _checked_clusters(clusters: Shaped[np.ndarray, " pair"], n: int, name: str) -> Shaped[np.ndarray, " pair"]:
    labels = checked_labels(clusters, n, name)
    if len(np.unique(labels)) < 2:
        raise ValueError(f"{name} has a single cluster; a bootstrap needs at least two")
    return labels


def _n_clusters(fit: ClusterSums) -> float:
    """How many clusters of equal size the pairs are worth; all dimensions have the same."""
    return float(fit.effective[0])


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
    fits: Mapping[str, ClusterSums],
    weights: Mapping[str, Int[np.ndarray, "draw cluster"]],
    directions: Float[np.ndarray, "twice_n d_model"],
    level: float,
) -> dict[str, object]:
    en, loc = fits["en"], fits["loc"]
    estimate = float(cosine(en.mean, loc.mean))
    # A refit is a weighted sum of cluster sums, so its inner products follow from theirs.
    dots = ((weights["en"] @ (en.sums @ loc.sums.T)) * weights["loc"]).sum(axis=1)
    norms = [np.sqrt(_squares(fit.sums @ fit.sums.T, weights[side])) for side, fit in fits.items()]
    draws = ratio(dots, norms[0] * norms[1])
    half = len(directions) // 2
    null = cosine(directions[:half], directions[half:])
    lo, hi = _moved_interval(estimate, draws, min(_n_clusters(en), _n_clusters(loc)), level, (-1.0, 1.0))
    null_lo, null_hi = percentile_interval(null, level)
    return {
        "cosine": estimate,
        "cosine_lo": lo,
        "cosine_hi": hi,
        "cosine_null_lo": float(null_lo),
        "cosine_null_hi": float(null_hi),
        "cosine_p": _share(np.abs(null) >= abs(estimate), estimate),
    }


def _length_columns(
    side: str,
    fit: ClusterSums,
    weights: Int[np.ndarray, "draw cluster"],
    scale: float,
    n_null: int,
    seed: np.random.SeedSequence,
    level: float,
) -> dict[str, object]:
    """Norm and stability of one vector, with the null of signs drawn at random for its clusters."""
    gram = fit.sums @ fit.sums.T
    counts = fit.counts[:, 0]
    ones = np.ones((1, len(gram)))
    norm = float(np.sqrt(_squares(gram, ones)[0]) / (counts.sum() * scale))
    draws = np.sqrt(_squares(gram, weights)) / (weights @ counts * scale)
    lo, hi = _moved_interval(norm, draws, _n_clusters(fit), level, (0.0, np.inf))
    stability = _refit_cosines(gram, weights, ones)
    flip_seed, refit_seed = seed.spawn(2)
    signs = np.random.default_rng(flip_seed).choice([-1.0, 1.0], size=(n_null, len(gram)))
    null_norm = np.sqrt(_squares(gram, signs)) / (counts.sum() * scale)
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
    return np.minimum(ratio(weights @ (gram @ full[0]), lengths), 1.0)


def _moved_interval(
    estimate: float, draws: Float[np.ndarray, " draw"], n_clusters: float, level: float, within: tuple[float, float]
) -> tuple[float, float]:
    """Interval of draws over `n_clusters`, moved so that their mean is the estimate, inside what is possible."""
    if np.isnan(estimate):
        return np.nan, np.nan
    lo, hi = cluster_interval(draws - np.nanmean(draws) + estimate, n_clusters, level)
    return float(np.clip(lo, *within)), float(np.clip(hi, *within))


def _share(as_extreme: Bool[np.ndarray, " draw"], estimate: float) -> float:
    """Share of draws at least as extreme, the estimate itself among them; NaN without an estimate."""
    return np.nan if np.isnan(estimate) else float((1 + as_extreme.sum()) / (1 + len(as_extreme)))


def _basis(vectors: Float[np.ndarray, "vector d_model"]) -> Float[np.ndarray, "d_model rank"]:
    """Orthonormal basis of the span; none for vectors of 0."""
    _, sizes, directions = np.linalg.svd(vectors, full_matrices=False)
    return np.asarray(directions[sizes > _RANK_TOLERANCE * max(sizes[0], np.finfo(np.float64).tiny)].T)


def _angles(
    a: Float[np.ndarray, "d_model _rank"], b: Float[np.ndarray, "d_model _rank"], n: int | None = None
) -> Float[np.ndarray, " angle"]:
    """Principal angles in degrees, smallest first; the first `n` of them, NaN for those there aren't."""
    angles = np.rad2deg(subspace_angles(a, b)[::-1])[:n] if a.shape[1] and b.shape[1] else np.zeros(0)
    return angles if n is None else np.pad(angles, (0, n - len(angles)), constant_values=np.nan)


def _span_draws(
    fits: Sequence[ClusterSums], n_draws: int, seed: np.random.SeedSequence
) -> list[Float[np.ndarray, "vector d_model"]]:
    """All vectors of a side refitted on the same draws of clusters; a draw without any pair of one leaves it out."""
    labels = np.unique(np.concatenate([fit.labels for fit in fits]))
    weights = _weights(len(labels), n_draws, seed)
    vectors = np.stack(
        [ratio_draws(fit.sums, fit.counts[:, 0], weights[:, np.searchsorted(labels, fit.labels)]) for fit in fits],
        axis=1,
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
