"""What `locate` finds in a trained model, beside what it finds in the base model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from figures.wording import number, other_way
from interp.study.locate import Located
from probes.signals import resample

COLUMNS = (
    "model", "language", "signal", "layer", "base", "trained", "difference", "difference_lo", "difference_hi",
)  # fmt: skip


def signal_table(base: Located, trained: Mapping[str, Located], n_draws: int, seed: int) -> pd.DataFrame:
    """Mean excess over its control of each onset signal, per model, language (and `macro`) and layer; -1: embeddings.

    Signals: `answer` (probe trained in English, asked in the language), `alignment` (cosine margin of parallel
    universal prompts), `culture` (cued-culture probe, against universal prompts).
    difference: trained minus base on the same test prompts, with a band that holds all layers at once (max-t).
    """
    rows = []
    for name, located in trained.items():
        for language, signals in base.signals.items():
            for signal, before in signals.items():
                after = located.signals[language][signal]
                moved = [now.minus(was) for now, was in zip(after, before, strict=True)]
                band = resample({signal: moved}, n_draws, seed)[signal].band(0.95)
                was, now = (np.mean([one.excess for one in some], axis=0) for some in (before, after))
                for row in range(len(was)):
                    rows.append(
                        {"model": name, "language": language, "signal": signal, "layer": row - 1,
                         "base": was[row], "trained": now[row],
                         "difference": band.estimate[row], "difference_lo": band.lo[row], "difference_hi": band.hi[row]}
                    )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def onset_comparison(models: Mapping[str, Located]) -> pd.DataFrame:
    """The rows of each model's `onsets.csv`, the model's name in front."""
    return pd.concat([_named(name, located.onsets) for name, located in models.items()], ignore_index=True)


def _named(name: str, table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(model=name)[["model", *table.columns]]


def comparison_lines(table: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """One sentence per model: where its signals, over all languages, differ from base's most."""
    lines = []
    for name in names:
        rows = table[(table["model"] == name) & (table["language"] == "macro")]
        told = []
        for signal, some in rows.groupby("signal", sort=False):
            some = some.dropna(subset="difference")
            if some.empty:
                continue
            most = some.to_dict("records")[int(some["difference"].abs().to_numpy().argmax())]
            sure = (some["difference_lo"] > 0) | (some["difference_hi"] < 0)
            same = table[(table["model"] == name) & (table["signal"] == signal) & (table["layer"] == most["layer"])]
            against = other_way(most["difference"], same.to_dict("records"), "difference", digits=2)
            change = number(most, "difference", signed=True, digits=2)
            told.append(
                f"{signal} {change} at layer {most['layer']:.0f} "
                f"(differs at {sure.sum()} of {len(some)} layers{against})"
            )
        if told:
            lines.append(f"{name}, signals' excess against base's: {'; '.join(told)}.")
    return lines
