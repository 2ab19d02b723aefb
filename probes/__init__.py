"""Probes, controls, alignment measures and cluster intervals on arrays and labels alone: no model needed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from probes.alignment import alignment_layers, centre, cosine, cosine_margin, debiased_cka, retrieval_top1
    from probes.controls import control_labels, random_directions, shuffled_labels
    from probes.folds import Fold, group_folds
    from probes.intervals import (
        ClusterSums,
        Interval,
        Intervals,
        cluster_sums,
        cluster_weights,
        holm,
        mean_interval,
        mean_intervals,
        paired_interval,
        percentile_interval,
        ratio_draws,
        sign_flip_test,
    )
    from probes.layers import ProbeResult, probe_layers
    from probes.linear import LinearProbe

__all__ = [
    "ClusterSums",
    "Fold",
    "Interval",
    "Intervals",
    "LinearProbe",
    "ProbeResult",
    "alignment_layers",
    "centre",
    "cluster_sums",
    "cluster_weights",
    "control_labels",
    "cosine",
    "cosine_margin",
    "debiased_cka",
    "group_folds",
    "holm",
    "mean_interval",
    "mean_intervals",
    "paired_interval",
    "percentile_interval",
    "probe_layers",
    "random_directions",
    "ratio_draws",
    "retrieval_top1",
    "shuffled_labels",
    "sign_flip_test",
]

_MODULES = {
    "alignment": ("alignment_layers", "centre", "cosine", "cosine_margin", "debiased_cka", "retrieval_top1"),
    "controls": ("control_labels", "random_directions", "shuffled_labels"),
    "folds": ("Fold", "group_folds"),
    "intervals": (
        "ClusterSums",
        "Interval",
        "Intervals",
        "cluster_sums",
        "cluster_weights",
        "holm",
        "mean_interval",
        "mean_intervals",
        "paired_interval",
        "percentile_interval",
        "ratio_draws",
        "sign_flip_test",
    ),
    "layers": ("ProbeResult", "probe_layers"),
    "linear": ("LinearProbe",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
