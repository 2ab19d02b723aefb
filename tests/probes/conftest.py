import tracemalloc

import numpy as np
import pytest


def _planted(n=120, d=10, layers=4, first=2, n_classes=2, seed=0):
    """Noise, with a direction per class added from layer `first` on."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % n_classes)
    X = rng.standard_normal((layers, n, d)) * rng.uniform(0.1, 10.0, size=d)
    X[first:] += 2.5 * X[0].std(axis=0) * np.linalg.qr(np.random.default_rng(99).standard_normal((d, d)))[0][y]
    return X, np.array(["no", "yes", "maybe"])[y]


@pytest.fixture(scope="session")
def planted():
    return _planted


def _peak_memory(job):
    job()  # whatever is loaded at first use
    tracemalloc.start()
    job()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.fixture(scope="session")
def peak_memory():
    return _peak_memory
