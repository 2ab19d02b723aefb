"""Do universal and culture-specific directions separate, and which layers would one steer before any search?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

from probes._alignment import layer_stack
from probes._intervals import Interval, Resampling
from probes._onsets import Onset, fewest_clusters, joint_draws, joint_onset, layer_numbers, row_interval
from probes._signals import Chance, Resampled, Signals, n_layers, resample

Verdict = Literal["separate", "no separation", "no onset"]


@dataclass(frozen=True)
class Separation:
    """Universal and cultural onset, and their difference (cultural - universal) in layers.

    `verdict`: "no onset" if either is not found; "separate" if the difference's interval excludes 0; otherwise "no
    separation", which is informative only if the interval is narrow. `signals` has the onset of every signal. `layers`
    has a row per signal and layer: excess over the control, its simultaneous band lo and hi, exceeds (lo > 0).
    """

    universal: Onset
    cultural: Onset
    difference: Interval
    verdict: Verdict
    signals: dict[str, Onset]
    layers: pd.DataFrame


@dataclass(frozen=True)
class APrioriLayers:
    """Layers chosen without steering. `layer_loc` is None if no block has a positive selectivity."""

    layer_en: int
    layer_loc: int | None


@dataclass(frozen=True)
class IntersectionLayer:
    """The layer where shared and language-specific variance balance, and the shared fraction at every layer."""

    layer: int
    share: Float[np.ndarray, " layer"]


def find_separation(
    universal: Mapping[str, Signals],
    cultural: Mapping[str, Signals],
    *,
    chance: Mapping[str, Chance] | None = None,
    layers: Sequence[int] | None = None,
    resampling: Resampling = Resampling(),
) -> Separation:
    """Find the onsets of the universal and the cultural signals, and the number of layers between them.

    `universal` is for example the cross-language answer probe and the universal alignment (both must have set in), and
    `cultural` the cued-culture probe. Within a side, clusters with the same label are drawn together; the two sides are
    drawn independently. Every interval is that of the whole rule over the draws. Leave out the last block, because a
    signal may end there. `chance` gives, for a signal, its excess in cases without a signal. Raises ValueError as
    `find_onset` does, and if a name is on both sides.
    """
    shared = sorted(set(universal) & set(cultural))
    if shared:
        raise ValueError(f"a signal is either universal or cultural, but both sides have {shared}")
    n_draws, seed, level = resampling
    seeds = (int(s.generate_state(1)[0]) for s in np.random.SeedSequence(seed).spawn(2))
    first, second = (resample(side, n_draws, s, chance) for side, s in zip((universal, cultural), seeds, strict=True))
    signals = {**first, **second}
    numbers = layer_numbers(layers, n_layers(signals))
    a, b = (joint_onset(list(side.values()), numbers, level) for side in (first, second))
    difference = Interval(np.nan, np.nan, np.nan)
    verdict: Verdict = "no onset"
    if a.layer is not None and b.layer is not None:
        draws = joint_draws(list(second.values())) - joint_draws(list(first.values()))
        lo, hi = row_interval(draws, fewest_clusters(list(signals.values())), level)
        difference = Interval(b.layer - a.layer, lo, hi)
        verdict = "no separation" if lo <= 0 <= hi else "separate"
    return Separation(
        a,
        b,
        difference,
        verdict,
        {name: joint_onset([signal], numbers, level) for name, signal in signals.items()},
        pd.concat([_rows(name, signal, numbers, level) for name, signal in signals.items()], ignore_index=True),
    )


def a_priori_layers(
    answer: Float[np.ndarray, " layer"],
    selectivity: Float[np.ndarray, " layer"],
    cosine: Float[np.ndarray, " layer"],
) -> APrioriLayers:
    """Choose the layers to steer from probes alone, by our own rule. Row l is block l, and the last block is left out.

    layer_en = argmax of the accuracy of the answer probe trained in English and tested in x; layer_loc = argmax of
    (cued-culture selectivity on implicit prompts) x (1 - cosine(EN, LOC)^2). The first of equal layers is taken. Raises
    ValueError for unequal lengths, a single block, or a value that is not finite.
    """
    rows = {"answer": answer, "selectivity": selectivity, "cosine": cosine}
    values = {name: np.asarray(row, dtype=np.float64) for name, row in rows.items()}
    shapes = {name: row.shape for name, row in values.items()}
    if len(set(shapes.values())) > 1 or values["answer"].ndim != 1 or len(values["answer"]) < 2:
        raise ValueError(
            f"answer, selectivity and cosine must have one value for each of 2 or more blocks, got {shapes}"
        )
    for name, row in values.items():
        if not np.isfinite(row).all():
            block = int(np.argmin(np.isfinite(row)))
            raise ValueError(f"{name} must be finite, got {row[block]} at block {block}")
    score = (values["selectivity"] * (1.0 - values["cosine"] ** 2))[:-1]
    layer_loc = int(score.argmax()) if (values["selectivity"][:-1] > 0).any() else None
    return APrioriLayers(int(values["answer"][:-1].argmax()), layer_loc)


def intersection_layer(vectors: Float[np.ndarray, "layer language d_model"]) -> IntersectionLayer:
    """Baseline: argmin |f - (1 - f)|, f the largest eigenvalue's share of the languages' correlation matrix.

    Row l is block l; the last block is left out, and the first of equals is taken. `vectors` holds a vector per
    language: its mean residual, or (the authors' code) its difference-of-means vector. Correlations are Pearson's, over
    d_model. Raises ValueError for a single block or language, NaN or infinity, or a constant vector.
    Source: Al Ghussin et al. 2026, arXiv 2605.23036.
    """
    stack = layer_stack(vectors, "vectors").astype(np.float64)
    if stack.shape[0] < 2 or stack.shape[1] < 2:
        raise ValueError(f"vectors must have at least 2 blocks and 2 languages, got shape {stack.shape}")
    flat = np.argwhere(np.ptp(stack, axis=2) == 0)
    if len(flat):
        block, language = flat[0].tolist()
        raise ValueError(f"vectors is constant at block {block}, language {language}, so it correlates with nothing")
    share = np.array([np.linalg.eigvalsh(np.corrcoef(layer))[-1] / stack.shape[1] for layer in stack])
    return IntersectionLayer(int(np.abs(2.0 * share[:-1] - 1.0).argmin()), share)


def _rows(name: str, signal: Resampled, layers: Sequence[int], level: float) -> pd.DataFrame:
    band = signal.band(level)
    return pd.DataFrame(
        {
            "signal": name,
            "layer": layers,
            "excess": band.estimate,
            "lo": band.lo,
            "hi": band.hi,
            "exceeds": band.lo > 0,
        }
    )
