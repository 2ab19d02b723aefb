"""Linear probes: which layers hold a label in a form that a linear readout finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.special import softmax
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from probes._activations import Activations, LayerReader, as_numpy
from probes._intervals import checked_labels


class LinearProbe(BaseEstimator):  # type: ignore[misc, unused-ignore]
    """Logistic regression on standardised features, one for each layer, with layers in parallel.

    The fits use scikit-learn (StandardScaler, LogisticRegression with L-BFGS and its default tolerance), in float32
    if the activations are no wider. `C` is the inverse of the L2 penalty, `max_iter` bounds the solver's
    iterations, `n_jobs` is the number of threads (-1: one per core), each with one layer in memory. Learned:
    `classes_`, and per layer `mean_` and `scale_` [layer, d_model], `coef_` [layer, row, d_model] and `intercept_`
    [layer, row] in standardised units, with one row per class (a single row, for the second class, when there are two).
    """

    def __init__(self, C: float = 1.0, max_iter: int = 2000, n_jobs: int = -1) -> None:
        self.C = C
        self.max_iter = max_iter
        self.n_jobs = n_jobs

    def fit(self, X: Activations, y: Shaped[np.ndarray, " example"]) -> Self:
        """Fit every layer on the same labels; returns self.

        `X` is [layer, example, d_model], or a sequence of layers, which may be memory-mapped; torch tensors as in
        `LayerReader`. Raises ValueError as it does, and for a parameter out of range, labels missing or of another
        length, a single class, no class with a second example, or activations that vary in no layer.
        """
        check_solver(self.C, self.max_iter)
        reader = LayerReader(X, "X")
        classes, codes = checked_classes(y, reader.shape[1], "y")

        def fit_layer(row: int) -> tuple[bool, list[np.ndarray]]:
            x = reader.load(row)
            varied = varies(x)
            scaler = StandardScaler(copy=False).fit(x)
            model = fit_logistic(scaler.transform(x), codes, self.C, self.max_iter)
            return varied, [as_numpy(a) for a in (scaler.mean_, scaler.scale_, model.coef_, model.intercept_)]

        fits = over_layers(fit_layer, reader, self.n_jobs)
        check_variation([varied for varied, _ in fits], "X")
        self.classes_ = classes
        learned = [np.stack(parts) for parts in zip(*(arrays for _, arrays in fits), strict=True)]
        self.mean_, self.scale_, self.coef_, self.intercept_ = learned
        return self

    def predict(self, X: Activations) -> Shaped[np.ndarray, "layer example"]:
        """The predicted class of each example at each layer. Raises ValueError if layers or width differ from `fit`."""
        check_is_fitted(self)
        reader = LayerReader(X, "X")
        if (reader.shape[0], reader.shape[2]) != self.mean_.shape:
            raise ValueError(
                f"X has {reader.shape[0]} layers of width {reader.shape[2]}; "
                f"the probe was fitted on {self.mean_.shape[0]} of width {self.mean_.shape[1]}"
            )

        def predict_layer(row: int) -> Int[np.ndarray, " example"]:
            x = as_numpy(reader.load(row))
            x -= self.mean_[row].astype(x.dtype)
            x /= self.scale_[row].astype(x.dtype)
            decision = x @ self.coef_[row].T + self.intercept_[row]
            return decision.argmax(axis=1) if decision.shape[1] > 1 else (decision[:, 0] > 0).astype(np.int64)

        return np.asarray(self.classes_[np.stack(over_layers(predict_layer, reader, self.n_jobs))])

    def score(self, X: Activations, y: Shaped[np.ndarray, " example"]) -> Float[np.ndarray, " layer"]:
        """Accuracy at each layer."""
        predicted = self.predict(X)
        return np.asarray((predicted == checked_labels(y, predicted.shape[1], "y")).mean(axis=1))


def over_layers(job: Callable[[int], Any], reader: LayerReader, n_jobs: int) -> list[Any]:
    """`job` of every layer row, in threads; each holds one BLAS thread."""
    with _solver_settings(reader.on_device):
        # Threads, because BLAS and the loss release the interpreter, and processes would take seconds to start.
        return list(
            Parallel(1 if reader.on_device else n_jobs, backend="threading")(
                delayed(job)(row) for row in range(reader.shape[0])
            )
        )


@contextmanager
def _solver_settings(on_device: bool) -> Iterator[None]:
    # L-BFGS makes many small BLAS calls, in numpy's and in scipy's own library; with as many threads as cores in
    # each, they wait for each other: 10 to 20 times slower than one thread.
    with threadpool_limits(1, user_api="blas"), config_context(assume_finite=True, array_api_dispatch=on_device):
        yield


def standardised(train: Any, *others: Any) -> tuple[Any, ...]:
    """`train` [example, d_model] and the others by the mean and deviation of `train`, in place."""
    scaler = StandardScaler(copy=False).fit(train)
    return (scaler.transform(train), *(scaler.transform(other) for other in others))


def fit_logistic(z: Any, codes: Int[np.ndarray, " example"], C: float, max_iter: int) -> LogisticRegression:
    """Logistic regression of labels on standardised features [example, d_model]."""
    return LogisticRegression(C=C, max_iter=int(max_iter)).fit(z, codes)


def class_probabilities(model: LogisticRegression, z: Any, n_classes: int) -> Float[np.ndarray, "example class"]:
    """Probability of each of the codes 0.. under `model`, in float64; 0 for a class that it never saw."""
    decision = as_numpy(model.decision_function(z)).astype(np.float64)
    logits = decision if decision.ndim == 2 else np.stack([np.zeros_like(decision), decision], axis=1)
    probability = np.zeros((len(logits), n_classes))
    probability[:, as_numpy(model.classes_)] = softmax(logits, axis=1)
    return probability


def varies(x: Any) -> bool:
    """Whether any feature differs between two examples of [example, d_model]."""
    return bool((x[-1] != x[0]).any()) or bool((x != x[:1]).any())


def check_variation(varied: Sequence[bool], name: str) -> None:
    """ValueError if no layer varies. A single layer may be constant: the embedding of a token all prompts share."""
    if not any(varied):
        raise ValueError(f"{name} is the same for all examples in every layer; were they read at the right position?")


def check_solver(C: float, max_iter: int) -> None:
    """ValueError for a penalty or a number of iterations that no solver takes."""
    if not (isinstance(C, int | float | np.number) and 0 < C < np.inf):
        raise ValueError(f"C must be positive and finite, got {C!r}")
    if not (isinstance(max_iter, int | np.integer) and max_iter >= 1):
        raise ValueError(f"max_iter must be a whole number of at least 1, got {max_iter!r}")


def checked_classes(
    y: Shaped[np.ndarray, " n"], n: int, name: str
) -> tuple[Shaped[np.ndarray, " class"], Int[np.ndarray, " n"]]:
    """The sorted classes of `y` and the number of each label's class; ValueError if no probe can be fitted."""
    classes, codes = np.unique(checked_labels(y, n, name), return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"{name} must have at least two classes, got only {classes.tolist()}; add examples of another")
    if n <= len(classes):
        raise ValueError(
            f"more examples than classes are needed, got {n} for {len(classes)} classes in {name}; "
            "add examples, or leave out classes that have one"
        )
    return classes, codes
