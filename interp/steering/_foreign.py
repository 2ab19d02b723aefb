"""Steering vectors from files: our own, and those that other tools write in safetensors or GGUF."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import torch
from gguf import GGUFReader

from interp.errors import DataError, reason_of
from interp.steering._safetensors import opened
from interp.steering._vectors import STORY, PerLayer, SteeringVectors

FORMS = ("N", "layer.N", "layers.N", "direction.N", "blocks.N", "blocks.N.hook_resid_post")
"""How tensors are named that hold one layer each."""

GGUF_TYPES = ("F32", "F16", "F64")
UNCLEAR = "it does not say which vector belongs to which layer"


def read_vectors(path: str | Path, *, layer: int | None = None) -> SteeringVectors:
    """Read steering vectors from a file of one of these kinds:

    - a file from `SteeringVectors.save`, with its provenance;
    - safetensors with one tensor [layer, d_model], of any name without digits: row l is for layer l;
    - safetensors with one tensor [d_model] of such a name: for `layer`, which must be given;
    - safetensors with a tensor [d_model] per layer, all named in one of the ways of `FORMS`;
    - a GGUF control vector (llama.cpp, repeng): tensors `direction.N` [d_model].

    Layer N is the block, counted from 0, after which the vector is added to the residual stream. That holds for
    `direction.N` too: llama.cpp adds it to block N's output and has none for block 0 (`llama_adapter_cvec` in
    src/llama-adapter.cpp; `common_control_vector_load` in common/common.cpp refuses direction.0), and repeng wraps
    block N (repeng/control.py) and reads `hidden_states[N + 1]` (repeng/extract.py).

    Layers without a vector are zero, and a plan for them is an error. The provenance of other tools' files has `file`,
    `format`, `sha256`, `layers`, and `model_hint` if a GGUF file has one. It has no `processing`, because the file does
    not say how the model was processed. Values are unchanged, in float32. Raises DataError for a file that is missing,
    of another kind or ambiguous (with the names in it).
    """
    file = Path(path).expanduser()
    try:
        with file.open("rb") as opened:
            first = opened.read(4)
            digest = hashlib.sha256(first)
            while part := opened.read(1 << 20):
                digest.update(part)
    except OSError as error:
        raise DataError(f"vectors file {file} can't be read: {error.strerror}", remedy="check the path") from error
    story: dict[str, str | int | float] = {"file": file.name, "sha256": digest.hexdigest()}
    if first == b"GGUF":
        found, hint = _gguf(file)
        return _named(file, found, story | {"format": "gguf"} | ({"model_hint": hint} if hint else {}))
    tensors = _safetensors(file)
    if tensors is None:
        return SteeringVectors.load(file)
    return _named(file, _by_layer(file, tensors, layer), story | {"format": "safetensors"})


def _named(file: Path, found: Mapping[int, torch.Tensor], story: dict[str, str | int | float]) -> SteeringVectors:
    """Vectors per layer as one tensor; raises DataError if they differ in width or are not finite."""
    widths = {vector.shape[0] for vector in found.values()}
    if len(widths) > 1:
        raise DataError(
            f"{file} has vectors of different widths: {', '.join(map(str, sorted(widths)))}",
            allowed="the same width in all layers",
        )
    vectors: PerLayer = torch.zeros(max(found) + 1, widths.pop())
    for layer, vector in found.items():
        vectors[layer] = vector
    if not bool(torch.isfinite(vectors).all()):
        raise DataError(f"{file} has values that are not finite", remedy="create the file again")
    return SteeringVectors(file.stem, vectors, story | {"layers": ",".join(map(str, sorted(found)))})


def _safetensors(file: Path) -> dict[str, torch.Tensor] | None:
    """The tensors of a file by name; None if it is one of ours."""
    with opened(file, "save the vectors as safetensors, or as a GGUF control vector") as tensors:
        if STORY in (tensors.metadata() or {}):
            return None
        return {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118


def _by_layer(file: Path, tensors: Mapping[str, torch.Tensor], layer: int | None) -> dict[int, torch.Tensor]:
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or tensor.numel() == 0 or tensor.ndim not in (1, 2):
            _refuse(file, tensors, f"tensor {name!r} is {tensor.dtype} of shape {list(tensor.shape)}")
    for form in FORMS:
        layers = {name: n for name in tensors if (n := _number(form, name)) is not None}
        if layers:
            alone = len(layers) == len(tensors) == len(set(layers.values()))
            if not alone or any(tensor.ndim != 1 for tensor in tensors.values()):
                _refuse(file, tensors, UNCLEAR)
            return {layers[name]: tensor.float() for name, tensor in tensors.items()}
    if len(tensors) != 1 or any(re.search(r"\d", name) for name in tensors):
        _refuse(file, tensors, UNCLEAR)
    [tensor] = tensors.values()
    if tensor.ndim == 2:
        return dict(enumerate(tensor.float()))
    if layer is None or layer < 0:
        raise DataError(
            f"{file} has a single vector and does not name its layer",
            remedy="pass the layer: the block, counted from 0, after which the vector is added",
        )
    return {layer: tensor.float()}


def _refuse(file: Path, tensors: Mapping[str, torch.Tensor], problem: str) -> NoReturn:
    found = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in list(tensors.items())[:8])
    more = f" and {len(tensors) - 8} more" if len(tensors) > 8 else ""
    raise DataError(
        f"{file}: {problem}; it holds {found}{more}" if tensors else f"{file} does not hold any tensor",
        allowed="one tensor [layer, d_model] or [d_model], or one [d_model] per layer, all named alike: "
        + ", ".join(FORMS),
        remedy="save the vectors in one of these forms",
    )


def _gguf(file: Path) -> tuple[dict[int, torch.Tensor], str]:
    """Directions by layer and the file's hint at its model."""
    try:
        reader = GGUFReader(file)
        tensors = {str(t.name): (t.tensor_type.name, torch.from_numpy(t.data.copy())) for t in reader.tensors}
        field = reader.get_field("controlvector.model_hint")
        hint = str(field.contents()) if field else ""
    except (ValueError, IndexError, KeyError, OSError, OverflowError, TypeError, UnicodeDecodeError) as error:
        raise DataError(
            f"{file} can't be read as GGUF: {reason_of(error)}", remedy="copy or create the file again"
        ) from error
    found = {}
    for name, (kind, tensor) in tensors.items():
        layer = _number("direction.N", name)
        if not layer or kind not in GGUF_TYPES or tensor.ndim != 1:
            raise DataError(
                f"{file}: tensor {name!r} ({kind}, {list(tensor.shape)}) is not a direction of a control vector",
                allowed=f"direction.1, direction.2, ..., each [d_model] of {', '.join(GGUF_TYPES)}",
                remedy="pass a control vector, not a model",
            )
        found[layer] = tensor.float()
    if not found:
        raise DataError(f"{file} does not hold any tensor", allowed="direction.1, direction.2, ...")
    return found, hint


def _number(form: str, name: str) -> int | None:
    """The layer in a name of a form; None for a name of another form."""
    found = re.fullmatch(re.escape(form).replace("N", r"(\d{1,4})"), name)
    return int(found[1]) if found else None
