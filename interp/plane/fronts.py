"""Pareto fronts of points on the plane, and the area that they dominate."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def pareto(table: Float[np.ndarray, "point 2"]) -> np.ndarray:
    """Which points no other point beats on both axes (more is better)."""
    at_least = np.all(table[None, :, :] >= table[:, None, :], axis=-1)
    above = np.any(table[None, :, :] > table[:, None, :], axis=-1)
    return ~np.any(at_least & above, axis=1)


def hypervolume(table: Float[np.ndarray, "point 2"], reference: tuple[float, float]) -> float:
    """Area that the points dominate above `reference`."""
    kept = table[pareto(table) & (table > np.array(reference)).all(axis=1)]
    area, floor = 0.0, reference[1]
    for x, y in sorted(map(tuple, kept), reverse=True):
        if y > floor:
            area += (x - reference[0]) * (y - floor)
            floor = y
    return area
