"""Folds that hold whole groups out: entities, relations or topics that a probe never trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Shaped
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut

from probes._intervals import checked_labels


class Fold(NamedTuple):
    """Row numbers of the training examples to use, and of the test examples that this probe scores."""

    train: Int[np.ndarray, " k"]
    test: Int[np.ndarray, " m"]


def group_folds(
    groups_train: Shaped[np.ndarray, " train"],
    groups_test: Shaped[np.ndarray, " test"] | None = None,
    n_folds: int | None = None,
) -> list[Fold]:
    """Folds whose training and test examples have no group in common.

    One group is left out at a time, or `n_folds` sets of groups of similar size (scikit-learn's LeaveOneGroupOut and
    GroupKFold). Without `groups_test` this is cross-validation within the training examples; with it, each test
    example is scored by the probe trained without its group. Every test example is in exactly one fold.

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
    # Training examples come first in `codes`, then those of test.
    for seen, left_out in splitter.split(codes, groups=codes):
        fold = Fold(seen[seen < len(train)], left_out[left_out >= len(train)] - len(train))
        if len(fold.test) and not len(fold.train):
            raise ValueError(f"without the groups {sorted(set(test[fold.test].tolist()))} no training example is left")
        if len(fold.test):
            folds.append(fold)
    return folds


def canonical_folds(
    folds: Sequence[Fold] | None, order_train: Int[np.ndarray, " train"], order_test: Int[np.ndarray, " test"]
) -> list[Fold]:
    """The folds for examples that were put in another order, sorted by their first test example; None: one of all.

    Raises ValueError for a fold without examples, rows that don't exist, or a test example in no fold or in several.
    """
    if folds is None:
        return [Fold(np.arange(len(order_train)), np.arange(len(order_test)))]
    place_train, place_test = np.argsort(order_train), np.argsort(order_test)
    times = np.zeros(len(order_test), dtype=np.int64)
    moved = []
    for i, fold in enumerate(folds):
        for rows, place, name in ((fold.train, place_train, "training"), (fold.test, place_test, "test")):
            numbers = np.asarray(rows)
            if numbers.size == 0 or numbers.dtype.kind not in "iu" or numbers.min() < 0 or numbers.max() >= len(place):
                raise ValueError(
                    f"folds[{i}] must hold row numbers of the {len(place)} {name} examples, got {numbers[:5].tolist()}"
                )
        np.add.at(times, fold.test, 1)
        moved.append(Fold(np.unique(place_train[fold.train]), np.unique(place_test[fold.test])))
    if (times != 1).any():
        row = int(np.argmax(times != 1))
        raise ValueError(f"folds must hold each test example once, but example {row} is in {times[row]} of them")
    return sorted(moved, key=lambda fold: int(fold.test[0]))
