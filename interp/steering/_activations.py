"""Steering vectors from residuals that other tools wrote: nnsight, vLLM-Lens, TransformerLens, plain Transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float

from interp.errors import DataError
from interp.model.read import Residuals
from interp.settings import check_choice
from interp.steering._fitters import FITTERS
from interp.steering._safetensors import opened
from interp.steering._vectors import SteeringVectors, median_norms

Rows = Literal["blocks", "embedding+blocks", "hidden_states"]
"""What the rows of an array are: the streams after every block; the embedding's output and these; or Transformers'
`hidden_states`, whose last row has gone through the final norm and is no block's output."""

Array = Float[np.ndarray, "layer prompt d_model"] | Float[torch.Tensor, "layer prompt d_model"]


def vectors_from(
    target: Array | str | Path,
    source: Array | str | Path,
    *,
    n_layers: int,
    rows: Rows,
    fitter: str = "mean",
    name: str = "vectors",
) -> SteeringVectors:
    """Fit vectors that point from residuals `source` to parallel residuals `target`, [layer, prompt, d_model] each.

    Residuals are arrays, or safetensors files with one such tensor, read at one position of every prompt. n_layers: the
    model's number of blocks. rows: what the rows are; their number is checked against it, since an array that is off by
    one row steers the wrong layers. With `hidden_states` the last block has no vector. fitter: as in `fit_vectors`.
    The vectors know nothing of the model's processing, so it is not checked when they are used.
    Raises DataError for arrays of other shapes, values that are not finite, and files that can't be read.
    """
    check_choice("rows", rows, get_args(Rows))
    check_choice("fitter", fitter, FITTERS)
    ends, starts = (_residuals(given, n_layers, rows) for given in (target, source))
    if ends.shape != starts.shape:
        raise DataError(
            f"target and source are not parallel: {list(ends.shape)} and {list(starts.shape)}",
            allowed="the same prompts, layers and width in both",
        )
    told: dict[str, str | int | float] = {"fitter": fitter, "n": ends.shape[1], "rows": rows}
    vectors, norms = FITTERS[fitter](ends, starts), median_norms(starts)
    if rows == "hidden_states":
        told["layers"] = ",".join(map(str, range(n_layers - 1)))
        vectors[-1] = 0
    return SteeringVectors(name, vectors, told, norms)


def _residuals(given: Array | str | Path, n_layers: int, rows: Rows) -> Residuals:
    """As `read_residuals` gives them: row 0 is the embedding's output, of zeros where it is not there."""
    what = str(given) if isinstance(given, (str, Path)) else "the array"
    if isinstance(given, (str, Path)):
        stack = _read(Path(given))
    else:
        stack = given.detach().cpu() if isinstance(given, torch.Tensor) else torch.as_tensor(np.asarray(given))
    if stack.ndim != 3 or not stack.is_floating_point() or 0 in stack.shape:
        raise DataError(
            f"{what} is {stack.dtype} of shape {list(stack.shape)}", allowed="numbers [layer, prompt, d_model]"
        )
    expected = n_layers if rows == "blocks" else n_layers + 1
    if len(stack) != expected:
        fits = {n_layers: "'blocks'", n_layers + 1: "'embedding+blocks' or 'hidden_states'"}.get(len(stack), "none")
        raise DataError(
            f"{what} has {len(stack)} rows; rows={rows!r} of {n_layers} blocks are {expected}",
            allowed=f"rows={fits} for {len(stack)} rows" if fits != "none" else f"{n_layers} or {n_layers + 1} rows",
            remedy="pass the number of blocks, and say what the rows are",
        )
    if not bool(torch.isfinite(stack).all()):
        raise DataError(f"{what} has values that are not finite", remedy="read the residuals in float32 or bfloat16")
    stack = stack.float()
    return torch.cat([torch.zeros_like(stack[:1]), stack]) if rows == "blocks" else stack


def _read(path: Path) -> torch.Tensor:
    with opened(path, "save the residuals as safetensors") as file:
        names = list(file.keys())
        if len(names) == 1:
            tensor: torch.Tensor = file.get_tensor(names[0])
            return tensor
    raise DataError(f"{path} has the tensors {', '.join(names)}", allowed="one tensor [layer, prompt, d_model]")
