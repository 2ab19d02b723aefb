"""Which option is chosen: the one rule, for every place where a model chooses among options.

The choice is the option with the highest score. Where n options tie for it, each counts as chosen 1/n of the time, so
that the place of an option in its list never matters. Only scores that are exactly equal tie: the rule rounds nothing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int


def normalise(scores: pd.DataFrame, normalisation: str) -> pd.Series:
    """The score that decides the choice: log-likelihood per byte, per token, in total, or minus `neutral`."""
    if normalisation == "pmi":
        return scores["logp"] - scores["neutral"]
    lengths = {"bytes": "bytes", "mean": "tokens", "sentence": "tokens"}
    return scores["logp"] / scores[lengths[normalisation]] if normalisation in lengths else scores["logp"]


def best(
    scores: Float[np.ndarray, "*plans option"], task: Int[np.ndarray, " option"]
) -> Bool[np.ndarray, "*plans option"]:
    """Which options have the highest score in their task; several if they tie.

    task: the task of each option, any integer. Give an option that may not be chosen the score -inf.
    Raises ValueError for a score that is NaN, or labels of another length.
    """
    values, labels = np.asarray(scores), np.asarray(task)
    if labels.shape != values.shape[-1:]:
        raise ValueError(f"task must hold one label for each of {values.shape[-1]} options, got shape {labels.shape}")
    if np.isnan(values).any():
        raise ValueError(f"the score of option {int(np.argwhere(np.isnan(values))[0, -1])} is NaN")
    if not len(labels):
        return np.zeros(values.shape, dtype=bool)
    order, starts, place = _grouped(labels)
    highest = np.maximum.reduceat(values[..., order], starts, axis=-1)
    return np.asarray(values == highest[..., place])


def chosen_share(
    scores: Float[np.ndarray, "*plans option"], task: Int[np.ndarray, " option"], wanted: Bool[np.ndarray, " option"]
) -> Float[np.ndarray, "*plans task"]:
    """Per task, in ascending order of its label: the share of its best options that are `wanted`.

    It is 1 if the only best option is wanted, 0 if no best option is, and k/n if k of n tied options are. Raises
    ValueError as `best` does.
    """
    top = best(scores, task)
    if not top.shape[-1]:
        return np.zeros(top.shape)
    order, starts, _ = _grouped(np.asarray(task))
    hits, ties = (
        np.add.reduceat(rows[..., order].astype(np.int64), starts, axis=-1) for rows in (top & np.asarray(wanted), top)
    )
    return np.asarray(hits / ties)


def _grouped(
    labels: Int[np.ndarray, " option"],
) -> tuple[Int[np.ndarray, " option"], Int[np.ndarray, " task"], Int[np.ndarray, " option"]]:
    """Options task by task, where each task starts in that order, and each option's task."""
    order = np.argsort(labels, kind="stable")
    _, starts, place = np.unique(labels[order], return_index=True, return_inverse=True)
    back = np.empty_like(place)
    back[order] = place
    return order, starts, back
