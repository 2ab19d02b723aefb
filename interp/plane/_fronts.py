"""Pareto fronts of the plane: the methods on them, and the area dominated by sets of methods, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from interp.names import BASE, MACRO
from interp.plane._cells import Cells
from probes import percentile_interval


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


AXES = ("transfer", "localization")
REFERENCE = (0.0, 0.0)
"""Areas are counted from here."""


def front_shares(cells: Cells, methods: Sequence[str], language: str = MACRO) -> dict[str, float]:
    """Share of the resampled planes in which a method is on the Pareto front of `methods`."""
    drawn = _drawn(cells, methods, language)
    return dict(zip(methods, _on_front(drawn).mean(axis=0).tolist(), strict=True))


def _drawn(cells: Cells, methods: Sequence[str], language: str) -> Float[np.ndarray, "draw method 2"]:
    return np.stack([np.stack([cells.draws(m, language, axis) for m in methods], axis=1) for axis in AXES], axis=-1)


def _on_front(planes: Float[np.ndarray, "draw method 2"]) -> Bool[np.ndarray, "draw method"]:
    return np.stack([pareto(plane) for plane in planes])


def front_table(cells: Cells, sets: Mapping[str, Sequence[str]], against: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Pareto front and hypervolume (over transfer and localization, from 0) of sets of methods, macro over languages.

    `against` lists, for a set, the other sets that it is compared with. Each comparison is a row with the paired
    difference of the areas. With noise, an area only grows with the number of methods, so compare it with the
    controls'.
    """
    areas = {name: _areas(cells, methods) for name, methods in sets.items()}
    rows = []
    for name, methods in sets.items():
        estimate, draws = areas[name]
        plane = np.array([[cells.estimate(m, MACRO, axis) for axis in AXES] for m in methods])
        front = [m for m, on in zip(methods, pareto(plane), strict=True) if on]
        row = {
            "set": name,
            "methods": len(methods),
            "front": " ".join(front),
            **_bounded("hypervolume", estimate, draws),
        }
        others = against.get(name, ())
        rows += [row | {"against": other, **_bounded("difference", estimate - areas[other][0], draws - areas[other][1])}
                 for other in others] or [row]  # fmt: skip
    return pd.DataFrame(rows)


def _areas(cells: Cells, methods: Sequence[str]) -> tuple[float, Float[np.ndarray, "draw"]]:
    plane = np.array([[cells.estimate(m, MACRO, axis) for axis in AXES] for m in methods])
    drawn = _drawn(cells, methods, MACRO)
    return hypervolume(plane, REFERENCE), np.array([hypervolume(one, REFERENCE) for one in drawn])


def _bounded(name: str, value: float, draws: Float[np.ndarray, "draw"]) -> dict[str, float]:
    lo, hi = percentile_interval(draws)
    return {name: value, f"{name}_lo": float(lo), f"{name}_hi": float(hi)}


def compared_sets(
    real: Sequence[str], trained: Sequence[str], controls: Sequence[str]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The sets of a run, and which are compared.

    Base alone, with Surgical Steering by each reading of LOC, with each trained method, with Surgical Steering on top
    of it; all methods; controls.
    """
    sets: dict[str, list[str]] = {BASE: [BASE]}
    against: dict[str, list[str]] = {}
    surgical = "surgical" in real
    for name in ("surgical", "surgical_language"):
        if name in real:
            sets[name], against[name] = [BASE, name], [BASE, *trained]
    for name in trained:
        sets[name], against[name] = [BASE, name], [BASE]
        if surgical:
            sets[f"{name}+surgical"] = [BASE, name, f"{name}+surgical"]
            against[f"{name}+surgical"] = [name, "surgical"]
    sets["all methods"], against["all methods"] = list(real), [BASE]
    if controls:
        sets["controls"], against["controls"] = [BASE, *controls], [BASE]
    return sets, against
