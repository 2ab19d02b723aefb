"""What a vector is made of: the few rows of a dictionary that explain most of it, beside what they explain of noise.

A sparse autoencoder's decoder is such a dictionary: a row per feature, each a direction of the residual stream.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


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
    taken, explained = _pursuit(units, vector.astype(np.float64), most)
    shares = [_pursuit(units, one, most)[1] for one in noise]
    padded = [np.pad(share, (0, most - len(share)), mode="edge") for share in shares]
    coefficients = np.linalg.lstsq(units[taken].T, vector.astype(np.float64), rcond=None)[0]
    cosines = units[taken] @ vector / np.linalg.norm(vector)
    return Decomposition(usable[taken], coefficients, cosines, explained, np.median(padded, axis=0)[: len(taken)])


def _pursuit(
    units: Float[np.ndarray, "row d_model"], target: Float[np.ndarray, "d_model"], most: int
) -> tuple[list[int], Float[np.ndarray, "step"]]:
    """Rows in the order in which they are taken, and the share that is explained after each.

    scikit-learn's `orthogonal_mp` gives the same, but with its path holds [row, row] numbers, which no machine has for
    a dictionary of 131,072 rows.
    """
    taken: list[int] = []
    shares: list[float] = []
    left, whole = target, float(target @ target)
    while len(taken) < most and float(left @ left) > 1e-12 * whole:
        nearness = np.abs(units @ left)
        nearness[taken] = -1.0
        taken.append(int(nearness.argmax()))
        fitted = np.linalg.lstsq(units[taken].T, target, rcond=None)[0]
        left = target - fitted @ units[taken]
        shares.append(1 - float(left @ left) / whole)
    return taken, np.array(shares)
