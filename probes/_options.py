"""Which option is the right one, read from the residuals of all options of an item by one linear probe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from probes._activations import Activations, LayerReader, as_numpy
from probes._controls import canonical_order
from probes._intervals import checked_labels
from probes._linear import check_solver, check_variation, fit_logistic, over_layers, standardised, varies

_ROUNDING = 1e-6
"""Scores that differ by less than this share of the largest are equal."""


@dataclass(frozen=True)
class Options:
    """Options of items: residuals [layer, option, d_model], the item of each, and whether it is the right one."""

    stack: Activations
    items: Shaped[np.ndarray, " option"]
    right: Bool[np.ndarray, " option"]


@dataclass(frozen=True)
class OptionReading:
    """Share of the probe's choice that is right, per layer and item, with items in the order of their first option.

    It is 0 or 1, or k/n if k of n options that tie for the highest score are right. shuffled: the same for probes whose
    labels were shuffled within items, one draw after another.
    """

    items: Shaped[np.ndarray, " item"]
    correct: Float[np.ndarray, "layer item"]
    shuffled: Float[np.ndarray, "draw layer item"]


def read_options(
    fit: Options,
    held_out: Mapping[str, Options],
    *,
    n_shuffles: int = 5,
    seed: int = 0,
    C: float = 1.0,
    max_iter: int = 2000,
    n_jobs: int = -1,
) -> dict[str, OptionReading]:
    """Fit one probe per layer to tell right options of `fit` from wrong ones, and let it choose in `held_out` items.

    Residuals are centred within their item, so that only differences between its options can be read. The probe is a
    logistic regression on standardised features, as in `LinearProbe`. It chooses the item's option with the highest
    probability; if n options tie, each counts 1/n. Results do not depend on the order of an item's
    options, nor on the order or the names of fit items.

    Raises ValueError as `LinearProbe.fit` does, and for an item without exactly one right option or with a single
    option, unequal layers or widths, and `n_shuffles` below 0.
    """
    if n_shuffles < 0:
        raise ValueError(f"n_shuffles must be at least 0, got {n_shuffles}")
    check_solver(C, max_iter)
    reader = LayerReader(fit.stack, "the stack of fit")
    readers = {name: LayerReader(options.stack, f"the stack of {name}") for name, options in held_out.items()}
    for other in readers.values():
        if (other.shape[0], other.shape[2]) != (reader.shape[0], reader.shape[2]):
            raise ValueError(
                f"all stacks must have equal layers and widths, got {reader.shape} of fit and {other.shape} in "
                f"{other.name}"
            )
    known = _grouped(fit, reader.shape[1], "fit")
    asked = {name: _grouped(options, readers[name].shape[1], name) for name, options in held_out.items()}
    order = canonical_order(as_numpy(reader.load(reader.shape[0] - 1)), known.right)
    known = _Grouped(known.names, known.codes[order], known.right[order])
    draws = np.random.default_rng(seed).random((n_shuffles, len(order)))
    labellings = [known.right, *(known.drawn(draw) for draw in draws)]

    def probe(row: int) -> tuple[bool, dict[str, Bool[np.ndarray, "labelling item"]]]:
        x = reader.load(row, order)
        varied = varies(x)
        others = [groups.centred(readers[name].load(row)) for name, groups in asked.items()]
        z, *asked_z = standardised(known.centred(x), *others)
        chosen: dict[str, list[np.ndarray]] = {name: [] for name in asked}
        for labels in labellings:
            model = fit_logistic(z, labels.astype(np.int64), C, max_iter)
            for (name, groups), features in zip(asked.items(), asked_z, strict=True):
                score = as_numpy(model.decision_function(features)).astype(np.float64)
                chosen[name].append(groups.right_share(score))
        return varied, {name: np.array(rows) for name, rows in chosen.items()}

    fits = over_layers(probe, reader, n_jobs)
    check_variation([varied for varied, _ in fits], "the stack of fit")
    readings = {}
    for name, groups in asked.items():
        correct = np.stack([by_name[name] for _, by_name in fits], axis=1)
        readings[name] = OptionReading(groups.names, correct[0], correct[1:])
    return readings


@dataclass(frozen=True)
class _Grouped:
    """Options with the number of their item, `codes`; items are numbered as they first appear."""

    names: Shaped[np.ndarray, " item"]
    codes: Int[np.ndarray, " option"]
    right: Bool[np.ndarray, " option"]

    @property
    def order(self) -> Int[np.ndarray, " option"]:
        """Options item by item, in the order given."""
        return np.argsort(self.codes, kind="stable")

    @property
    def starts(self) -> Int[np.ndarray, " item"]:
        """Where each item's options start in `order`."""
        return np.searchsorted(self.codes[self.order], np.arange(len(self.names)))

    def centred(self, x: Any) -> Float[np.ndarray, "option d_model"]:
        """Residuals minus the mean over the options of their item."""
        array = as_numpy(x)
        sums = np.add.reduceat(array[self.order], self.starts, axis=0)
        return np.asarray(array - (sums / np.bincount(self.codes)[:, None].astype(array.dtype))[self.codes])

    def drawn(self, draw: Float[np.ndarray, " option"]) -> Bool[np.ndarray, " option"]:
        """The option of each item with the highest of random numbers."""
        return np.asarray(draw == np.maximum.reduceat(draw[self.order], self.starts)[self.codes])

    def right_share(self, score: Float[np.ndarray, " option"]) -> Float[np.ndarray, " item"]:
        """Share of right ones among the options with the highest score of their item."""
        order, starts = self.order, self.starts
        highest = np.maximum.reduceat(score[order], starts)[self.codes]
        best = score >= highest - _ROUNDING * np.maximum(1.0, np.abs(highest))
        right, ties = (np.add.reduceat(rows[order].astype(np.int64), starts) for rows in (best & self.right, best))
        return np.asarray(right / ties)


def _grouped(options: Options, n: int, name: str) -> _Grouped:
    labels = checked_labels(options.items, n, f"items of {name}")
    right = checked_labels(options.right, n, f"right of {name}")
    if right.dtype != bool:
        raise ValueError(f"right of {name} must hold booleans, got dtype {right.dtype}")
    names, first, codes = np.unique(labels, return_index=True, return_inverse=True)
    place = np.argsort(np.argsort(first))
    codes, names = place[codes], names[np.argsort(first)]
    sizes, rights = np.bincount(codes), np.bincount(codes, weights=right)
    odd = (rights != 1) | (sizes < 2)
    if odd.any():
        item = int(np.argmax(odd))
        raise ValueError(
            f"each item needs two or more options and one that is right; item {names.tolist()[item]!r} of {name} has "
            f"{sizes[item]} options, {int(rights[item])} of them right"
        )
    return _Grouped(names, codes, right)
