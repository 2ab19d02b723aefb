"""Folds that hold whole groups out: entities, relations or topics that a probe never trained on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Shaped
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut

from probes._intervals import checked_labels


class Fold(NamedTuple):
    """Rows of the training examples to train on, and rows of the test examples to score with that probe."""

    train: Int[np.ndarray, " k"]
    test: Int[np.ndarray, " m"]


def group_folds(
    groups_train: Shaped[np.ndarray, " train"],
    groups_test: Shaped[np.ndarray, " test"] | None = None,
    n_folds: int | None = None,
) -> list[Fold]:
    """Folds whose test examples belong to groups that their training examples do not.

    One group is left out at a time, or `n_folds` sets of groups of similar size (scikit-learn's LeaveOneGroupOut and
    GroupKFold). Without `groups_test` the training examples are tested on each other (cross-validation); with it each
    test example is scored by the probe that its group was left out of. Every test example is in exactly one fold.

    Raises ValueError for a single group, fewer groups than `n_folds`, `n_folds` below 2, a missing label, or a fold
    without training examples.
    """
    train = checked_labels(groups_train, len(groups_train), "groups_train")
    test = train if groups_test is None else checked_labels(groups_test, len(groups_test), "groups_test")
    names = sorted({*train.tolist(), *test.tolist()})
    if len(names) < 2:
        raise ValueError(f"groups must be at least two to leave one out, got only {names}; use finer groups")
    if n_folds is not None and not 2 <= n_folds <= len(names):
        raise ValueError(f"n_folds must be between 2 and the number of groups, {len(names)}, got {n_folds}")
    number = {name: i for i, name in enumerate(names)}
    codes = np.array([number[name] for name in [*train.tolist(), *test.tolist()]])
    splitter = LeaveOneGroupOut() if n_folds is None else GroupKFold(n_folds)
    folds = []
    for kept, held in splitter.split(codes, groups=codes):
        fold = Fold(kept[kept < len(train)], held[held >= len(train)] - len(train))
        if len(fold.test) and not len(fold.train):
            raise ValueError(f"without the groups {sorted(set(test[fold.test].tolist()))} no training example is left")
        if len(fold.test):
            folds.append(fold)
    return folds
