"""Scores of predicted probabilities, layer by layer, with intervals that resample whole clusters."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from probes._intervals import (
    Intervals,
    Resampling,
    cluster_interval,
    cluster_sums,
    cluster_weights,
    ratio,
    ratio_draws,
)
from probes._student import effective_clusters

_CHUNK = 256


def brier_scores(
    probability: Float[np.ndarray, "layer example class"], codes: Int[np.ndarray, " example"]
) -> Float[np.ndarray, "layer example"]:
    """Half the squared distance of the probabilities from the true class, 0 (sure and right) to 1 (sure and wrong).

    Its mean is the Brier score (Brier 1950; scikit-learn's `brier_score_loss(..., scale_by_half=True)`): unlike a
    binned calibration error it has no bins to choose and no bias from few examples, and each example has its share.
    """
    truth = np.eye(probability.shape[2])[codes]
    return np.asarray(((probability - truth) ** 2).sum(axis=2) / 2)


def balanced_accuracy(
    correct: Float[np.ndarray, "layer example"],
    codes: Int[np.ndarray, " example"],
    clusters: Shaped[np.ndarray, " example"],
    resampling: Resampling = Resampling(),
) -> Intervals:
    """Mean recall of the classes that occur, per layer; a draw without a class takes the mean of the others.

    Bounds are NaN for a single cluster.
    """
    is_class = np.unique(codes) == np.asarray(codes)[:, None]
    hits = cluster_sums(correct.T[:, :, None] * is_class[:, None], clusters)
    number = cluster_sums(np.broadcast_to(is_class[:, None], (*correct.T.shape, is_class.shape[1])), clusters)
    weights = cluster_weights(len(hits.labels), resampling.n_draws, resampling.seed)
    recalls = ratio_draws(hits.sums, number.sums, weights)
    estimate = (hits.sums.sum(axis=0) / number.sums.sum(axis=0)).mean(axis=1)
    return _intervals(estimate, np.nanmean(recalls, axis=2), clusters, resampling.level)


def auc(
    probability: Float[np.ndarray, "layer example class"],
    codes: Int[np.ndarray, " example"],
    clusters: Shaped[np.ndarray, " example"],
    resampling: Resampling = Resampling(),
) -> tuple[Intervals, str]:
    """Area under the ROC curve per layer, and why it is NaN ("" where it isn't).

    For two classes of the second class's probability; for more, the mean over classes of each against the rest. It is
    NaN if a class does not occur, or nothing else does. Draws in which that is so are left out of the interval;
    bounds are NaN for a single cluster.
    """
    n_layers, _, n_classes = probability.shape
    present = np.bincount(codes, minlength=n_classes) > 0
    if not present.all():
        empty = np.full(n_layers, np.nan)
        return Intervals(empty, empty, empty), f"{int((~present).sum())} of {n_classes} classes not in test"
    labels, members = np.unique(clusters, return_inverse=True)
    drawn = cluster_weights(len(labels), resampling.n_draws, resampling.seed)
    weights = np.concatenate([np.ones((1, len(labels))), drawn]).T.astype(np.float64)
    scored = [1] if n_classes == 2 else list(range(n_classes))
    draws = np.stack(
        [
            np.mean([_weighted_auc(layer[:, k], codes == k, members, weights) for k in scored], axis=0)
            for layer in probability
        ],
        axis=1,
    )
    return _intervals(draws[0], draws[1:], clusters, resampling.level), ""


def _weighted_auc(
    score: Float[np.ndarray, " n"],
    positive: Bool[np.ndarray, " n"],
    members: Int[np.ndarray, " n"],
    weights: Float[np.ndarray, "cluster draw"],
) -> Float[np.ndarray, " draw"]:
    """Share of (positive, negative) pairs in order, a tie counting half, each example weighted as its cluster is."""
    order = np.argsort(score, kind="stable")
    above, below = order[positive[order]], order[~positive[order]]
    first = np.searchsorted(score[below], score[above], side="left")
    last = np.searchsorted(score[below], score[above], side="right")
    areas = np.empty(weights.shape[1])
    for start in range(0, weights.shape[1], _CHUNK):
        chunk = weights[:, start : start + _CHUNK]
        up, down = chunk[members[above]], chunk[members[below]]
        beaten = np.concatenate([np.zeros((1, down.shape[1])), np.cumsum(down, axis=0)])
        pairs = up.sum(axis=0) * down.sum(axis=0)
        won = np.einsum("nd,nd->d", up, beaten[first] + beaten[last]) / 2
        areas[start : start + _CHUNK] = ratio(won, pairs)
    return areas


def _intervals(
    estimate: Float[np.ndarray, " layer"],
    draws: Float[np.ndarray, "draw layer"],
    clusters: Shaped[np.ndarray, " example"],
    level: float,
) -> Intervals:
    counts = np.unique(clusters, return_counts=True)[1]
    return Intervals(estimate, *cluster_interval(draws, float(effective_clusters(counts)), level))
