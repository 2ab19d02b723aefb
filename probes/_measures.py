"""What the table of `probe_layers` says of probes that are fitted: measures with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from probes._examples import Ordered
from probes._intervals import Intervals, Resampling, difference_intervals, mean_intervals
from probes._scores import auc, balanced_accuracy, brier_scores

MEASURES = (
    "accuracy", "balanced_accuracy", "auc", "brier", "shuffled", "control_task", "baseline", "selectivity",
    "control_selectivity", "gain", "bits", "compression", "shuffled_compression",
)  # fmt: skip
"""The columns of the table that have an interval, in its order; each with _lo and _hi."""

UPPER = 0.95
"""The quantile of a control's accuracies over its draws that the table reports; the largest of fewer than 20."""

_ROUNDING = 1e-9
"""A bound below this is 0: the mean of a few draws of 0 and 1 isn't exact."""


@dataclass(frozen=True)
class ProbeFits:
    """The probes of one layer, or of all stacked along a leading axis, on examples in canonical order.

    probability: of each class. correct: 1 where the most probable class is the true one. shuffled, control: the same
    for each draw of shuffled labels, and of control tasks. baseline_predicted: number of the class given to each
    baseline example. bits: cost of each training label in the online code, and of a shuffled one.
    """

    probability: Float[np.ndarray, "*layer test class"]
    correct: Float[np.ndarray, "*layer test"]
    shuffled: Float[np.ndarray, "*layer draw test"]
    control: Float[np.ndarray, "*layer draw test"]
    baseline_predicted: Int[np.ndarray, "*layer baseline"]
    bits: Float[np.ndarray, "*layer 2 train"]

    @classmethod
    def stacked(cls, layers: Sequence[ProbeFits]) -> ProbeFits:
        """All layers as one."""
        return cls(*(np.stack([getattr(layer, field.name) for layer in layers]) for field in fields(cls)))


def measure_table(
    fits: ProbeFits, train: Ordered, test: Ordered, baseline: Ordered | None, resampling: Resampling
) -> pd.DataFrame:
    """MEASURES of all layers with their bounds, why the AUC is missing, quantiles of controls, and beats_control."""
    measures, note = _estimates(fits, train, test, baseline, resampling)
    against = ["selectivity", *([] if train.types is None else ["control_selectivity"])]
    columns: dict[str, object] = {}
    for name in MEASURES:
        columns |= measures[name].columns(name)
    columns |= {
        "auc_note": note,
        "shuffled_q95": _upper(fits.shuffled),
        "control_task_q95": np.nan if train.types is None else _upper(fits.control),
        "beats_control": np.logical_and.reduce([measures[name].lo > _ROUNDING for name in against]),
    }
    return pd.DataFrame(columns)


def _estimates(
    fits: ProbeFits, train: Ordered, test: Ordered, baseline: Ordered | None, resampling: Resampling
) -> tuple[dict[str, Intervals], str]:
    """Each measure of the table with its bounds, and why the AUC is missing."""
    correct, shuffled = fits.correct, fits.shuffled.mean(axis=1)
    control = np.full_like(correct, np.nan) if train.types is None else fits.control.mean(axis=1)
    means = {
        "accuracy": correct,
        "brier": brier_scores(fits.probability, test.codes),
        "shuffled": shuffled,
        "control_task": control,
        "selectivity": correct - shuffled,
        "control_selectivity": correct - control,
        "gain": correct - correct[0],
        "baseline": np.full_like(correct, np.nan),
    }
    stacked = mean_intervals(np.stack([m.T for m in means.values()], axis=1), test.clusters, *resampling)
    measures = {n: Intervals(stacked.estimate[i], stacked.lo[i], stacked.hi[i]) for i, n in enumerate(means)}
    if baseline is not None:
        given = (fits.baseline_predicted == baseline.codes).T.astype(np.float64)
        measures["baseline"] = mean_intervals(given, baseline.clusters, *resampling)
        measures["selectivity"] = difference_intervals(correct.T, test.clusters, given, baseline.clusters, *resampling)
    measures["balanced_accuracy"] = balanced_accuracy(correct, test.codes, test.clusters, resampling)
    measures["auc"], note = auc(fits.probability, test.codes, test.clusters, resampling)
    bits = mean_intervals(fits.bits.transpose(2, 1, 0), train.clusters, *resampling)
    uniform = np.log2(len(train.classes))
    measures["bits"] = Intervals(bits.estimate[0], bits.lo[0], bits.hi[0])
    for i, name in enumerate(("compression", "shuffled_compression")):
        # More bits are less compression, so the bounds change places.
        measures[name] = Intervals(uniform / bits.estimate[i], uniform / bits.hi[i], uniform / bits.lo[i])
    return measures, note


def _upper(correct: Float[np.ndarray, "layer draw test"]) -> Float[np.ndarray, " layer"]:
    return np.asarray(np.quantile(correct.mean(axis=2), UPPER, axis=1, method="inverted_cdf"))
