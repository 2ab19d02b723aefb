"""Probes, controls, alignment measures and cluster intervals on arrays and labels alone: no model needed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from probes.alignment import alignment_layers, centre, cosine, cosine_margin, debiased_cka, retrieval_top1
    from probes.controls import control_labels, random_directions, shuffled_labels
    from probes.cultures import CultureReading, wrong_assignments, wrong_pairs
    from probes.folds import Fold, group_folds
    from probes.intervals import (
        ClusterSums,
        Interval,
        Intervals,
        cluster_sums,
        cluster_weights,
        holm,
        joint_intervals,
        mean_interval,
        mean_intervals,
        paired_interval,
        percentile_interval,
        ratio_draws,
        sign_flip_test,
    )
    from probes.layers import Baseline, ProbeResult, probe_layers
    from probes.linear import LinearProbe
    from probes.onsets import Onset, find_onset, simultaneous_band, step_onset
    from probes.options import OptionReading, Options, read_options
    from probes.planted import Planted, PlantedTask, plant_residuals
    from probes.recovery import locate_planted, recovery_curve, recovery_runs
    from probes.separation import (
        APrioriLayers,
        IntersectionLayer,
        Separation,
        a_priori_layers,
        find_separation,
        intersection_layer,
    )
    from probes.signals import Chance, Sample, Signal
    from probes.subspace import angle_layers, direction_layers

__all__ = [
    "APrioriLayers",
    "Baseline",
    "Chance",
    "ClusterSums",
    "CultureReading",
    "Fold",
    "IntersectionLayer",
    "Interval",
    "Intervals",
    "LinearProbe",
    "Onset",
    "OptionReading",
    "Options",
    "Planted",
    "PlantedTask",
    "ProbeResult",
    "Sample",
    "Separation",
    "Signal",
    "a_priori_layers",
    "alignment_layers",
    "angle_layers",
    "centre",
    "cluster_sums",
    "cluster_weights",
    "control_labels",
    "cosine",
    "cosine_margin",
    "debiased_cka",
    "direction_layers",
    "find_onset",
    "find_separation",
    "group_folds",
    "holm",
    "intersection_layer",
    "joint_intervals",
    "locate_planted",
    "mean_interval",
    "mean_intervals",
    "paired_interval",
    "percentile_interval",
    "plant_residuals",
    "probe_layers",
    "random_directions",
    "ratio_draws",
    "read_options",
    "recovery_curve",
    "recovery_runs",
    "retrieval_top1",
    "shuffled_labels",
    "sign_flip_test",
    "simultaneous_band",
    "step_onset",
    "wrong_assignments",
    "wrong_pairs",
]

_MODULES = {
    "alignment": ("alignment_layers", "centre", "cosine", "cosine_margin", "debiased_cka", "retrieval_top1"),
    "controls": ("control_labels", "random_directions", "shuffled_labels"),
    "cultures": ("CultureReading", "wrong_assignments", "wrong_pairs"),
    "folds": ("Fold", "group_folds"),
    "intervals": (
        "ClusterSums",
        "Interval",
        "Intervals",
        "cluster_sums",
        "cluster_weights",
        "holm",
        "joint_intervals",
        "mean_interval",
        "mean_intervals",
        "paired_interval",
        "percentile_interval",
        "ratio_draws",
        "sign_flip_test",
    ),
    "layers": ("Baseline", "ProbeResult", "probe_layers"),
    "linear": ("LinearProbe",),
    "onsets": ("Onset", "find_onset", "simultaneous_band", "step_onset"),
    "options": ("OptionReading", "Options", "read_options"),
    "planted": ("Planted", "PlantedTask", "plant_residuals"),
    "recovery": ("locate_planted", "recovery_curve", "recovery_runs"),
    "separation": (
        "APrioriLayers",
        "IntersectionLayer",
        "Separation",
        "a_priori_layers",
        "find_separation",
        "intersection_layer",
    ),
    "signals": ("Chance", "Sample", "Signal"),
    "subspace": ("angle_layers", "direction_layers"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
