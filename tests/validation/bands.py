"""Signals of layers whose true excess is known, in few or many clusters: does the simultaneous band hold all of it?"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.stats import norm

from probes import Sample, Signal, resample

Kind = Literal["normal", "difference of answers", "answers against others"]

LAYERS, CARRY = 9, 0.8
"""Layers, and the correlation of neighbouring ones' noise."""

MEANS = np.linspace(-0.5, 0.8, LAYERS)
CONTROL = -0.3


def drawn(kind: Kind, n_clusters: int, seed: int, *, unequal: bool) -> tuple[Signal, Float[np.ndarray, " layer"]]:
    """A signal and its true excess; 36% of the latent variance are shared in a cluster of 5 examples (or of 1 to 6).

    difference of answers: right or wrong, minus the mean of two controls that correlate with it. answers against
    others: right or wrong, against 285 other examples in 182 clusters.
    """
    rng = np.random.default_rng((seed, n_clusters))

    def latent(n: int, sizes: np.ndarray) -> Float[np.ndarray, "layer example"]:
        def noise(k: int) -> np.ndarray:
            found = rng.standard_normal((LAYERS, k))
            for row in range(1, LAYERS):
                found[row] = CARRY * found[row - 1] + np.sqrt(1 - CARRY**2) * found[row]
            return found

        return 0.6 * noise(n)[:, np.repeat(np.arange(n), sizes)] + 0.8 * noise(int(sizes.sum()))

    sizes = 1 + np.arange(n_clusters) % 6 if unequal else np.full(n_clusters, 5)
    clusters, x = np.repeat(np.arange(n_clusters), sizes), latent(n_clusters, sizes)
    if kind == "normal":
        return Signal(x + MEANS[:, None], clusters), MEANS
    right = (x + MEANS[:, None] > 0).astype(float)
    if kind == "difference of answers":
        control = np.mean([0.5 * x + np.sqrt(0.75) * latent(n_clusters, sizes) > -CONTROL for _ in range(2)], axis=0)
        return Signal(right, clusters, control), norm.cdf(MEANS) - norm.cdf(CONTROL)
    others = 1 + (np.arange(182) < 103)
    base = (latent(182, others) + CONTROL > 0).astype(float)
    sample = Sample(base, np.repeat(np.arange(182), others))
    return Signal(right, clusters, baseline=sample), norm.cdf(MEANS) - norm.cdf(CONTROL)


def coverage(kind: Kind, n_clusters: int, runs: int, *, unequal: bool = False, n_draws: int = 600) -> float:
    """Share of new data sets whose 95% band holds the true excess of all layers."""
    held = 0
    for seed in range(runs):
        signal, truth = drawn(kind, n_clusters, seed, unequal=unequal)
        band = resample({"x": signal}, n_draws, seed)["x"].band(0.95)
        held += bool(((band.lo <= truth) & (truth <= band.hi)).all())
    return held / runs
