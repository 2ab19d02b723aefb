"""Probes of all layers with their controls: what can be read where, and how much of it the probe itself learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped
from numpy.random import SeedSequence

from probes._alignment import layer_names
from probes._codelength import FRACTIONS, code_blocks, online_bits
from probes._controls import control_labels, shuffled_labels
from probes._examples import Examples, Ordered, ordered
from probes._folds import Fold, canonical_folds
from probes._intervals import Resampling
from probes._linear import (
    check_solver,
    check_variation,
    class_probabilities,
    fit_logistic,
    over_layers,
    standardised,
    varies,
)
from probes._measures import ProbeFits, measure_table


@dataclass(frozen=True)
class ProbeSettings:
    """Settings for fitting probes of every layer and drawing their controls.

    C: inverse of the L2 penalty. max_iter: bound on the solver's iterations. n_shuffles: draws of each control, at
    least 1. fractions: where the blocks of the online code end, as shares of the training examples, rising to 1.
    n_jobs: threads, each of which holds one layer in memory (-1: one per core).
    """

    C: float = 1.0
    max_iter: int = 2000
    n_shuffles: int = 5
    fractions: Sequence[float] = FRACTIONS
    n_jobs: int = -1


@dataclass(frozen=True)
class ProbeResult:
    """Result of `probe_layers`: the table, and per-example values in the order of the examples.

    table: one row per layer. classes: sorted. probability: of each class. correct: 1 where the most probable class
    is the true one. shuffled_correct, control_correct: the same after training on shuffled labels, and for the control
    task (None without types), each as the mean over draws. baseline_predicted: index of the class predicted for each
    baseline example (None without them). bits: cost of each training label in the online code.
    """

    table: pd.DataFrame
    classes: Shaped[np.ndarray, " class"]
    probability: Float[np.ndarray, "layer test class"]
    correct: Float[np.ndarray, "layer test"]
    shuffled_correct: Float[np.ndarray, "layer test"]
    control_correct: Float[np.ndarray, "layer test"] | None
    baseline_predicted: Int[np.ndarray, "layer baseline"] | None
    bits: Float[np.ndarray, "layer train"]


_Labellings = list[tuple[Int[np.ndarray, " train"], Int[np.ndarray, " test"]]]
"""Codes to train and to test probes on: the labels themselves, then shuffles, then control tasks."""


def probe_layers(
    train: Examples,
    test: Examples,
    *,
    baseline: Examples | None = None,
    folds: Sequence[Fold] | None = None,
    layers: Sequence[object] | None = None,
    settings: ProbeSettings = ProbeSettings(),
    resampling: Resampling = Resampling(),
) -> ProbeResult:
    """Fit and test a linear probe at every layer, with both controls. Row 0 must be the embedding output.

    With `folds` (see `group_folds`) each test example is scored by its fold's probe. `baseline`: examples that hold no
    label, such as prompts about facts for a probe of cultures. `layers` names the rows of the table (default: 0, 1,
    ...).
    Columns, those marked * with _lo and _hi from a bootstrap over the clusters of `test`:

    - layer, accuracy*, balanced_accuracy*, auc* (NaN if auc_note says why), brier* (see `probes.scores`)
    - shuffled*, control_task*: accuracy after training on shuffled labels, and on labels that are random but fixed per
      type (Hewitt & Liang 2019; NaN without types), as the mean of `n_shuffles` draws; shuffled_q95, control_task_q95
      are their upper quantiles
    - baseline*: how often the probe gives the `baseline` examples their label `y` (NaN without them)
    - selectivity*, control_selectivity*: accuracy minus shuffled, and minus control_task; gain*: accuracy minus that of
      row 0; all paired by example. Labels are shuffled within the groups of `train`, so that a probe that knows only
      the group of an example does no better than its control. With a baseline, selectivity is accuracy minus baseline
      instead, and the baseline's clusters are drawn independently
    - beats_control: the lower bound of selectivity, and of control_selectivity where types are given, is above 0
    - bits*, compression*: bits per training label in the online code with blocks that end at `fractions`, and
      log2(n_classes) over them (Voita & Titov 2020); shuffled_compression*: of shuffled labels. Blocks and bootstrap
      keep the clusters of `train` whole
    - n_train (of the smallest fold), n_test, n_classes, n_folds, chance (accuracy of the most frequent training class)

    Raises ValueError as `LinearProbe.fit` does, and for a test label unseen in training, test or baseline examples
    without clusters, types of train or test alone, fewer training types than classes, folds that don't hold each test
    example once, a baseline with folds or with other labels, or `n_shuffles` below 1.
    """
    n_shuffles, C, max_iter = settings.n_shuffles, settings.C, settings.max_iter
    if n_shuffles < 1:
        raise ValueError(f"n_shuffles must be at least 1, got {n_shuffles}")
    if (train.types is None) != (test.types is None):
        raise ValueError("give the types of both train and test, or of neither")
    if baseline is not None and folds is not None:
        raise ValueError("a baseline needs one probe for all examples; leave out folds or baseline")
    check_solver(C, max_iter)
    training = ordered(train, "train")
    testing = ordered(test, "test", training)
    names = layer_names(layers, training.reader.shape[0])
    base = None if baseline is None else ordered(baseline, "the baseline", training)
    *label_seeds, block_seed = SeedSequence(resampling.seed).spawn(2 * n_shuffles + 1)
    parts = canonical_folds(folds, training.order, testing.order)
    # Every fold draws anew, from seeds that its number is added to.
    labellings = [
        _labellings(
            training, testing, part, [SeedSequence(s.entropy, spawn_key=(*s.spawn_key, i)) for s in label_seeds]
        )
        for i, part in enumerate(parts)
    ]
    blocks = code_blocks(training.clusters, settings.fractions, block_seed)
    coded = [training.codes, shuffled_labels(training.codes, label_seeds[0], training.groups)]
    n_test, n_classes = len(testing.order), len(training.classes)

    def probe(row: int) -> tuple[bool, ProbeFits]:
        x, x_test = training.load(row), testing.load(row)
        probability = np.zeros((n_test, n_classes))
        correct = np.zeros((len(labellings[0]), n_test))
        predicted = np.zeros(0, dtype=np.int64)
        for part, codes in zip(parts, labellings, strict=True):
            others = [] if base is None else [base.load(row)]
            z, z_test, *z_base = standardised(x[part.train], x_test[part.test], *others)
            for k, (labels, truth) in enumerate(codes):
                model = fit_logistic(z, labels, C, max_iter)
                shares = class_probabilities(model, z_test, n_classes)
                correct[k, part.test] = shares.argmax(axis=1) == truth
                if k == 0:
                    probability[part.test] = shares
                    for features in z_base:
                        predicted = class_probabilities(model, features, n_classes).argmax(axis=1)
        varied = varies(x)  # before `x` is standardised in place
        (z,) = standardised(x)
        bits = np.stack([online_bits(z, labels, blocks, n_classes, C, max_iter) for labels in coded])
        shuffled, control = correct[1 : n_shuffles + 1], correct[n_shuffles + 1 :]
        return varied, ProbeFits(probability, correct[0], shuffled, control, predicted, bits)

    varied, by_layer = zip(*over_layers(probe, training.reader, settings.n_jobs), strict=True)
    check_variation(varied, training.reader.name)
    fits = ProbeFits.stacked(by_layer)
    table = measure_table(fits, training, testing, base, resampling)
    table.insert(0, "layer", names)
    return ProbeResult(
        table=table.assign(
            n_train=min(len(part.train) for part in parts),
            n_test=n_test,
            n_classes=n_classes,
            n_folds=len(parts),
            chance=_chance(labellings, n_test),
        ),
        classes=training.classes,
        probability=testing.as_given(fits.probability),
        correct=testing.as_given(fits.correct),
        shuffled_correct=testing.as_given(fits.shuffled.mean(axis=1)),
        control_correct=None if training.types is None else testing.as_given(fits.control.mean(axis=1)),
        baseline_predicted=None if base is None else base.as_given(fits.baseline_predicted),
        bits=training.as_given(fits.bits[:, 0]),
    )


def _labellings(train: Ordered, test: Ordered, fold: Fold, seeds: Sequence[SeedSequence]) -> _Labellings:
    """The labellings of one fold: the first half of `seeds` draws shuffles, the second control tasks."""
    labels, truth = train.codes[fold.train], test.codes[fold.test]
    if len(np.setdiff1d(truth, labels)) or len(np.unique(labels)) < 2:
        trained, tested = (train.classes[np.unique(codes)].tolist()[:5] for codes in (labels, truth))
        raise ValueError(
            f"a fold trains on the classes {trained} and tests on {tested}: it needs two classes in training, and "
            "among them those of test; use fewer folds or other groups"
        )
    half = len(seeds) // 2
    groups = None if train.groups is None else train.groups[fold.train]
    labellings = [(labels, truth), *((shuffled_labels(labels, s, groups), truth) for s in seeds[:half])]
    if train.types is not None and test.types is not None:
        types = train.types[fold.train], test.types[fold.test]
        labellings += [control_labels(labels, *types, s) for s in seeds[half:]]
    return labellings


def _chance(codes: Sequence[_Labellings], n_test: int) -> float:
    """Accuracy of answering with the most frequent training class of the fold; ties share."""
    right = 0.0
    for (labels, truth), *_ in codes:
        counts = np.bincount(labels)
        most_frequent = np.flatnonzero(counts == counts.max())
        right += float(np.isin(truth, most_frequent).sum() / len(most_frequent))
    return right / n_test
