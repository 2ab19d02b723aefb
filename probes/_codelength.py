"""Minimum description length of labels given activations: how easily, not only how well, a probe reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from probes._linear import class_probabilities, fit_logistic

FRACTIONS = (0.032, 0.0625, 0.125, 0.25, 0.5, 1.0)
"""Where the blocks of the online code end, as shares of the examples: Voita & Titov's, from 3.2% on."""


def code_blocks(
    clusters: Shaped[np.ndarray, " n"], fractions: Sequence[float] = FRACTIONS, seed: int | np.random.SeedSequence = 0
) -> list[Int[np.ndarray, " k"]]:
    """Rows of each block of the online code: clusters in random order, whole, up to each of `fractions`.

    A cluster belongs to the block in which its first row falls; empty blocks are dropped. Raises ValueError unless
    the fractions rise from above 0 to 1, and where a single block is left.
    """
    ends = np.asarray(fractions, dtype=np.float64)
    if ends.ndim != 1 or len(ends) < 2 or not ends[0] > 0 or ends[-1] != 1 or not (np.diff(ends) > 0).all():
        raise ValueError(f"fractions must rise from above 0 to 1, at least two of them, got {list(fractions)}")
    labels, members, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(labels))
    starts = np.empty(len(labels))
    starts[order] = np.concatenate([[0], np.cumsum(sizes[order])[:-1]])
    # The tolerance keeps rounding of a share, such as 0.07 of 100, from ending a block a row late.
    block = np.searchsorted(ends * len(members) - 1e-9, starts, side="right")[members]
    blocks = [np.flatnonzero(block == i) for i in np.unique(block)]
    if len(blocks) < 2:
        raise ValueError(
            f"an online code needs two blocks, but the first cluster drawn fills all {len(members)} examples; "
            "use finer clusters"
        )
    return blocks


def online_bits(
    z: Any,
    codes: Int[np.ndarray, " n"],
    blocks: Sequence[Int[np.ndarray, " k"]],
    n_classes: int,
    C: float = 1.0,
    max_iter: int = 2000,
) -> Float[np.ndarray, " n"]:
    """Bits that each label costs in the online (prequential) code of Voita & Titov (2020).

    `z` [n, d_model] holds standardised activations. The first block costs log2(n_classes) a label; each later one
    minus log2 of the probability under logistic regression fitted on the blocks before it. That probability is mixed
    with the uniform one at weight 1 / (examples seen + 1), ours, so that a class not seen yet has a finite cost.
    """
    bits = np.full(len(codes), np.log2(n_classes))
    for i in range(1, len(blocks)):
        seen, coded = np.sort(np.concatenate(blocks[:i])), blocks[i]
        known = np.unique(codes[seen])
        if len(known) > 1:
            probability = class_probabilities(fit_logistic(z[seen], codes[seen], C, max_iter), z[coded], n_classes)
        else:
            probability = np.tile(np.eye(n_classes)[known], (len(coded), 1))
        uniform = 1.0 / (len(seen) + 1)
        mixed = (1 - uniform) * probability[np.arange(len(coded)), codes[coded]] + uniform / n_classes
        bits[coded] = -np.log2(mixed)
    return bits
