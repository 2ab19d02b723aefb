"""Linear probes: which layers hold a label in a form that a linear readout finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from probes.alignment import layer_names, layer_stack
from probes.controls import canonical_order, control_labels, shuffled_labels
from probes.intervals import checked_labels, mean_intervals


class LinearProbe(BaseEstimator):  # type: ignore[misc, unused-ignore]
    """Logistic regression on standardised features, one for each layer.

    `C` is the inverse of the L2 penalty, `max_iter` bounds the solver's iterations. Learned: `classes_`, and per layer
    `mean_` and `scale_` [layer, d_model], `coef_` [layer, row, d_model] and `intercept_` [layer, row] in standardised
    units, with one row per class (a single row, for the second class, when there are two).
    """

    def __init__(self, C: float = 1.0, max_iter: int = 2000) -> None:
        self.C = C
        self.max_iter = max_iter

    def fit(self, X: Float[np.ndarray, "layer example d_model"], y: Shaped[np.ndarray, " example"]) -> Self:
        """Fit every layer on the same labels; returns self.

        Raises ValueError for a parameter out of range, layers of unequal width, NaN or infinity (with its layer and
        example), labels missing or of another length, a single class, or no class with a second example.
        """
        if not (isinstance(self.C, int | float | np.number) and 0 < self.C < np.inf):
            raise ValueError(f"C must be positive and finite, got {self.C!r}")
        if not (isinstance(self.max_iter, int | np.integer) and self.max_iter >= 1):
            raise ValueError(f"max_iter must be a whole number of at least 1, got {self.max_iter!r}")
        stack = layer_stack(X)
        labels = checked_labels(y, stack.shape[1], "y")
        classes = np.unique(labels)
        if len(classes) < 2:
            raise ValueError(f"y must have at least two classes, got only {classes.tolist()}")
        if len(labels) <= len(classes):
            raise ValueError(f"more examples than classes are needed, got {len(labels)} for {len(classes)} classes")
        scalers, models = [], []
        # The solver's many tiny BLAS calls are 7 to 40 times slower on two threads than on one.
        with threadpool_limits(1, user_api="blas"):
            for layer in stack:
                wide = layer.astype(np.float64)
                scaler = StandardScaler().fit(wide)
                model = LogisticRegression(C=self.C, max_iter=int(self.max_iter))
                scalers.append(scaler)
                models.append(model.fit(scaler.transform(wide), labels))
        self.classes_ = classes
        self.mean_ = np.stack([scaler.mean_ for scaler in scalers])
        self.scale_ = np.stack([scaler.scale_ for scaler in scalers])
        self.coef_ = np.stack([model.coef_ for model in models])
        self.intercept_ = np.stack([model.intercept_ for model in models])
        return self

    def predict(self, X: Float[np.ndarray, "layer example d_model"]) -> Shaped[np.ndarray, "layer example"]:
        """The predicted class of each example at each layer; ValueError where layers or width differ from `fit`."""
        check_is_fitted(self)
        stack = layer_stack(X)
        if (stack.shape[0], stack.shape[2]) != self.mean_.shape:
            raise ValueError(
                f"X has {stack.shape[0]} layers of width {stack.shape[2]}; "
                f"the probe was fitted on {self.mean_.shape[0]} of width {self.mean_.shape[1]}"
            )
        chosen = []
        for layer, mean, scale, coef, bias in zip(
            stack, self.mean_, self.scale_, self.coef_, self.intercept_, strict=True
        ):
            decision = (layer.astype(np.float64) - mean) / scale @ coef.T + bias
            chosen.append(decision.argmax(axis=1) if len(bias) > 1 else (decision[:, 0] > 0).astype(np.int64))
        return np.asarray(self.classes_[np.stack(chosen)])

    def score(
        self, X: Float[np.ndarray, "layer example d_model"], y: Shaped[np.ndarray, " example"]
    ) -> Float[np.ndarray, " layer"]:
        """Accuracy at each layer."""
        predicted = self.predict(X)
        return np.asarray((predicted == checked_labels(y, predicted.shape[1], "y")).mean(axis=1))


def probe_layers(
    X_train: Float[np.ndarray, "layer train d_model"],
    y_train: Shaped[np.ndarray, " train"],
    X_test: Float[np.ndarray, "layer test d_model"],
    y_test: Shaped[np.ndarray, " test"],
    *,
    clusters_test: Shaped[np.ndarray, " test"],
    types_train: Shaped[np.ndarray, " train"] | None = None,
    types_test: Shaped[np.ndarray, " test"] | None = None,
    layers: Sequence[object] | None = None,
    n_shuffles: int = 3,
    n_draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    C: float = 1.0,
    max_iter: int = 2000,
) -> pd.DataFrame:
    """Test accuracy of a linear probe with its controls, one row per layer; row 0 must be the embedding output.

    Columns, with _lo and _hi from a bootstrap over `clusters_test` where noted:
    layer; accuracy (interval); balanced_accuracy (mean recall of the classes in test); shuffled (accuracy after
    training on shuffled labels, mean of `n_shuffles`); control_task (accuracy on labels that are random but fixed per
    type, mean of `n_shuffles`; NaN without types; Hewitt & Liang 2019); selectivity (interval; accuracy minus shuffled,
    paired by example); gain (interval; accuracy minus that of row 0, paired); n_train, n_test, n_classes; chance (share
    in test of the most frequent training class); control_selectivity (interval; accuracy minus control_task, paired).

    Raises ValueError as `LinearProbe.fit` does, and for a test label unseen in training, one kind of types without
    the other, fewer training types than classes, or `n_shuffles` below 1.
    """
    if n_shuffles < 1:
        raise ValueError(f"n_shuffles must be at least 1, got {n_shuffles}")
    if (types_train is None) != (types_test is None):
        raise ValueError("give both types_train and types_test, or neither")
    train, test = layer_stack(X_train, "X_train"), layer_stack(X_test, "X_test")
    names = layer_names(layers, len(train))
    y_fit = checked_labels(y_train, train.shape[1], "y_train")
    y_true = checked_labels(y_test, test.shape[1], "y_test")
    unseen = sorted(set(y_true.tolist()) - set(y_fit.tolist()))
    if unseen:
        raise ValueError(f"y_test has labels that training never saw, so no probe can be right: {unseen[:5]}")
    clusters = checked_labels(clusters_test, len(y_true), "clusters_test")
    types_fit = None if types_train is None else checked_labels(types_train, len(y_fit), "types_train")
    order = canonical_order(train[-1], *[y_fit] if types_fit is None else [y_fit, types_fit])
    train, y_fit = train[:, order], y_fit[order]
    seeds = np.random.SeedSequence(seed).spawn(2 * n_shuffles)
    tasks = []
    if types_fit is not None and types_test is not None:
        types_true = checked_labels(types_test, len(y_true), "types_test")
        tasks = [control_labels(y_fit, types_fit[order], types_true, s) for s in seeds[n_shuffles:]]

    def correct(labels: Shaped[np.ndarray, " train"], truth: Shaped[np.ndarray, " test"]) -> Float[np.ndarray, "l t"]:
        predicted = LinearProbe(C, max_iter).fit(train, labels).predict(test)
        return np.asarray(predicted == truth, dtype=np.float64)

    right = correct(y_fit, y_true)
    shuffled = np.mean([correct(shuffled_labels(y_fit, s), y_true) for s in seeds[:n_shuffles]], axis=0)
    control = np.mean([correct(*task) for task in tasks], axis=0) if tasks else np.full_like(right, np.nan)

    measures = {
        "accuracy": right,
        "selectivity": right - shuffled,
        "gain": right - right[0],
        "control_selectivity": right - control,
    }
    found = {name: mean_intervals(m.T, clusters, n_draws, seed, level) for name, m in measures.items()}
    recalls = [right[:, y_true == label].mean(axis=1) for label in np.unique(y_true)]
    classes, counts = np.unique(y_fit, return_counts=True)
    frequent = classes[counts == counts.max()]

    def columns(name: str) -> dict[str, Float[np.ndarray, " layer"]]:
        return {name: found[name].estimate, f"{name}_lo": found[name].lo, f"{name}_hi": found[name].hi}

    return pd.DataFrame(
        {
            "layer": names,
            **columns("accuracy"),
            "balanced_accuracy": np.mean(recalls, axis=0),
            "shuffled": shuffled.mean(axis=1),
            "control_task": control.mean(axis=1),
            **columns("selectivity"),
            **columns("gain"),
            "n_train": len(y_fit),
            "n_test": len(y_true),
            "n_classes": len(classes),
            "chance": float(np.mean([(y_true == label).mean() for label in frequent])),
            **columns("control_selectivity"),
        }
    )
