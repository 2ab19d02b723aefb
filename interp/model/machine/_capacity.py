"""Does a model fit? The size of its weights, from their files' headers, against the memory that is free."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path

import torch
from huggingface_hub import try_to_load_from_cache
from safetensors import SafetensorError, safe_open

from interp.errors import ModelError, reason_of
from interp.model.load import Source, header_of, is_gguf, weight_files
from interp.model.machine._host import host_free

BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0}
QUANTIZED = {"4bit": 0.5625, "8bit": 1.0}
"""Bytes per weight of a quantized matrix; 4-bit ones carry a float32 scale per 64 weights."""

INTEGERS = {"I64": 8, "I32": 4, "I16": 2}
"""Bytes per number that stays an integer; other types have one."""

KEPT = ("embed", "wte", "wpe", "lm_head")
"""Parts of the names of matrices that quantization leaves as they are."""


def weight_bytes(
    source: Source | Path, dtype: str, quantization: str | None = None, revision: str | None = None
) -> int | None:
    """Memory of a model's weights in bytes once loaded in `dtype`, computed from the headers of its files.

    None for a model on the Hub that isn't in the cache at `revision`. dtype: `float32`, `bfloat16` or `float16`.
    quantization: `4bit` or `8bit`, an estimate. Raises ModelError for a file that is not one of safetensors.
    """
    place = source if isinstance(source, Path) else local_place(source, revision)
    if place is None:
        return None
    if is_gguf(place):
        return int(header_of(place).parameters * BYTES[dtype])
    return int(sum(_loaded_bytes(path, dtype, quantization) for path in weight_files(place)))


def _loaded_bytes(path: Path, dtype: str, quantization: str | None) -> float:
    """Bytes of a safetensors file's tensors once loaded."""
    total = 0.0
    try:
        with safe_open(path, "np") as file:
            for name in file.keys():  # noqa: SIM118
                tensor = file.get_slice(name)
                shape, stored = tensor.get_shape(), tensor.get_dtype()
                width = BYTES[dtype] if stored.startswith(("F", "BF")) else INTEGERS.get(stored, 1)
                if quantization and len(shape) == 2 and not any(part in name for part in KEPT):
                    width = QUANTIZED[quantization]
                total += prod(shape) * width
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{path} is not a safetensors file: {reason_of(error)}", remedy="copy or download it again"
        ) from error
    return total


def local_place(source: Source, revision: str | None) -> Path | None:
    """A source's folder, or GGUF file, without any network; None if the cache lacks some of it."""
    if source.local:
        return Path(source.location)
    if source.file:
        file = try_to_load_from_cache(source.repository, source.file, revision=revision)
        return Path(file) if isinstance(file, str) else None
    config = try_to_load_from_cache(source.location, "config.json", revision=revision)
    folder = Path(config).parent if isinstance(config, str) else None
    files = weight_files(folder) if folder else []
    return folder if files and all(path.is_file() for path in files) else None


def free_bytes(device: str) -> int:
    """Bytes free on `cpu`, `mps` or a `cuda` device; on a CPU no more than what the job's control group allows."""
    if device.partition(":")[0] == "cuda":
        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    return host_free()


def check_fits(source: Source | Path, dtype: str, devices: Sequence[str], *, quantization: str | None = None) -> None:
    """Raise ModelError if a model's weights need more memory than is free on all `devices` together.

    A model of unknown size is not checked.
    """
    needed = weight_bytes(source, dtype, quantization)
    if needed is None:
        return
    free = sum(free_bytes(device) for device in devices)
    if needed > free:
        name = source.name
        ways = ["a smaller --dtype (bfloat16)"] if dtype == "float32" else []
        ways += ["--quantization 8bit or 4bit (on a GPU)"] if quantization is None else []
        raise ModelError(
            f"model {name!r} needs {needed / 2**30:.1f} GiB for its weights in {quantization or dtype}, "
            f"but only {free / 2**30:.1f} GiB are free on {', '.join(devices)}",
            remedy=", ".join([*ways, "--n-devices for several GPUs", "or a smaller model"]),
        )
