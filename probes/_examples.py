"""Examples with their labels, and the canonical order in which probes take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from probes._activations import Activations, LayerReader, as_numpy
from probes._controls import canonical_order
from probes._intervals import checked_labels
from probes._linear import checked_classes


@dataclass(frozen=True)
class Examples:
    """Residuals with, for each example, its label and the groups it belongs to.

    X: [layer, example, d_model], or a sequence of layers, memory-mapped or not; row 0 is the embedding output. y:
    label; for a baseline example, the label whose rate is the baseline. clusters: entity or topic, which the bootstrap
    resamples whole. None (training only): each example is its own cluster. types: determine the labels of a control
    task (Hewitt & Liang 2019), e.g. relations. None: no control task. groups: relation, topic or item of training
    examples, within which labels are shuffled. None: shuffle among all.
    """

    X: Activations
    y: Shaped[np.ndarray, " example"]
    clusters: Shaped[np.ndarray, " example"] | None = None
    types: Shaped[np.ndarray, " example"] | None = None
    groups: Shaped[np.ndarray, " example"] | None = None


@dataclass(frozen=True)
class Ordered:
    """Checked examples in canonical `order`, so that no draw and no rounding depends on the order given.

    codes: the number of each label's class in `classes`, which are sorted.
    """

    reader: LayerReader
    order: Int[np.ndarray, " example"]
    classes: Shaped[np.ndarray, " class"]
    codes: Int[np.ndarray, " example"]
    clusters: Shaped[np.ndarray, " example"]
    types: Shaped[np.ndarray, " example"] | None
    groups: Shaped[np.ndarray, " example"] | None

    def load(self, row: int) -> Any:
        """A copy of layer `row`, [example, d_model]."""
        return self.reader.load(row, self.order)

    def as_given(self, values: Shaped[np.ndarray, "layer example *rest"]) -> Shaped[np.ndarray, "layer example *rest"]:
        """Values of examples, back in the order in which the examples were given."""
        return values[:, np.argsort(self.order)]


def ordered(examples: Examples, name: str, train: Ordered | None = None) -> Ordered:
    """The training examples, or with `train` those that are tested, in canonical order.

    Raises ValueError for another number of labels than of examples, missing labels or clusters, and where `train` has
    other layers, another width, or lacks a class.
    """
    reader = LayerReader(examples.X, f"X of {name}")
    n = reader.shape[1]
    if train is None:
        classes, codes = checked_classes(examples.y, n, f"y of {name}")
    else:
        if (train.reader.shape[0], train.reader.shape[2]) != (reader.shape[0], reader.shape[2]):
            raise ValueError(
                f"{train.reader.name} and {reader.name} must have equal layers and widths, "
                f"got shapes {train.reader.shape} and {reader.shape}"
            )
        classes, codes = train.classes, _known_codes(checked_labels(examples.y, n, f"y of {name}"), train.classes, name)
        if examples.clusters is None:
            raise ValueError(
                f"{name} has no clusters; give each example's entity or topic, or np.arange({n}) if each is its own"
            )
    labels = {
        kind: None if values is None else checked_labels(values, n, f"{kind} of {name}")
        for kind, values in (("clusters", examples.clusters), ("types", examples.types), ("groups", examples.groups))
    }
    last_layer = as_numpy(reader.load(reader.shape[0] - 1))
    order = canonical_order(last_layer, codes, *(values for values in labels.values() if values is not None))
    clusters, types, groups = (None if values is None else values[order] for values in labels.values())
    return Ordered(reader, order, classes, codes[order], np.arange(n) if clusters is None else clusters, types, groups)


def _known_codes(
    y: Shaped[np.ndarray, " n"], classes: Shaped[np.ndarray, " class"], name: str
) -> Int[np.ndarray, " n"]:
    number = {label: i for i, label in enumerate(classes.tolist())}
    unseen = sorted(set(y.tolist()) - set(number))
    if unseen:
        raise ValueError(
            f"y of {name} has labels that training never saw, so no probe can predict them: {unseen[:5]}; "
            "leave those examples out"
        )
    return np.array([number[label] for label in y.tolist()])
