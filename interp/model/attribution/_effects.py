"""What each part of a model does to a logit difference: the values of every attribution, and their table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped

from interp.data import draw
from interp.model.read import Ids
from probes import cluster_interval, cluster_sums, cluster_weights, mean_intervals, ratio_draws

Part = tuple[int, str, int | None]
"""Layer (-1: the embedding), component, and head of those that are one."""

_COLUMNS = (
    "kind", "layer", "component", "head", "estimate", "lo", "hi", "control", "control_lo", "control_hi",
    "share", "share_lo", "share_hi", "n",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Effects:
    """Effects of each part of a model on a logit difference, prompt by prompt, with a control.

    `parts` has the columns layer (-1: the embedding), component and head. Shares are fractions of `total`: the logit
    difference itself for direct attribution, the source's minus the prompt's for patching.
    """

    kind: str
    parts: pd.DataFrame
    values: Float[np.ndarray, "part prompt"]
    control: Float[np.ndarray, "part prompt"]
    total: Float[np.ndarray, " prompt"]

    def table(
        self, clusters: Shaped[np.ndarray, " prompt"], n_draws: int = 2000, seed: int = 0, level: float = 0.95
    ) -> pd.DataFrame:
        """One row per part: means over prompts, with cluster bootstrap intervals.

        Columns: kind, layer, component, head; estimate, lo, hi; control and share (sum of the effects over sum of the
        totals), each with _lo and _hi; n. Raises ValueError for labels of another length than the prompts.
        """
        effect = mean_intervals(self.values.T, clusters, n_draws, seed, level)
        control = mean_intervals(self.control.T, clusters, n_draws, seed, level)
        effects, totals = cluster_sums(self.values.T, clusters), cluster_sums(self.total, clusters)
        weights = cluster_weights(len(totals.labels), n_draws, seed)
        share_lo, share_hi = cluster_interval(
            ratio_draws(effects.sums, totals.sums, weights), float(totals.effective), level
        )
        whole = totals.sums.sum()
        table = self.parts.assign(
            kind=self.kind, estimate=effect.estimate, lo=effect.lo, hi=effect.hi,
            control=control.estimate, control_lo=control.lo, control_hi=control.hi,
            share=effects.sums.sum(axis=0) / whole if whole else np.nan,
            share_lo=share_lo, share_hi=share_hi, n=len(self.total),
        )  # fmt: skip
        return table[list(_COLUMNS)]


def frame(parts: Sequence[Part]) -> pd.DataFrame:
    """Parts as a table with the columns layer, component and head."""
    layers, components, heads = zip(*parts, strict=True)
    return pd.DataFrame({"layer": layers, "component": components, "head": pd.array(heads, dtype="Int64")})


def check_rows(**columns: Sequence[Any]) -> None:
    """Raise ValueError unless there are rows and every column has as many as the first."""
    lengths = {name: len(column) for name, column in columns.items()}
    if not all(length == next(iter(lengths.values())) > 0 for length in lengths.values()):
        given = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"every argument needs one entry per prompt, and at least one; but {given}")


def partners_of(texts: Sequence[str | Ids], better: Sequence[int], worse: Sequence[int]) -> list[int | None]:
    """For each text the next one, in an order drawn by hash, with two other tokens; None if there is none."""
    pairs = list(zip(better, worse, strict=True))
    order = sorted(range(len(texts)), key=lambda i: (draw(2**53, "attribution control", str(texts[i])), pairs[i]))
    partners: list[int | None] = [None] * len(texts)
    for place, i in enumerate(order):
        others = (order[(place + step) % len(order)] for step in range(1, len(order)))
        partners[i] = next((other for other in others if not {*pairs[i]} & {*pairs[other]}), None)
    return partners
