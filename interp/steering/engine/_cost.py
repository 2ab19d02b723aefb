"""What scoring costs by count: tokens through blocks, and floating-point operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interp.model import Shape
from interp.steering import Plan
from interp.steering.engine._layout import Layout
from interp.steering.engine._schedule import groups, numbered, tips


@dataclass(frozen=True)
class Cost:
    """Floating-point operations in all and of the unembedding, and tokens summed over the blocks that they pass."""

    flops: float
    tokens: float
    unembedding: float


def costs(shape: Shape, layout: Layout, plans: Sequence[Plan], words: int | None = None) -> tuple[Cost, Cost]:
    """Count the work that scoring needs, and the work of a plain loop with full logits.

    Scoring needs the unsteered prompts once, each steered token from its first steer on, shared prefixes once per plan,
    and in the last block and the unembedding only the positions that are read. Operations are twice the weights per
    token, plus the attention. Keys and values of the last block are not counted. words: number of words that a bounded
    normaliser unembeds (`BoundedNormaliser.unembedded`); by default the whole vocabulary, as always in the plain loop.
    """
    weights, n = shape.matrices, shape.n_layers
    every = 2.0 * shape.d_vocab * shape.d_model
    summed = every if words is None else 2.0 * words * shape.d_model
    head = 4.0 * shape.n_heads * shape.d_head
    flops = tokens = unembedding = paid_flops = paid_tokens = 0.0
    for stems, prefix in groups(layout.stems):
        rows = sum(len(stem.context) - prefix for stem in stems)
        ends = sum(map(tips, stems))
        keys = float(np.mean([len(stem.context) for stem in stems]))
        full = prefix + rows + ends - len(stems)
        per_token = [2.0 * w + head * keys for w in weights]
        passes = [(full, 0)]
        for plan in numbered(plans):
            if plan.steers:
                passes.append((ends if plan.only_last else full, min(plan.first + 1, n)))
            flops += ends * (per_token[-1] + summed)
            unembedding += ends * summed
            tokens += ends
        for count, first in passes:
            flops += count * sum(per_token[first : n - 1])
            tokens += count * max(0, n - 1 - first)
        for stem in stems:
            for ending in {ending[:-1] for _, ending in stem.endings}:
                length = len(stem.context) + len(ending)
                paid_tokens += len(plans) * length * n
                paid_flops += len(plans) * length * (sum(2.0 * w + head * length / 2 for w in weights) + every)
    return Cost(flops, tokens, unembedding), Cost(paid_flops, paid_tokens, paid_tokens / n * every)
