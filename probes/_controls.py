"""Controls: what a probe or a vector reaches by chance."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Shaped

from probes._intervals import checked_labels

Seed = int | np.random.SeedSequence


def canonical_order(rows: Float[np.ndarray, "n d"], *labels: Shaped[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """The order that sorts rows by their values, then by their labels: what is drawn in it ignores the order given."""
    codes = [np.unique(label, return_inverse=True)[1] for label in labels]
    columns = np.asarray(rows).T
    width = 1  # few columns tell most rows apart; the rest are sorted by only where they don't
    while True:
        order = np.lexsort((*codes[::-1], *columns[:width][::-1]))
        ranked = columns[:width, order]
        if width >= len(columns) or (ranked[:, 1:] != ranked[:, :-1]).any(axis=0).all():
            return order
        width *= 4


def shuffled_labels(
    y: Shaped[np.ndarray, " n"], seed: Seed = 0, within: Shaped[np.ndarray, " n"] | None = None
) -> Shaped[np.ndarray, " n"]:
    """The labels in random order: the same distribution, but no relation to the examples.

    With `within` (e.g. relations), labels are shuffled within each group, which keeps the group's information on the
    label.
    """
    labels = np.asarray(y)
    rng = np.random.default_rng(seed)
    if within is None:
        return labels[rng.permutation(len(labels))]
    shuffled = labels.copy()
    groups = checked_labels(within, len(labels), "within")
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        shuffled[rows] = labels[rng.permutation(rows)]
    return shuffled


def control_labels(
    y_train: Shaped[np.ndarray, " train"],
    types_train: Shaped[np.ndarray, " train"],
    types_test: Shaped[np.ndarray, " test"],
    seed: Seed = 0,
) -> tuple[Shaped[np.ndarray, " train"], Shaped[np.ndarray, " test"]]:
    """Labels of a control task for training and test: random, but fixed per type (Hewitt & Liang 2019).

    Types seen in training get the classes of `y_train` in their proportions, each class at least once. Types seen only
    in test are drawn from the same proportions, so they can't be predicted beyond chance.
    Raises ValueError for fewer training types than classes, or types of another length than the labels.
    """
    y = checked_labels(y_train, len(y_train), "y_train")
    train = checked_labels(types_train, len(y), "types_train").tolist()
    test = checked_labels(types_test, len(types_test), "types_test").tolist()
    classes, counts = np.unique(y, return_counts=True)
    seen = sorted(set(train))
    unseen = sorted(set(test) - set(seen))
    if len(seen) < len(classes):
        raise ValueError(
            f"a control task with {len(classes)} classes needs as many types in training, got {len(seen)}: "
            f"{seen[:5]}; use finer types or leave types_train and types_test out"
        )
    rng = np.random.default_rng(seed)
    quota = _quota(counts / counts.sum(), len(seen))
    drawn = rng.permutation(np.repeat(np.arange(len(classes)), quota))
    guessed = rng.choice(len(classes), size=len(unseen), p=counts / counts.sum())
    task = dict(zip([*seen, *unseen], [*drawn.tolist(), *guessed.tolist()], strict=True))
    return classes[[task[t] for t in train]], classes[[task[t] for t in test]]


def random_directions(
    samples: Float[np.ndarray, "sample d"] | None = None,
    n: int = 20,
    norm: float = 1.0,
    seed: Seed = 0,
    *,
    covariance: Float[np.ndarray, "d d"] | None = None,
) -> Float[np.ndarray, "n d"]:
    """Gaussian directions with the covariance of `samples` (or `covariance` itself), each scaled to length `norm`.

    Raises ValueError unless exactly one source is given and it is finite, with some variance; for fewer than two
    samples; for a covariance that is not symmetric and positive semi-definite.
    """
    if (samples is None) == (covariance is None):
        raise ValueError("give either samples or covariance, and not both")
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    if not (np.isfinite(norm) and norm > 0):
        raise ValueError(f"norm must be positive and finite, got {norm}")
    root = _root_of_samples(samples) if samples is not None else _root_of_covariance(covariance)
    drawn = np.random.default_rng(seed).standard_normal((n, len(root))) @ root
    lengths = np.linalg.norm(drawn, axis=1, keepdims=True)
    if not (lengths > 0).all():
        raise ValueError("the source has no variance, so no direction can be drawn from it")
    return np.asarray(norm * drawn / lengths)


def _quota(shares: Float[np.ndarray, " k"], total: int) -> Int[np.ndarray, " k"]:
    """Whole numbers >= 1 that sum to `total`, by largest remainders over `shares`."""
    exact = 1 + shares * (total - len(shares)) if total * shares.min() < 1 else shares * total
    quota = np.floor(exact + 1e-9).astype(np.int64)
    largest = np.argsort(-(exact - quota), kind="stable")
    quota[largest[: total - quota.sum()]] += 1
    return quota


def _root_of_samples(samples: Float[np.ndarray, "sample d"]) -> Float[np.ndarray, "k d"]:
    x = _finite_matrix(samples, "samples")
    if len(x) < 2:
        raise ValueError(f"samples must have at least 2 rows, got {len(x)}")
    centred = x[canonical_order(x)] - x.mean(axis=0)
    if np.abs(centred).max() <= 1e-12 * np.abs(x).max():
        centred[:] = 0.0  # what is left of equal rows is rounding, which has a direction but no meaning
    return np.asarray(centred / np.sqrt(len(x) - 1))


def _root_of_covariance(covariance: Float[np.ndarray, "d d"] | None) -> Float[np.ndarray, "k d"]:
    c = _finite_matrix(covariance, "covariance")
    scale = np.abs(c).max()
    if c.shape[0] != c.shape[1] or np.abs(c - c.T).max() > 1e-6 * scale:
        raise ValueError(f"covariance must be square and symmetric, got shape {c.shape}")
    values, vectors = np.linalg.eigh((c + c.T) / 2)
    if values[0] < -1e-6 * scale:
        raise ValueError(f"covariance must be positive semi-definite, its smallest eigenvalue is {values[0]:.3g}")
    return np.asarray(np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T)


def _finite_matrix(matrix: Float[np.ndarray, "n d"] | None, name: str) -> Float[np.ndarray, "n d"]:
    x = np.asarray(matrix, dtype=np.float64)
    if x.ndim != 2 or x.size == 0:
        raise ValueError(f"{name} must be a matrix with entries, got shape {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError(
            f"{name} must be finite, got {x[~np.isfinite(x)][0]} in row {np.argwhere(~np.isfinite(x))[0, 0]}"
        )
    return x
