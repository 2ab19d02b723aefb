from ._alignment import alignment_layers, centre, cosine, cosine_margin, debiased_cka, retrieval_top1
from ._controls import control_labels, random_directions, shuffled_labels
from ._cultures import CultureReading, wrong_assignments, wrong_pairs
from ._dictionary import Decomposition, decompose
from ._examples import Examples
from ._folds import Fold, group_folds
from ._intervals import (
    ClusterSums,
    Interval,
    Intervals,
    Resampling,
    cluster_interval,
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
from ._layers import ProbeResult, ProbeSettings, probe_layers
from ._linear import LinearProbe, fit_logistic
from ._onsets import Onset, find_onset, simultaneous_band, step_onset
from ._options import OptionReading, Options, read_options
from ._planted import Planted, PlantedTask, ResidualNoise, plant_residuals
from ._separation import (
    APrioriLayers,
    IntersectionLayer,
    Separation,
    a_priori_layers,
    find_separation,
    intersection_layer,
)
from ._shifts import Frame, Measured, columns, mean, measure
from ._signals import Chance, Sample, Signal, resample
from ._student import expanded_level
from ._subspace import angle_layers, direction_layers
from .recovery import locate_planted, recovery_curve, recovery_runs

__all__ = [
    "APrioriLayers",
    "Chance",
    "ClusterSums",
    "CultureReading",
    "Decomposition",
    "Examples",
    "Fold",
    "Frame",
    "IntersectionLayer",
    "Interval",
    "Intervals",
    "LinearProbe",
    "Measured",
    "Onset",
    "OptionReading",
    "Options",
    "Planted",
    "PlantedTask",
    "ProbeResult",
    "ProbeSettings",
    "Resampling",
    "ResidualNoise",
    "Sample",
    "Separation",
    "Signal",
    "a_priori_layers",
    "alignment_layers",
    "angle_layers",
    "centre",
    "cluster_interval",
    "cluster_sums",
    "cluster_weights",
    "columns",
    "control_labels",
    "cosine",
    "cosine_margin",
    "debiased_cka",
    "decompose",
    "direction_layers",
    "expanded_level",
    "find_onset",
    "find_separation",
    "fit_logistic",
    "group_folds",
    "holm",
    "intersection_layer",
    "joint_intervals",
    "locate_planted",
    "mean",
    "mean_interval",
    "mean_intervals",
    "measure",
    "paired_interval",
    "percentile_interval",
    "plant_residuals",
    "probe_layers",
    "random_directions",
    "ratio_draws",
    "read_options",
    "recovery_curve",
    "recovery_runs",
    "resample",
    "retrieval_top1",
    "shuffled_labels",
    "sign_flip_test",
    "simultaneous_band",
    "step_onset",
    "wrong_assignments",
    "wrong_pairs",
]
