"""Residuals on disk: shards of safetensors, read one layer at a time, written so that a killed job goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from jaxtyping import Float
from safetensors import safe_open
from safetensors.numpy import save_file

from interp.errors import DataError, OutputError
from interp.files import differences, whole, write_json
from interp.model import HookedModel, LoadedModel, hooked
from interp.model.load import fingerprint
from interp.model.read._memory import Passes
from interp.model.read._residuals import Position, Reading, prompt_ids
from interp.model.read._tokenizer import Ids

INDEX = "index.json"
KEY = "residuals"


class ResidualStore(Sequence[Float[np.ndarray, "text d_model"]]):
    """Residuals on disk as a sequence of layers: `store[i]` reads the i-th of `store.layers`, [text, d_model].

    Only the requested layer is read, so probing layer by layer holds one layer in memory. Raises DataError for a folder
    that is not a finished store.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        index = _index(self.folder)
        if index is None:
            raise DataError(f"{folder} does not hold residuals", allowed="a folder that store_residuals wrote")
        self.layers: tuple[int, ...] = tuple(index["layers"])
        self.texts = int(index["texts"])
        self._shards = [self.folder / _name(number) for number in range(_count(index))]
        missing = [path.name for path in self._shards if not path.is_file()]
        if missing:
            raise DataError(
                f"{folder} is not finished: {missing[0]} is missing", remedy="run store_residuals again to continue"
            )

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, layer: Any) -> Any:
        if isinstance(layer, slice):
            return [self[number] for number in range(*layer.indices(len(self)))]
        row = range(len(self))[layer]
        parts = []
        for path in self._shards:
            with safe_open(path, "np") as shard:
                parts.append(shard.get_slice(KEY)[row])
        return np.concatenate(parts)


def store_residuals(
    model: HookedModel | LoadedModel,
    texts: Sequence[str | Ids],
    folder: Path | str,
    *,
    layers: Sequence[int] | None = None,
    position: Position = -1,
    shard_size: int = 4096,
    progress: Callable[[float], None] | None = None,
    **passes: Unpack[Passes],
) -> ResidualStore:
    """Write residuals to files of `shard_size` texts each, [layer, text, d_model] in float32, and open the store.

    If the process was killed, the same call continues with the first missing shard. Other arguments as in
    `read_residuals`. Raises OutputError, which names the difference, if the folder holds other residuals or files.
    """
    model = hooked(model)
    if shard_size < 1:
        raise ValueError(f"shard_size must be at least 1, got {shard_size}")
    reading = Reading(model, layers, position)
    sequences = prompt_ids(model, texts)
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    index = {
        "model": fingerprint(model),
        "layers": list(reading.names),
        "position": position,
        "texts": len(texts),
        "tokens": hashlib.sha256(json.dumps(sequences).encode()).hexdigest()[:16],
        "shard_size": shard_size,
    }
    _claim(path, index)
    for number in range(_count(index)):
        target = path / _name(number)
        part = sequences[number * shard_size : (number + 1) * shard_size]
        if target.is_file():
            if progress:
                progress(len(part))
            continue
        shard = np.empty((len(reading.names), len(part), int(model.cfg.d_model)), dtype=np.float32)
        for rows, residuals in reading.stream(part, progress, **passes):
            shard[:, list(rows)] = residuals.cpu().numpy()
        with whole(target) as working:
            save_file({KEY: shard}, working)
    return ResidualStore(path)


def _claim(folder: Path, index: dict[str, Any]) -> None:
    """Take a folder for these residuals; OutputError if it holds others."""
    earlier = _index(folder)
    if earlier is None:
        if any(folder.iterdir()):
            raise OutputError(f"{folder} holds other files", allowed="a new or empty folder", remedy="pass another")
        write_json(folder / INDEX, index)
        return
    differ = differences(earlier, index)
    if differ:
        raise OutputError(
            f"{folder} holds other residuals: {'; '.join(differ)}",
            allowed="the same model, texts and settings, or a new folder",
            remedy="pass another folder or delete this one",
        )


def _index(folder: Path) -> dict[str, Any] | None:
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return index if isinstance(index, dict) and {"layers", "texts", "shard_size"} <= set(index) else None


def _count(index: dict[str, Any]) -> int:
    return max(1, -(-int(index["texts"]) // int(index["shard_size"])))


def _name(number: int) -> str:
    return f"residuals-{number:05d}.safetensors"
