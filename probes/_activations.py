"""Activations layer by layer: shapes are checked at once, values when a layer is read, one layer in memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.linear_model import LogisticRegression

Activations = Float[np.ndarray, "layer example d_model"] | Sequence[Float[np.ndarray, "example d_model"]]
"""An array, a torch tensor, or a sequence of layers, which may be memory-mapped."""


class LayerReader:
    """Reads layers of [layer, example, d_model] one at a time, as copies in float32 (float64 where `X` is wider).

    `X` is an array, a torch tensor, or a sequence of layers. `on_device` says that its layers are torch tensors which
    scikit-learn handles where they lie (its array-API path): so it is for every tensor when the environment variable
    SCIPY_ARRAY_API is 1; otherwise tensors in main memory are read as arrays.

    Raises ValueError for another rank, no entries, layers of unequal shape, a dtype that is not a number, and for
    a tensor on a device while SCIPY_ARRAY_API is not set or the installed scikit-learn lacks that path.
    """

    def __init__(self, X: Activations, name: str) -> None:
        self.name = name
        self._layers: Any = X if hasattr(X, "ndim") else [x if hasattr(x, "ndim") else np.asarray(x) for x in X]
        self.shape = layer_shape(self._layers, name)
        self.on_device = _is_tensor(self._layers[0]) and _array_api(self._layers[0], name)

    def load(self, row: int, order: Int[np.ndarray, " k"] | None = None) -> Any:
        """Layer `row`, its examples in `order`: a copy, to be overwritten at will.

        Raises ValueError for NaN or infinity, with the layer row and the example.
        """
        layer = self._layers[row]
        if _is_tensor(layer):
            x = layer.detach().clone() if order is None else layer.detach()[order]
            x = x if x.is_floating_point() and x.dtype.itemsize >= 4 else x.float()
            if not self.on_device:
                x = x.cpu().numpy()
        else:
            x = np.asarray(layer)
            if x.dtype.kind not in "fiub":
                raise ValueError(f"{self.name} must hold numbers, got dtype {x.dtype} in layer row {row}")
            narrow = x.dtype.kind == "f" and x.dtype.itemsize <= 4
            dtype = np.float32 if narrow else np.float64
            x = np.array(x, dtype, order="C") if order is None else x[order].astype(dtype, order="C", copy=False)
        # A sum is finite only if all its terms are; it may overflow without a fault in any of them.
        with np.errstate(over="ignore"):
            total = float(x.sum())
        if not np.isfinite(total):
            finite = np.isfinite(as_numpy(x)).all(axis=1)
            if not finite.all():
                example = int(np.argmin(finite)) if order is None else order[~finite].min()
                raise ValueError(
                    f"{self.name} has NaN or infinity in layer row {row}, example {example}; "
                    "leave the example out, or read the activations in a wider dtype"
                )
        return x


def layer_shape(X: Any, name: str) -> tuple[int, int, int]:
    """Shape of an array, a tensor, or a sequence of layers, without reading one.

    Raises ValueError for another rank, no entries, or layers of unequal shape.
    """
    whole = getattr(X, "shape", None)
    shapes = [tuple(np.shape(x)) for x in X] if whole is None else [tuple(whole[1:])] * [*whole, 0][0]
    if not shapes or any(len(shape) != 2 or 0 in shape for shape in shapes):
        shape = (len(shapes), *shapes[:1]) if whole is None else tuple(whole)
        raise ValueError(f"{name} must be [layer, example, d_model] with entries, got shape {shape}")
    odd = next((i for i, shape in enumerate(shapes) if shape != shapes[0]), None)
    if odd is not None:
        raise ValueError(
            f"all layers of {name} must have one shape [example, d_model]; "
            f"row 0 has {shapes[0]} and row {odd} has {shapes[odd]}; pass layers of another shape in a separate call"
        )
    return len(shapes), *shapes[0]


def as_numpy(x: Any) -> np.ndarray:
    """An array or a tensor on any device as a numpy array."""
    return x.detach().cpu().numpy() if _is_tensor(x) else np.asarray(x)


def _is_tensor(x: Any) -> bool:
    """Whether `x` is a torch tensor; judged by its type's module, as torch may not be installed."""
    return type(x).__module__.split(".")[0] == "torch"


def _array_api(layer: Any, name: str) -> bool:
    enabled = os.environ.get("SCIPY_ARRAY_API") == "1"
    if not enabled and layer.device.type != "cpu":
        raise ValueError(
            f"{name} is a tensor on {layer.device}; set the environment variable SCIPY_ARRAY_API=1 before Python "
            "starts to fit it there, or pass it as .cpu()"
        )
    if enabled and not LogisticRegression().__sklearn_tags__().array_api_support:
        raise ValueError(
            f"{name} is a tensor, but the installed scikit-learn's LogisticRegression takes only arrays; "
            "update scikit-learn, or unset SCIPY_ARRAY_API and pass .cpu()"
        )
    return enabled
