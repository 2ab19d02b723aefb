"""What few clusters cost: Student's t in place of the normal distribution that a bootstrap over many comes to."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Num
from scipy.special import ndtr, ndtri, stdtr, stdtrit


def student_deviate(
    deviate: Float[np.ndarray, "*cells"] | float, n_clusters: Num[np.ndarray, "*cells"] | float
) -> Float[np.ndarray, "*cells"]:
    """What a normal `deviate`, in standard errors of a bootstrap over `n_clusters`, is for few clusters; NaN below two.

    The deviate with the same tail under Student's t, times sqrt(n / (n - 1)): a bootstrap lacks both (Hesterberg 2015,
    expanded percentile interval). `n_clusters` need not be whole (see `effective_clusters`).
    """
    n = np.where(np.asarray(n_clusters) >= 2, n_clusters, np.nan)
    tail = ndtr(-np.asarray(deviate))
    # scipy's stdtrit is inf for a tail of 0, as for one of 1, where it ought to be -inf.
    return np.asarray(np.sqrt(n / (n - 1.0)) * np.where(tail == 0, np.inf, -stdtrit(n - 1.0, tail)))


def normal_deviate(
    deviate: Float[np.ndarray, "*cells"] | float, n_clusters: Num[np.ndarray, "*cells"] | float
) -> Float[np.ndarray, "*cells"]:
    """The normal deviate of a mean that lies `deviate` bootstrap errors away: the inverse of `student_deviate`."""
    n = np.where(np.asarray(n_clusters) >= 2, n_clusters, np.nan)
    return np.asarray(-ndtri(stdtr(n - 1.0, -np.asarray(deviate) * np.sqrt((n - 1.0) / n))))


def effective_clusters(sizes: Num[np.ndarray, "cluster *cells"]) -> Float[np.ndarray, "*cells"]:
    """How many clusters of equal size say as much as these (Kish 1965; Carter et al. 2017); NaN if fewer than 2 do.

    At least 2 where two clusters have a value: a large cluster does not make the other worthless.
    """
    counts = np.asarray(sizes, dtype=np.float64)
    squares = (counts**2).sum(axis=0)
    number = counts.sum(axis=0) ** 2 / np.where(squares > 0, squares, 1.0)
    return np.where((counts > 0).sum(axis=0) >= 2, np.maximum(number, 2.0), np.nan)


def pooled_clusters(
    variances: Float[np.ndarray, "sample *cells"], n_clusters: Float[np.ndarray, "sample *cells"]
) -> Float[np.ndarray, "*cells"]:
    """Number of clusters of a sum of independent samples' means: degrees of freedom by Welch and Satterthwaite, plus 1.

    `variances` are those of the parts. Where nothing varies, the smallest number; NaN if a sample has fewer than 2.
    """
    parts, numbers = np.asarray(variances, dtype=np.float64), np.asarray(n_clusters, dtype=np.float64)
    squares = (parts**2 / (numbers - 1.0)).sum(axis=0)
    least = np.asarray(numbers.min(axis=0) - 1.0)
    return np.asarray(np.divide(parts.sum(axis=0) ** 2, squares, out=least.copy(), where=squares > 0) + 1.0)


def expanded_level(n_clusters: float, level: float = 0.95) -> float:
    """Level at which percentiles of draws over `n_clusters` are as wide as Student's t asks; NaN below two clusters."""
    reach = float(student_deviate(ndtri((1.0 + level) / 2.0), n_clusters))
    return math.nan if math.isnan(reach) else min(float(2.0 * ndtr(reach) - 1.0), math.nextafter(1.0, 0.0))
