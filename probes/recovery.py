"""How often planted onsets are found: the pipeline of real models on residuals whose answer is known.

`python -m probes.recovery` prints the whole curve as a table.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import product
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

from probes._alignment import cosine_margin
from probes._controls import shuffled_labels
from probes._intervals import Interval, Resampling
from probes._linear import LinearProbe
from probes._onsets import Onset
from probes._planted import Planted, PlantedTask, plant_residuals
from probes._separation import Separation, find_separation
from probes._signals import Signal

Layout = Literal["apart", "together"]
_Cell = tuple[Layout, float, float, int, int]

ROWS = range(2, 10)
"""Rows at which onsets are planted, of 12."""

APART = 3
"""Least number of layers between onsets that are planted apart; either may come first."""

HEADLINE: tuple[float, float, int] = (1.0, 60.0, 200)
"""Signal-to-noise, angle and number of examples for which the method's accuracy is stated and tested."""

SNR = (0.25, 0.5, 1.0, 2.0)
ANGLES = (90.0, 60.0, 30.0)
SIZES = (50, 200, 1000)
N_SHUFFLES = 5


def locate_planted(planted: Planted, *, n_draws: int = 1000, seed: int = 0) -> Separation:
    """Probes with shuffled-label controls, alignment, and the onset rule, each example its own cluster."""
    items = np.arange(len(planted.answer.test.y))
    margin = cosine_margin(planted.english, np.asarray(planted.answer.test.X), np.zeros(len(items)))
    universal = {"answer": _probe_signal(planted.answer, seed), "alignment": Signal(margin, items)}
    cultural = {"culture": _probe_signal(planted.culture, seed)}
    return find_separation(universal, cultural, resampling=Resampling(n_draws, seed))


def planted_rows(layout: Layout, seed: int) -> tuple[int, int]:
    """The rows of the universal and the cultural onset in the run `seed`: equal, or at least `APART` layers apart."""
    rng = np.random.default_rng((seed, 1))
    pairs = [(a, b) for a, b in product(ROWS, ROWS) if (a == b if layout == "together" else abs(a - b) >= APART)]
    return pairs[rng.integers(len(pairs))]


def recovery_runs(
    layout: Layout, *, snr: float, angle: float, n: int, seeds: Sequence[int], rise: int = 1, n_draws: int = 1000
) -> pd.DataFrame:
    """One row per seed: what was planted (a, b) and what was found of a, b and b - a.

    Columns: seed, a, b, verdict, and for universal, cultural and difference: _error (in layers; NaN without an onset),
    _covered (the interval holds the truth), _width. With `rise` > 1 the truth is the row in which a shift first has
    half of its strength.
    """
    rows = []
    for seed in seeds:
        a, b = planted_rows(layout, seed)
        planted = plant_residuals(a, b, snr=snr, angle=angle, n=n, rise=rise, seed=seed)
        separation = locate_planted(planted, n_draws=n_draws, seed=seed)
        half = (rise + 1) // 2 - 1
        row: dict[str, object] = {"seed": seed, "a": a, "b": b, "verdict": separation.verdict}
        row |= _compared("universal", _bounds(separation.universal), a + half)
        row |= _compared("cultural", _bounds(separation.cultural), b + half)
        rows.append(row | _compared("difference", separation.difference, b - a))
    return pd.DataFrame(rows)


def summary(runs: pd.DataFrame) -> dict[str, float]:
    """Shares over all runs: both onsets found, both within one layer, verdicts; over those found: coverage, widths."""
    near = runs[["universal_error", "cultural_error"]].abs() <= 1
    shares = {
        "runs": len(runs),
        "found": float((runs["verdict"] != "no onset").mean()),
        "a_within_1": float(near["universal_error"].mean()),
        "b_within_1": float(near["cultural_error"].mean()),
        "both_within_1": float(near.all(axis=1).mean()),
        "separate": float((runs["verdict"] == "separate").mean()),
        "no_separation": float((runs["verdict"] == "no separation").mean()),
    }
    for short, name in (("a", "universal"), ("b", "cultural"), ("b-a", "difference")):
        estimated = runs[runs[f"{name}_error"].notna()]  # means and medians of none are NaN
        shares[f"{short}_covered"] = float(estimated[f"{name}_covered"].mean())
        shares[f"{short}_width"] = float(estimated[f"{name}_width"].median())
    return shares


def recovery_curve(n_seeds: int = 40, n_headline: int = 200, n_draws: int = 1000) -> pd.DataFrame:
    """One row per cell: `n_headline` runs of the headline cell and its two controls, `n_seeds` of the others.

    The grid of signal-to-noise, angle and number of examples with onsets planted apart, and at the headline cell
    (1, 60 degrees, 200): onsets planted together, nothing planted, and shifts that rise over 3 and over 5 layers.
    """
    grid: list[_Cell] = [("apart", snr, angle, n, 1) for snr, angle, n in product(SNR, ANGLES, SIZES)]
    controls: list[_Cell] = [("together", *HEADLINE, 1), ("apart", 0.0, *HEADLINE[1:], 1)]
    gradual: list[_Cell] = [("apart", *HEADLINE, 3), ("apart", *HEADLINE, 5)]
    rows = []
    for cell in [*grid, *controls, *gradual]:
        layout, snr, angle, n, rise = cell
        seeds = range(n_headline if cell in (("apart", *HEADLINE, 1), *controls) else n_seeds)
        runs = recovery_runs(layout, snr=snr, angle=angle, n=n, rise=rise, seeds=seeds, n_draws=n_draws)
        rows.append(dict(zip(("layout", "snr", "angle", "n", "rise"), cell, strict=True)) | summary(runs))
    return pd.DataFrame(rows)


def _probe_signal(task: PlantedTask, seed: int) -> Signal:
    def correct(y: Float[np.ndarray, " train"]) -> Float[np.ndarray, "layer test"]:
        predicted = LinearProbe(n_jobs=1).fit(task.train.X, y).predict(task.test.X)
        return np.asarray(predicted == task.test.y, dtype=np.float64)

    seeds = np.random.SeedSequence(seed).spawn(N_SHUFFLES)
    control = np.mean([correct(shuffled_labels(task.train.y, s)) for s in seeds], axis=0)
    return Signal(correct(task.train.y), np.arange(len(task.test.y)), control)


def _bounds(onset: Onset) -> Interval:
    if onset.layer is None or onset.lo is None or onset.hi is None:
        return Interval(np.nan, np.nan, np.nan)
    return Interval(onset.layer, onset.lo, onset.hi)


def _compared(name: str, interval: Interval, truth: int) -> dict[str, object]:
    return {
        f"{name}_error": interval.estimate - truth,
        f"{name}_covered": interval.lo <= truth <= interval.hi,
        f"{name}_width": interval.hi - interval.lo,
    }


def main() -> None:
    """Print the recovery of planted onsets, a Markdown table with one row per cell."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seeds", type=int, default=40, help="runs per cell; seeds count from 0 (default: 40)")
    parser.add_argument("--headline", type=int, default=200, help="runs of the headline cell (default: 200)")
    given = parser.parse_args()
    print(as_markdown(recovery_curve(given.seeds, given.headline)))


def as_markdown(curve: pd.DataFrame) -> str:
    """The curve as a Markdown table; shares of one kind stand in one column, parted by strokes."""
    joined = {
        "found": ["found"],
        "within 1: a / b / both": ["a_within_1", "b_within_1", "both_within_1"],
        "separate / no separation": ["separate", "no_separation"],
        "covered: a / b / b-a": ["a_covered", "b_covered", "b-a_covered"],
        "width: a / b / b-a": ["a_width", "b_width", "b-a_width"],
    }
    plain = ["layout", "snr", "angle", "n", "rise", "runs"]
    lines = [[*plain, *joined], ["---"] * (len(plain) + len(joined))]
    for _, row in curve.iterrows():
        cells = [[row[name]] for name in plain] + [list(row[names]) for names in joined.values()]
        lines.append([" / ".join(_written(value) for value in cell) for cell in cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _written(value: object) -> str:
    return str(value) if not isinstance(value, float) else "-" if np.isnan(value) else f"{value:.3g}"


if __name__ == "__main__":
    main()
