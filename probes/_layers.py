"""Probes of all layers with their controls: what can be read where, and how much of it the probe itself learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped

from probes._activations import Activations, LayerReader, as_numpy
from probes._alignment import layer_names
from probes._codelength import FRACTIONS, code_blocks, online_bits
from probes._controls import canonical_order, control_labels, shuffled_labels
from probes._folds import Fold
from probes._intervals import Intervals, checked_labels, difference_intervals, mean_intervals
from probes._linear import (
    check_solver,
    check_variation,
    checked_classes,
    class_probabilities,
    fit_logistic,
    over_layers,
    standardised,
    varies,
)
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
class ProbeResult:
    """What `probe_layers` found: the table, and per example what its numbers are made of, in the order given.

    table: one row per layer. classes: sorted. probability: of each class. correct: 1 where the most probable class
    is the true one. shuffled_correct, control_correct: the same after training on shuffled labels, and for the control
    task (None without types), each the mean over its draws. baseline_predicted: the number of the class that each
    baseline example is given (None without them). bits: cost of each training label in the online code.
    """

    table: pd.DataFrame
    classes: Shaped[np.ndarray, " class"]
    probability: Float[np.ndarray, "layer test class"]
    correct: Float[np.ndarray, "layer test"]
    shuffled_correct: Float[np.ndarray, "layer test"]
    control_correct: Float[np.ndarray, "layer test"] | None
    baseline_predicted: Int[np.ndarray, "layer baseline"] | None
    bits: Float[np.ndarray, "layer train"]


@dataclass(frozen=True)
class Baseline:
    """Examples that can't hold the label, [layer, example, d_model], the label each is asked for, and its cluster."""

    X: Activations
    y: Shaped[np.ndarray, " example"]
    clusters: Shaped[np.ndarray, " example"]


@dataclass(frozen=True)
class _Examples:
    """Labels of training and test in canonical order, and that order: no draw and no rounding may depend on another."""

    order_train: Int[np.ndarray, " train"]
    order_test: Int[np.ndarray, " test"]
    classes: Shaped[np.ndarray, " class"]
    codes_train: Int[np.ndarray, " train"]
    codes_test: Int[np.ndarray, " test"]
    clusters_train: Shaped[np.ndarray, " train"]
    clusters_test: Shaped[np.ndarray, " test"]
    types: tuple[Shaped[np.ndarray, " train"], Shaped[np.ndarray, " test"]] | None
    groups_train: Shaped[np.ndarray, " train"] | None


@dataclass(frozen=True)
class _Task:
    """A fold with the labellings to probe, as (training, test) codes: labels, then shuffles, then control tasks."""

    fold: Fold
    labellings: list[tuple[Int[np.ndarray, " k"], Int[np.ndarray, " m"]]]


@dataclass(frozen=True)
class _Fit:
    """One layer's probes: probabilities of classes, hits of each labelling, bits of the labels and of a shuffle."""

    varied: bool
    probability: Float[np.ndarray, "test class"]
    correct: Float[np.ndarray, "labelling test"]
    predicted: Int[np.ndarray, " baseline"]
    bits: Float[np.ndarray, "2 train"]


def probe_layers(
    X_train: Activations,
    y_train: Shaped[np.ndarray, " train"],
    X_test: Activations,
    y_test: Shaped[np.ndarray, " test"],
    *,
    clusters_test: Shaped[np.ndarray, " test"],
    clusters_train: Shaped[np.ndarray, " train"] | None = None,
    types_train: Shaped[np.ndarray, " train"] | None = None,
    types_test: Shaped[np.ndarray, " test"] | None = None,
    groups_train: Shaped[np.ndarray, " train"] | None = None,
    baseline: Baseline | None = None,
    folds: Sequence[Fold] | None = None,
    fractions: Sequence[float] = FRACTIONS,
    layers: Sequence[object] | None = None,
    n_shuffles: int = 5,
    n_draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    C: float = 1.0,
    max_iter: int = 2000,
    n_jobs: int = -1,
) -> ProbeResult:
    """Linear probes of every layer with both controls; row 0 must be the embedding output.

    `X_train` and `X_test` are [layer, example, d_model] or sequences of layers, memory-mapped or not, of which each of
    `n_jobs` threads holds one. With `folds` (see `group_folds`) each test example is scored by its fold's probe.
    Columns of the table, those marked * with _lo and _hi from a bootstrap over `clusters_test`:

    - layer, accuracy*, balanced_accuracy*, auc* (NaN where auc_note says why), brier* (see `probes.scores`)
    - shuffled*, control_task*: accuracy when trained on shuffled labels, and on labels that are random but fixed per
      type (Hewitt & Liang 2019; NaN without types): mean of `n_shuffles` draws, and their upper quantile
      shuffled_q95, control_task_q95
    - baseline*: how often the `baseline` examples are given the label that they are asked for (NaN without them)
    - selectivity*, control_selectivity*: accuracy minus shuffled, and minus control_task; gain*: accuracy minus that of
      row 0; all paired by example. Labels are shuffled within `groups_train`, so that a probe which knows an example's
      group alone does no better than its control. Where a baseline is given, selectivity is accuracy minus baseline
      instead, and the baseline's clusters are drawn independently
    - beats_control: the lower bound of selectivity, and of control_selectivity where types are given, is above 0
    - bits*, compression*: bits per training label in the online code with blocks that end at `fractions`, and
      log2(n_classes) over them (Voita & Titov 2020); shuffled_compression*: of shuffled labels. Blocks and bootstrap
      keep `clusters_train` whole, each example its own cluster if not given
    - n_train (of the smallest fold), n_test, n_classes, n_folds, chance (accuracy of the most frequent training class)

    Raises ValueError as `LinearProbe.fit` does, and for a test label unseen in training, one kind of types without
    the other, fewer training types than classes, folds that don't hold each test example once, a baseline with folds or
    with other labels, or `n_shuffles` below 1.
    """
    if n_shuffles < 1:
        raise ValueError(f"n_shuffles must be at least 1, got {n_shuffles}")
    if (types_train is None) != (types_test is None):
        raise ValueError("give both types_train and types_test, or neither")
    if baseline is not None and folds is not None:
        raise ValueError("a baseline needs one probe for all examples; leave out folds or baseline")
    check_solver(C, max_iter)
    train, test = LayerReader(X_train, "X_train"), LayerReader(X_test, "X_test")
    if (train.shape[0], train.shape[2]) != (test.shape[0], test.shape[2]):
        raise ValueError(
            f"X_train and X_test must have equal layers and widths, got shapes {train.shape} and {test.shape}"
        )
    names = layer_names(layers, train.shape[0])
    examples = _canonical(
        train, test, y_train, y_test, clusters_train, clusters_test, types_train, types_test, groups_train
    )
    held_out = _held_out(baseline, examples.classes, train)
    *label_seeds, block_seed = np.random.SeedSequence(seed).spawn(2 * n_shuffles + 1)
    tasks = _tasks(examples, folds, label_seeds)
    blocks = code_blocks(examples.clusters_train, fractions, block_seed)
    coded = [examples.codes_train, shuffled_labels(examples.codes_train, label_seeds[0], examples.groups_train)]
    n_test, n_classes = len(examples.order_test), len(examples.classes)

    def probe(row: int) -> _Fit:
        x, held = train.load(row, examples.order_train), test.load(row, examples.order_test)
        probability = np.zeros((n_test, n_classes))
        correct = np.zeros((len(tasks[0].labellings), n_test))
        predicted = np.zeros(0, dtype=np.int64)
        for task in tasks:
            others = [] if held_out is None else [held_out.reader.load(row, held_out.order)]
            z, z_held, *z_base = standardised(x[task.fold.train], held[task.fold.test], *others)
            for k, (known, truth) in enumerate(task.labellings):
                model = fit_logistic(z, known, C, max_iter)
                found = class_probabilities(model, z_held, n_classes)
                correct[k, task.fold.test] = found.argmax(axis=1) == truth
                if k == 0:
                    probability[task.fold.test] = found
                    for base in z_base:
                        predicted = class_probabilities(model, base, n_classes).argmax(axis=1)
        varied = varies(x)
        (z,) = standardised(x)
        bits = np.stack([online_bits(z, codes, blocks, n_classes, C, max_iter) for codes in coded])
        return _Fit(varied, probability, correct, predicted, bits)

    fits = over_layers(probe, train, n_jobs)
    check_variation([fit.varied for fit in fits], "X_train")
    correct = np.stack([fit.correct for fit in fits])
    right, shuffled, control = correct[:, 0], correct[:, 1 : n_shuffles + 1], correct[:, n_shuffles + 1 :]
    result = ProbeResult(
        table=pd.DataFrame(),
        classes=examples.classes,
        probability=np.stack([fit.probability for fit in fits]),
        correct=right,
        shuffled_correct=shuffled.mean(axis=1),
        control_correct=None if examples.types is None else control.mean(axis=1),
        baseline_predicted=None if held_out is None else np.stack([fit.predicted for fit in fits]),
        bits=np.stack([fit.bits[0] for fit in fits]),
    )
    found, note = _estimates(
        result, examples, np.stack([fit.bits[1] for fit in fits]), held_out, (n_draws, seed, level)
    )
    against = ["selectivity", *([] if examples.types is None else ["control_selectivity"])]
    columns: dict[str, object] = {"layer": names}
    for name in MEASURES:
        columns |= {name: found[name].estimate, f"{name}_lo": found[name].lo, f"{name}_hi": found[name].hi}
    columns |= {
        "auc_note": note,
        "shuffled_q95": _upper(shuffled),
        "control_task_q95": np.nan if examples.types is None else _upper(control),
        "beats_control": np.logical_and.reduce([found[name].lo > _ROUNDING for name in against]),
        "n_train": min(len(task.fold.train) for task in tasks),
        "n_test": n_test,
        "n_classes": n_classes,
        "n_folds": len(tasks),
        "chance": _chance(tasks, n_test),
    }
    return _in_order_given(replace(result, table=pd.DataFrame(columns)), examples, held_out)


def _canonical(
    train: LayerReader,
    test: LayerReader,
    y_train: Shaped[np.ndarray, " train"],
    y_test: Shaped[np.ndarray, " test"],
    clusters_train: Shaped[np.ndarray, " train"] | None,
    clusters_test: Shaped[np.ndarray, " test"],
    types_train: Shaped[np.ndarray, " train"] | None,
    types_test: Shaped[np.ndarray, " test"] | None,
    groups_train: Shaped[np.ndarray, " train"] | None,
) -> _Examples:
    last, n_train, n_test = train.shape[0] - 1, train.shape[1], test.shape[1]
    classes, codes_train = checked_classes(y_train, n_train, "y_train")
    codes_test = _known_codes(checked_labels(y_test, n_test, "y_test"), classes)
    owners = checked_labels(clusters_test, n_test, "clusters_test")
    keys_train, keys_test = [codes_train], [codes_test, owners]
    if types_train is not None and types_test is not None:
        keys_train.append(checked_labels(types_train, n_train, "types_train"))
        keys_test.append(checked_labels(types_test, n_test, "types_test"))
    if clusters_train is not None:
        keys_train.append(checked_labels(clusters_train, n_train, "clusters_train"))
    groups = None if groups_train is None else checked_labels(groups_train, n_train, "groups_train")
    if groups is not None:
        keys_train.append(groups)
    order_train = canonical_order(as_numpy(train.load(last)), *keys_train)
    order_test = canonical_order(as_numpy(test.load(last)), *keys_test)
    return _Examples(
        order_train=order_train,
        order_test=order_test,
        classes=classes,
        codes_train=codes_train[order_train],
        codes_test=codes_test[order_test],
        clusters_train=np.arange(n_train) if clusters_train is None else np.asarray(clusters_train)[order_train],
        clusters_test=owners[order_test],
        types=None if types_train is None else (keys_train[1][order_train], keys_test[2][order_test]),
        groups_train=None if groups is None else groups[order_train],
    )


@dataclass(frozen=True)
class _HeldOut:
    """The baseline's examples in canonical order."""

    reader: LayerReader
    order: Int[np.ndarray, " baseline"]
    codes: Int[np.ndarray, " baseline"]
    clusters: Shaped[np.ndarray, " baseline"]


def _held_out(baseline: Baseline | None, classes: Shaped[np.ndarray, " class"], train: LayerReader) -> _HeldOut | None:
    if baseline is None:
        return None
    reader = LayerReader(baseline.X, "the baseline")
    if (train.shape[0], train.shape[2]) != (reader.shape[0], reader.shape[2]):
        raise ValueError(
            f"X_train and the baseline must have equal layers and widths, got shapes {train.shape} and {reader.shape}"
        )
    n = reader.shape[1]
    codes = _known_codes(checked_labels(baseline.y, n, "y of the baseline"), classes)
    clusters = checked_labels(baseline.clusters, n, "clusters of the baseline")
    order = canonical_order(as_numpy(reader.load(reader.shape[0] - 1)), codes, clusters)
    return _HeldOut(reader, order, codes[order], clusters[order])


def _known_codes(y: Shaped[np.ndarray, " n"], classes: Shaped[np.ndarray, " class"]) -> Int[np.ndarray, " n"]:
    number = {label: i for i, label in enumerate(classes.tolist())}
    unseen = sorted(set(y.tolist()) - set(number))
    if unseen:
        raise ValueError(
            f"y_test has labels that training never saw, so no probe can be right: {unseen[:5]}; leave them out"
        )
    return np.array([number[label] for label in y.tolist()])


def _tasks(examples: _Examples, folds: Sequence[Fold] | None, seeds: Sequence[np.random.SeedSequence]) -> list[_Task]:
    """The folds with their labellings: half of `seeds` draw shuffles, the rest control tasks, anew in each fold."""
    half = len(seeds) // 2
    tasks = []
    for number, fold in enumerate(_canonical_folds(folds, examples.order_train, examples.order_test)):
        known, truth = examples.codes_train[fold.train], examples.codes_test[fold.test]
        if len(np.setdiff1d(truth, known)) or len(np.unique(known)) < 2:
            kept, asked = (examples.classes[np.unique(codes)].tolist()[:5] for codes in (known, truth))
            raise ValueError(
                f"a fold trains on the classes {kept} and tests on {asked}: it needs two classes in training, and "
                "among them those of test; use fewer folds or other groups"
            )
        drawn = [np.random.SeedSequence(s.entropy, spawn_key=(*s.spawn_key, number)) for s in seeds]
        groups = None if examples.groups_train is None else examples.groups_train[fold.train]
        labellings = [(known, truth), *((shuffled_labels(known, s, groups), truth) for s in drawn[:half])]
        if examples.types is not None:
            kinds = examples.types[0][fold.train], examples.types[1][fold.test]
            labellings += [control_labels(known, *kinds, s) for s in drawn[half:]]
        tasks.append(_Task(fold, labellings))
    return tasks


def _canonical_folds(
    folds: Sequence[Fold] | None, order_train: Int[np.ndarray, " train"], order_test: Int[np.ndarray, " test"]
) -> list[Fold]:
    """The folds with rows in canonical order, sorted by their first test example; ValueError for folds that aren't."""
    if folds is None:
        return [Fold(np.arange(len(order_train)), np.arange(len(order_test)))]
    where_train, where_test = np.argsort(order_train), np.argsort(order_test)
    times = np.zeros(len(order_test), dtype=np.int64)
    moved = []
    for i, fold in enumerate(folds):
        for rows, where, name in ((fold.train, where_train, "training"), (fold.test, where_test, "test")):
            held = np.asarray(rows)
            if held.size == 0 or held.dtype.kind not in "iu" or held.min() < 0 or held.max() >= len(where):
                raise ValueError(
                    f"folds[{i}] must hold rows of the {len(where)} {name} examples, got {held[:5].tolist()}"
                )
        np.add.at(times, fold.test, 1)
        moved.append(Fold(np.unique(where_train[fold.train]), np.unique(where_test[fold.test])))
    if (times != 1).any():
        row = int(np.argmax(times != 1))
        raise ValueError(f"folds must hold each test example once, but example {row} is in {times[row]} of them")
    return sorted(moved, key=lambda fold: int(fold.test[0]))


def _estimates(
    result: ProbeResult,
    examples: _Examples,
    shuffled_bits: Float[np.ndarray, "layer train"],
    held_out: _HeldOut | None,
    resampling: tuple[int, int, float],
) -> tuple[dict[str, Intervals], str]:
    """Each measure of the table with its bounds, and why the AUC is missing."""
    right = result.correct
    control = np.full_like(right, np.nan) if result.control_correct is None else result.control_correct
    means = {
        "accuracy": right,
        "brier": brier_scores(result.probability, examples.codes_test),
        "shuffled": result.shuffled_correct,
        "control_task": control,
        "selectivity": right - result.shuffled_correct,
        "control_selectivity": right - control,
        "gain": right - right[0],
        "baseline": np.full_like(right, np.nan),
    }
    stacked = mean_intervals(np.stack([m.T for m in means.values()], axis=1), examples.clusters_test, *resampling)
    found = {n: Intervals(stacked.estimate[i], stacked.lo[i], stacked.hi[i]) for i, n in enumerate(means)}
    if held_out is not None and result.baseline_predicted is not None:
        base = (result.baseline_predicted == held_out.codes).T.astype(np.float64)
        found["baseline"] = mean_intervals(base, held_out.clusters, *resampling)
        found["selectivity"] = difference_intervals(
            right.T, examples.clusters_test, base, held_out.clusters, resampling
        )
    found["balanced_accuracy"] = balanced_accuracy(right, examples.codes_test, examples.clusters_test, *resampling)
    found["auc"], note = auc(result.probability, examples.codes_test, examples.clusters_test, *resampling)
    costs = np.stack([result.bits.T, shuffled_bits.T], axis=1)
    bits = mean_intervals(costs, examples.clusters_train, *resampling)
    uniform = np.log2(len(examples.classes))
    found["bits"] = Intervals(bits.estimate[0], bits.lo[0], bits.hi[0])
    for i, name in enumerate(("compression", "shuffled_compression")):
        found[name] = Intervals(uniform / bits.estimate[i], uniform / bits.hi[i], uniform / bits.lo[i])
    return found, note


def _in_order_given(result: ProbeResult, examples: _Examples, held_out: _HeldOut | None) -> ProbeResult:
    back, back_train = np.argsort(examples.order_test), np.argsort(examples.order_train)
    return replace(
        result,
        probability=result.probability[:, back],
        correct=result.correct[:, back],
        shuffled_correct=result.shuffled_correct[:, back],
        control_correct=None if result.control_correct is None else result.control_correct[:, back],
        baseline_predicted=(
            None
            if held_out is None or result.baseline_predicted is None
            else result.baseline_predicted[:, np.argsort(held_out.order)]
        ),
        bits=result.bits[:, back_train],
    )


def _upper(correct: Float[np.ndarray, "layer draw test"]) -> Float[np.ndarray, " layer"]:
    return np.asarray(np.quantile(correct.mean(axis=2), UPPER, axis=1, method="inverted_cdf"))


def _chance(tasks: Sequence[_Task], n_test: int) -> float:
    """Accuracy of answering with the most frequent training class of the fold; ties share."""
    right = 0.0
    for task in tasks:
        known, truth = task.labellings[0]
        counts = np.bincount(known)
        right += float(np.isin(truth, np.flatnonzero(counts == counts.max())).sum() / (counts == counts.max()).sum())
    return right / n_test
