"""How close parallel items are in two languages: cosine margin, retrieval and debiased CKA, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Num, Shaped

from probes._activations import Activations, layer_shape
from probes._intervals import (
    Intervals,
    Resampling,
    checked_labels,
    cluster_interval,
    cluster_sums,
    cluster_weights,
    mean_intervals,
    ratio,
)

# Below this share of a layer's largest norm, what centring leaves is rounding (equal embeddings of one token).
_ROUNDING = 1e-9


def layer_stack(X: Activations, name: str = "X") -> Float[np.ndarray, "layer example d_model"]:
    """`X` as one array, checked; ValueError for unequal layers, a wrong rank, no entries, or NaN or infinity."""
    layer_shape(X, name)
    stack = np.asarray(X)
    if not np.issubdtype(stack.dtype, np.floating):
        stack = stack.astype(np.float64)
    for row, layer in enumerate(stack):
        finite = np.isfinite(layer).all(axis=1)
        if not finite.all():
            raise ValueError(f"{name} has NaN or infinity in layer row {row}, example {int(np.argmin(finite))}")
    return stack


def layer_names(layers: Sequence[object] | None, n_layers: int) -> list[object]:
    """The names of the rows of a layer stack, 0.. unless given; ValueError if their number differs."""
    names: list[object] = list(range(n_layers) if layers is None else layers)
    if len(names) != n_layers:
        raise ValueError(f"layers must hold one name for each of {n_layers} layers, got {len(names)}")
    return names


def cosine(a: Float[np.ndarray, "*cells d"], b: Float[np.ndarray, "*cells d"]) -> Float[np.ndarray, "*cells"]:
    """Cosine along the last axis, leading axes broadcast; NaN if a vector is 0."""
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.ndim == 0 or y.ndim == 0 or x.shape[-1] != y.shape[-1]:
        raise ValueError(f"a and b must have equal last axes, got shapes {x.shape} and {y.shape}")
    lengths = np.linalg.norm(x, axis=-1) * np.linalg.norm(y, axis=-1)
    return ratio((x * y).sum(axis=-1), lengths)


def centre(
    X: Float[np.ndarray, "layer item d_model"], languages: Shaped[np.ndarray, " item"]
) -> Float[np.ndarray, "layer item d_model"]:
    """`X` minus the mean of each item's language, per layer. Rounding errors are set to 0.

    Raises ValueError for NaN or infinity and for a wrong number of languages.
    """
    stack = layer_stack(X)
    names = checked_labels(languages, stack.shape[1], "languages")
    centred = np.empty_like(stack)
    for language in np.unique(names):
        rows = names == language
        for layer in range(len(stack)):
            centred[layer, rows] = _centred(stack[layer, rows])
    return centred


def cosine_margin(
    A: Float[np.ndarray, "layer item d_model"],
    B: Float[np.ndarray, "layer item d_model"],
    groups: Shaped[np.ndarray, " item"],
    lengths: Num[np.ndarray, " item"] | None = None,
    *,
    max_length_difference: float = 2,
) -> Float[np.ndarray, "layer item"]:
    """Cosine of each parallel pair minus the mean cosine of its mismatched pairs, languages centred (our definition).

    `A` and `B` hold one language each, item by item in parallel. Mismatched pairs join the item with another of its
    group (relation, topic), in both directions. With `lengths`, only items of similar length are used, or the whole
    group if there are none. A vector that is 0 after centring has cosine 0 with all others. NaN for an item alone in
    its group. Raises ValueError for unequal shapes, NaN or infinity, or when every item is alone in its group.
    """
    first, second = _parallel(A, B)
    peers = _peers(groups, first.shape[1])
    if lengths is not None:
        size = np.asarray(lengths, dtype=np.float64)
        if size.shape != peers.shape[:1] or not np.isfinite(size).all():
            raise ValueError(f"lengths must hold a finite number for each of {len(peers)} items, got {size.shape}")
        similar = peers & (np.abs(size[:, None] - size) <= max_length_difference)
        peers = np.where(similar.any(axis=1, keepdims=True), similar, peers)
    number = peers.sum(axis=1)
    margins = np.full(first.shape[:2], np.nan)
    for layer in range(len(first)):
        cosines = _cosines(first[layer], second[layer])
        mismatched = np.where(peers, cosines + cosines.T, 0.0).sum(axis=1) / 2
        matched = np.diagonal(cosines)
        np.subtract(matched, mismatched / np.maximum(number, 1), out=margins[layer], where=number > 0)
    return margins


def retrieval_top1(
    A: Float[np.ndarray, "layer item d_model"],
    B: Float[np.ndarray, "layer item d_model"],
    groups: Shaped[np.ndarray, " item"],
) -> Float[np.ndarray, "layer item"]:
    """1 if the closest item of `B` within an item's group is its parallel, with languages centred; else 0.

    A tie for the closest is a miss. NaN for an item alone in its group.
    Errors as in `cosine_margin`.
    """
    first, second = _parallel(A, B)
    peers = _peers(groups, first.shape[1])
    hits = np.full(first.shape[:2], np.nan)
    for layer in range(len(first)):
        cosines = _cosines(first[layer], second[layer])
        rival = np.where(peers, cosines, -np.inf).max(axis=1)
        hits[layer] = np.where(peers.any(axis=1), np.diagonal(cosines) > rival + _ROUNDING, np.nan)
    return hits


def debiased_cka(
    A: Float[np.ndarray, "layer item d_a"], B: Float[np.ndarray, "layer item d_b"]
) -> Float[np.ndarray, " layer"]:
    """Linear CKA per layer with the unbiased HSIC estimator (Kornblith et al. 2019; Song et al. 2012).

    Its expectation is 0 for unrelated items, so it can be negative. NaN if a side doesn't vary. The widths may differ.
    Raises ValueError for fewer than 4 items or unequal numbers of layers or items.
    """
    first, second = layer_stack(A, "A"), layer_stack(B, "B")
    if first.shape[:2] != second.shape[:2]:
        raise ValueError(f"A and B must have equal layers and items, got shapes {first.shape} and {second.shape}")
    if first.shape[1] < 4:
        raise ValueError(f"the unbiased HSIC needs at least 4 items, got {first.shape[1]}")
    return np.array([_cka(*(c.sum() for c in _hsic_parts(a, b))) for a, b in zip(first, second, strict=True)])


def alignment_layers(
    A: Float[np.ndarray, "layer item d_model"],
    B: Float[np.ndarray, "layer item d_model"],
    groups: Shaped[np.ndarray, " item"],
    clusters: Shaped[np.ndarray, " item"],
    *,
    lengths: Num[np.ndarray, " item"] | None = None,
    layers: Sequence[object] | None = None,
    resampling: Resampling = Resampling(),
) -> pd.DataFrame:
    """Alignment of two languages' parallel items, one row per layer.

    Columns: layer, cosine_margin (its control, mismatched pairs, is in it), retrieval (of B from A), retrieval_back (of
    A from B), cka (each with _lo and _hi), retrieval_chance, cka_control (each item of B replaced by the mean of the
    others of its group), n_items. Intervals resample clusters of the items' own contributions against the fixed pool:
    a resampled pool would hold duplicates, which tie. Items alone in their group count for cka alone. Errors as in
    `cosine_margin` and `debiased_cka`.
    """
    first, second = _parallel(A, B)
    names = layer_names(layers, len(first))
    margin = mean_intervals(cosine_margin(first, second, groups, lengths).T, clusters, *resampling)
    hits, back = (
        mean_intervals(retrieval_top1(a, b, groups).T, clusters, *resampling)
        for a, b in ((first, second), (second, first))
    )
    cka = _cka_intervals(first, second, clusters, resampling)
    candidates = _peers(groups, first.shape[1]).sum(axis=1) + 1
    return pd.DataFrame(
        {
            "layer": names,
            **margin.columns("cosine_margin"),
            **hits.columns("retrieval"),
            **back.columns("retrieval_back"),
            "retrieval_chance": float((1.0 / candidates[candidates > 1]).mean()),
            **cka.columns("cka"),
            "cka_control": debiased_cka(first, _others_of_group(second, groups)),
            "n_items": int((candidates > 1).sum()),
        }
    )


def _parallel(
    A: Float[np.ndarray, "layer item d_model"], B: Float[np.ndarray, "layer item d_model"]
) -> tuple[Float[np.ndarray, "layer item d_model"], Float[np.ndarray, "layer item d_model"]]:
    first, second = layer_stack(A, "A"), layer_stack(B, "B")
    if first.shape != second.shape:
        raise ValueError(f"A and B must be parallel, got shapes {first.shape} and {second.shape}")
    return first, second


def _peers(groups: Shaped[np.ndarray, " item"], n: int) -> Bool[np.ndarray, "item item"]:
    """Which other items share each item's group."""
    _, codes = np.unique(checked_labels(groups, n, "groups"), return_inverse=True)
    peers = np.asarray(codes[:, None] == codes)
    np.fill_diagonal(peers, False)
    if not peers.any():
        raise ValueError(f"each of the {n} items is alone in its group; mismatched pairs need two in one group")
    return peers


def _centred(x: Float[np.ndarray, "item d"]) -> Float[np.ndarray, "item d"]:
    wide = x.astype(np.float64)
    centred = wide - wide.mean(axis=0)
    rounding = _ROUNDING * np.linalg.norm(wide, axis=1).max()
    centred[np.linalg.norm(centred, axis=1) <= rounding] = 0.0
    return np.asarray(centred)


def _cosines(a: Float[np.ndarray, "item d"], b: Float[np.ndarray, "item d"]) -> Float[np.ndarray, "item item"]:
    """Cosine of every item of `a` with every item of `b`, each centred; 0 for a zero vector."""
    return np.asarray(_unit(_centred(a)) @ _unit(_centred(b)).T)


def _unit(x: Float[np.ndarray, "item d"]) -> Float[np.ndarray, "item d"]:
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(np.divide(x, lengths, out=np.zeros_like(x), where=lengths > 0))


def _hollow_kernel(x: Float[np.ndarray, "item d"]) -> Float[np.ndarray, "item item"]:
    """Linear kernel with a zero diagonal, scaled to a largest entry of 1; centred first, which leaves HSIC as it is."""
    centred = _centred(x)
    kernel = centred @ centred.T
    np.fill_diagonal(kernel, 0.0)
    largest = np.abs(kernel).max()
    return np.asarray(kernel / largest if largest > 0 else kernel)


def _hsic_parts(
    x: Float[np.ndarray, "item d_a"], y: Float[np.ndarray, "item d_b"]
) -> tuple[Float[np.ndarray, " item"], Float[np.ndarray, " item"], Float[np.ndarray, " item"]]:
    """What each item adds to the unbiased HSIC of x and y, x and x, y and y (Song et al. 2012, equation 5)."""
    k, l_ = _hollow_kernel(x), _hollow_kernel(y)
    n = len(k)

    def parts(a: Float[np.ndarray, "n n"], b: Float[np.ndarray, "n n"]) -> Float[np.ndarray, " n"]:
        rows_a, rows_b = a.sum(axis=0), b.sum(axis=0)
        cross = (rows_a * rows_b.sum() + rows_b * rows_a.sum()) / (2 * (n - 1) * (n - 2))
        return np.asarray(((a * b).sum(axis=0) + cross - 2 * rows_a * rows_b / (n - 2)) / (n * (n - 3)))

    return parts(k, l_), parts(k, k), parts(l_, l_)


def _cka(cross: Float[np.ndarray, "*draws"], own_a: Any, own_b: Any) -> Float[np.ndarray, "*draws"]:
    # An unbiased HSIC of a side with itself can be negative, in a draw or where the side doesn't vary.
    return ratio(cross, np.sqrt(np.maximum(np.asarray(own_a) * own_b, 0.0)))


def _cka_intervals(
    A: Float[np.ndarray, "layer item d_a"],
    B: Float[np.ndarray, "layer item d_b"],
    clusters: Shaped[np.ndarray, " item"],
    resampling: Resampling,
) -> Intervals:
    """CKA of every layer; its interval resamples clusters of the items' contributions to the three HSICs."""
    parts = np.stack([np.stack(_hsic_parts(a, b)) for a, b in zip(A, B, strict=True)])
    grouped = cluster_sums(parts.transpose(2, 0, 1), clusters)
    draws = np.tensordot(
        cluster_weights(len(grouped.labels), resampling.n_draws, resampling.seed), grouped.sums, axes=1
    )
    bounds = cluster_interval(_cka(*np.moveaxis(draws, 2, 0)), grouped.effective[:, 0], resampling.level)
    return Intervals(debiased_cka(A, B), *bounds)


def _others_of_group(
    X: Float[np.ndarray, "layer item d_model"], groups: Shaped[np.ndarray, " item"]
) -> Float[np.ndarray, "layer item d_model"]:
    """For each item the mean of the others of its group; of all others where it is alone."""
    peers = _peers(groups, X.shape[1]).astype(np.float64)
    alone = peers.sum(axis=1) == 0
    peers[alone] = 1.0 - np.eye(len(peers))[alone]
    return np.asarray((peers / peers.sum(axis=1, keepdims=True)) @ X.astype(np.float64))
