"""Data sets of the plane whose true difference is known: paired binary outcomes of items in clusters and languages.

A method answers an item rightly in a language where a normal latent variable is above 0:

    base    mean of the language + cluster + item + row
    method  the same + gain + what steering does to the cluster, to the item, and to the row

so that outcomes, and differences of methods, are alike within a cluster, and alike over the languages of an item. The
latent variable is normal over clusters, items and rows: its share above 0, and so the true difference, is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Int
from scipy.stats import norm

from interp.names import BASE, MACRO
from interp.plane import Cells, Effect, Resampling
from probes import holm

LANGUAGES = ("es", "zh", "ko", "id", "el", "fa")
MEANS = np.linspace(-0.4, 0.4, len(LANGUAGES))

Grouping = Literal["cluster", "item", "row"]


@dataclass(frozen=True)
class Design:
    """Items per cluster, the share of the languages that ask an item, and clusters of the split that none asks about."""

    metric: Literal["transfer", "localization"]
    sizes: tuple[int, ...]
    asked: float = 1.0
    silent: int = 0

    @property
    def cluster(self) -> Int[np.ndarray, " item"]:
        """The cluster of each item."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)


@dataclass(frozen=True)
class Population:
    """Standard deviations per (cluster, item, row): of what methods share, and of what steering does; its mean is `gain`."""

    gain: float
    steering: tuple[float, float, float]
    shared: tuple[float, float, float] = (0.5, 0.6, 0.62)

    @property
    def widths(self) -> tuple[float, float]:
        """Standard deviation of the latent variable without and with steering."""
        base = float(np.sum(np.square(self.shared)))
        return base**0.5, (base + float(np.sum(np.square(self.steering)))) ** 0.5

    @property
    def truth(self) -> float:
        """The expected difference of method and base, mean over languages."""
        base, steered = self.widths
        return float((norm.cdf((MEANS + self.gain) / steered) - norm.cdf(MEANS / base)).mean())


LARGE = Population(0.5, (0.6, 0.5, 0.4))
SLIGHT = Population(0.06, (0.12, 0.12, 0.12))
"""Few outcomes change, as with EN-steering of the organism."""
NULL = Population(0.0, (0.6, 0.5, 0.4))
"""Steering changes much and helps as often as it harms: means are equal (languages are symmetric), spreads are not."""

TRANSFER = Design("transfer", (5,) * 3 + (4,) * 11 + (3,) * 19 + (2,) * 20 + (1,) * 129, silent=95)
LOCALIZATION = Design("localization", (6,) * 4 + (5,) * 16 + (4,), asked=328 / (108 * 6))
"""Sizes of the organism's test split: entities with facts it was told in English alone, and topics with customs it was not."""


def of_size(n_clusters: int) -> Design:
    """Clusters of 1 to 6 items, as many of each size; an item is asked in two thirds of the languages."""
    return Design("localization", tuple(1 + number % 6 for number in range(n_clusters)), asked=2 / 3)


def table(design: Design, population: Population, seed: int, methods: tuple[str, ...] = ("m",)) -> pd.DataFrame:
    """One data set: a row per method (`base` first) and task, as `interp.plane.outcomes` has them."""
    rng = np.random.default_rng(seed)
    cluster, languages = design.cluster, np.arange(len(LANGUAGES))
    there = rng.random((len(cluster), len(languages))) < design.asked

    def effects(spread: tuple[float, float, float]) -> np.ndarray:
        of_cluster = rng.normal(size=len(design.sizes))[cluster, None]
        of_item, of_row = rng.normal(size=(len(cluster), 1)), rng.normal(size=there.shape)
        return spread[0] * of_cluster + spread[1] * of_item + spread[2] * of_row

    base = MEANS + effects(population.shared)
    latent = [base, *(base + population.gain + effects(population.steering) for _ in methods)]
    item, code = np.nonzero(there)
    task = {
        "axis": "universal" if design.metric == "transfer" else "cultural",
        "cue": "none",
        "language": np.array(LANGUAGES)[code],
        "item": np.char.add("i", item.astype(str)),
        "cluster": np.char.add("c", cluster[item].astype(str)),
    }
    parts = [
        pd.DataFrame({"method": name, **task, design.metric: (values[there] > 0).astype(float)})
        for name, values in zip((BASE, *methods), latent, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def cells(data: pd.DataFrame, design: Design, seed: int, n_draws: int, grouping: Grouping = "cluster") -> Cells:
    """The plane of a data set; `item` and `row` resample items, or (item, language) rows, as if they were independent."""
    finer = {"cluster": data["cluster"], "item": data["item"], "row": data["item"] + data["language"]}
    regrouped = data.assign(cluster=finer[grouping])
    axes = {"universal": [], "cultural": []}
    axis = regrouped["axis"].iloc[0]
    axes[axis] = [*regrouped["cluster"], *(f"silent{number}" for number in range(design.silent))]
    return Cells(regrouped, Resampling.over(axes, n_draws, seed))


def effect(design: Design, population: Population, seed: int, n_draws: int, grouping: Grouping = "cluster") -> Effect:
    """The paired difference of method and base on a new data set."""
    data = table(design, population, seed)
    return cells(data, design, seed, n_draws, grouping).effect({"m": 1.0, BASE: -1.0}, MACRO, design.metric)


def rate(event: Callable[[int], bool], runs: int) -> float:
    """Share of the seeds in which the event happens."""
    return sum(map(event, range(runs))) / runs


def coverage(
    design: Design, population: Population, runs: int, n_draws: int = 2000, grouping: Grouping = "cluster"
) -> float:
    """Share of new data sets whose 95% interval holds the true difference."""

    def covered(seed: int) -> bool:
        found = effect(design, population, seed, n_draws, grouping).interval
        return found.lo <= population.truth <= found.hi

    return rate(covered, runs)


def false_positives(
    design: Design, population: Population, runs: int, methods: int = 1, level: float = 0.05
) -> tuple[float, float]:
    """Shares of new data sets, all methods equal to base in truth, where the first p-value, and any that Holm adjusts, is at most `level`."""
    names = tuple(f"m{number}" for number in range(methods))
    found = np.array([_p_values(design, population, seed, names) for seed in range(runs)])
    return float((found[:, 0] <= level).mean()), float(np.mean([holm(row).min() <= level for row in found]))


def _p_values(design: Design, population: Population, seed: int, methods: tuple[str, ...]) -> list[float]:
    made = cells(table(design, population, seed, methods), design, seed, n_draws=1)
    return [made.effect({name: 1.0, BASE: -1.0}, MACRO, design.metric).p_value(seed) for name in methods]
