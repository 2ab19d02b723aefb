"""What a vector is made of: the few rows of a dictionary that explain most of it, beside what they explain of noise.

A sparse autoencoder's decoder is such a dictionary: a row per feature, each a direction of the residual stream.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from sklearn.linear_model import orthogonal_mp


class Decomposition(NamedTuple):
    """Rows of a dictionary in the order in which orthogonal matching pursuit takes them.

    coefficients: of the unit rows, with all of them in. cosines: of each row alone with the vector. explained: share of
    the vector's squared norm that the rows so far explain. explained_random: the same of random directions, the median
    over the draws.
    """

    rows: Int[np.ndarray, "chosen"]
    coefficients: Float[np.ndarray, "chosen"]
    cosines: Float[np.ndarray, "chosen"]
    explained: Float[np.ndarray, "chosen"]
    explained_random: Float[np.ndarray, "chosen"]


def decompose(
    vector: Float[np.ndarray, "d_model"],
    dictionary: Float[np.ndarray, "row d_model"],
    most: int = 10,
    *,
    draws: int = 20,
    seed: int = 0,
) -> Decomposition:
    """The rows of a dictionary, at most `most`, that explain a vector best together, and as many for random directions.

    Orthogonal matching pursuit (Pati et al. 1993): each step takes the row nearest to what is left, and fits all rows
    again; it ends where nothing is left. Rows count by their direction alone; a row of zeros is never taken. A large
    dictionary explains some of anything: compare `explained` with `explained_random`. Raises ValueError for a vector of
    zeros or of another width, and for `most` beyond the rows or the width.
    """
    norms = np.linalg.norm(dictionary, axis=1)
    usable = np.flatnonzero(norms > 0)
    if vector.shape != dictionary.shape[1:] or not np.linalg.norm(vector) > 0:
        raise ValueError(f"a vector of {dictionary.shape[1]} numbers is decomposed, not all 0; got {vector.shape}")
    if not 1 <= most <= min(len(usable), vector.size):
        raise ValueError(f"most is 1 to {min(len(usable), vector.size)} here, got {most}")
    units = (dictionary[usable] / norms[usable, None]).astype(np.float64)
    noise = np.random.default_rng([seed, draws]).standard_normal((draws, vector.size))
    path = _path(units, vector.astype(np.float64), most)
    entered = (path != 0).argmax(axis=1)
    taken = [int(np.flatnonzero((path[:, step] != 0) & (entered == step))[0]) for step in range(path.shape[1])]
    shares = [_explained(units, _path(units, one, most), one, most) for one in noise]
    cosines = units[taken] @ vector / np.linalg.norm(vector)
    explained = _explained(units, path, vector, path.shape[1])
    return Decomposition(usable[taken], path[taken, -1], cosines, explained, np.median(shares, axis=0)[: len(taken)])


def _path(
    units: Float[np.ndarray, "row d_model"], target: Float[np.ndarray, "d_model"], most: int
) -> Float[np.ndarray, "row step"]:
    """Coefficients after every step; fewer steps where nothing is left to explain."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Orthogonal matching pursuit ended prematurely")
        found = orthogonal_mp(units.T, target, n_nonzero_coefs=most, return_path=True)
    return np.asarray(found).reshape(len(units), -1)


def _explained(
    units: Float[np.ndarray, "row d_model"],
    path: Float[np.ndarray, "row step"],
    target: Float[np.ndarray, "d_model"],
    steps: int,
) -> Float[np.ndarray, "steps"]:
    """Share of the target's squared norm that is explained after every step; the last share where the path ends."""
    left = target[:, None] - units.T @ path
    shares = 1 - (left**2).sum(axis=0) / (target**2).sum()
    return np.pad(shares, (0, steps - len(shares)), mode="edge")
