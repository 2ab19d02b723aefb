"""How often a cultural onset is found where no prompt holds a culture, and where each holds its language's.

`python -m probes.culture_recovery` prints both as a table.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import pandas as pd

from probes._cultures import wrong_assignments, wrong_pairs
from probes._intervals import Resampling
from probes._onsets import find_onset
from probes._planted_cultures import plant_cultures, read_cultures
from probes._signals import Signal

LEANS, KINDS = (0.5, 1.0), (0.0, 0.5)
"""How far languages differ, and how far prompts about facts differ from those about customs; see `plant_cultures`."""

ONSET, SNRS = 4, (1.0, 2.0)
"""Row and strengths at which the languages' own cultures are planted."""


def culture_runs(
    onset: int | None, *, seeds: Sequence[int], snr: float = 1.0, lean: float = 1.0, kind: float = 0.0,
    n_draws: int = 1000,
) -> pd.DataFrame:  # fmt: skip
    """One row per seed and language, and `macro`: p and layer of the cultural onset, and p_shuffled.

    p_shuffled is that of the rule without a baseline: accuracy against that of a probe that knows nothing (one over the
    number of cultures), which a default of the probe exceeds, too.
    """
    rows = []
    for seed in seeds:
        readings = read_cultures(plant_cultures(onset, snr=snr, lean=lean, kind=kind, seed=seed))
        signals = [reading.signal() for reading in readings]
        blind = [Signal(s.values, s.clusters, np.full(s.values.shape, 1 / len(readings[0].cultures))) for s in signals]
        pairs, resampling = wrong_pairs(readings), Resampling(n_draws, seed)
        cases = [(str(i), [signal], [blind[i]], pairs) for i, signal in enumerate(signals)]
        for name, own, without, chance in (*cases, ("macro", signals, blind, wrong_assignments(readings, seed))):
            estimated = find_onset({"culture": own}, chance={"culture": chance}, resampling=resampling)
            p_shuffled = find_onset({"culture": without}, resampling=resampling).p
            layer = np.nan if estimated.layer is None else estimated.layer
            rows.append({"seed": seed, "language": name, "p": estimated.p, "layer": layer, "p_shuffled": p_shuffled})
    return pd.DataFrame(rows)


def summary(runs: pd.DataFrame, onset: int | None) -> dict[str, float]:
    """Shares of languages and of macros with p below 0.05, without a baseline, and of onsets within one layer."""
    shares: dict[str, float] = {}
    macro = runs["language"] == "macro"
    for name, rows in (("languages", runs[~macro]), ("macros", runs[macro])):
        shares[f"{name}_found"] = float((rows["p"] < 0.05).mean())
        shares[f"{name}_without"] = float((rows["p_shuffled"] < 0.05).mean())
        shares[f"{name}_within_1"] = np.nan if onset is None else float(((rows["layer"] - onset).abs() <= 1).mean())
    return shares


def culture_curve(n_null: int = 60, n_planted: int = 15, n_draws: int = 1000) -> pd.DataFrame:
    """One row per cell: `n_null` draws of six languages without any culture, `n_planted` of those with one."""
    cells = [(None, 0.0, lean, kind) for lean in LEANS for kind in KINDS]
    planted = [(ONSET, snr, LEANS[0], kind) for snr in SNRS for kind in KINDS]
    rows = []
    for onset, snr, lean, kind in (*cells, *planted):
        seeds = range(n_null if onset is None else n_planted)
        runs = culture_runs(onset, snr=snr, lean=lean, kind=kind, seeds=seeds, n_draws=n_draws)
        rows.append({"snr": snr, "lean": lean, "kind": kind, "draws": len(seeds)} | summary(runs, onset))
    return pd.DataFrame(rows)


def main() -> None:
    """Print false and true cultural onsets, a Markdown table with one row per cell."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--null", type=int, default=60, help="draws without a culture per cell (default: 60)")
    parser.add_argument("--planted", type=int, default=15, help="draws with cultures per cell (default: 15)")
    given = parser.parse_args()
    table = culture_curve(given.null, given.planted)
    lines = [list(table.columns), ["---"] * table.shape[1]]
    lines += [["-" if np.isnan(value) else f"{value:.3g}" for value in row] for row in table.to_numpy(dtype=float)]
    print("\n".join(f"| {' | '.join(line)} |" for line in lines))


if __name__ == "__main__":
    main()
