"""Can Transformers read a GGUF file as a model? Said from its header, before weights are read."""

from __future__ import annotations

import re
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, dequantize
from transformers.integrations.ggml import GGUF_CONFIG_MAPPING

from interp.errors import ModelError
from interp.model.load._gguf_header import AGAIN, EMBEDDING, VOCABULARY, Header, Tensor, parse_header
from interp.model.load._gguf_names import SUFFIX, check_not_split

try:  # what Transformers reads with code of its own, without the package gguf, from 5.2x on
    from transformers.integrations.gguf import GGUF_CONFIG_ARCHS
except ImportError:
    GGUF_CONFIG_ARCHS = {}


def header_of(path: Path) -> Header:
    """The header of a file that Transformers can read as a model; raises ModelError, in one line, for any other."""
    stat = path.stat()
    return _header_of(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=8)
def _header_of(path: Path, size: int, changed: int) -> Header:
    with path.open("rb", buffering=2**20) as file:
        return read_header(file, size, str(path))


def read_header(file: BinaryIO, size: int, name: str) -> Header:
    """The header of an open file of `size` bytes, checked as `header_of` does; name: the file's, for messages."""
    header = parse_header(file, size, name)
    _check(header, name)
    return header


def _check(header: Header, name: str) -> None:
    """Raise ModelError for a file in parts, of no language model, that Transformers can't read, or that is cut off."""
    if int(header.values.get("split.count", 1)) > 1:
        check_not_split(f"{name}-00001-of-{int(header.values['split.count']):05d}{SUFFIX}")
    known = readable_architectures()
    if _plain(header.architecture) not in map(_plain, known):
        raise ModelError(
            f"{name!r} has the architecture {header.architecture!r}, which Transformers can't read from GGUF",
            allowed=", ".join(known),
            remedy="pass the original checkpoint (safetensors) or another model",
        )
    embedded = any(tensor.name == EMBEDDING for tensor in header.tensors)
    if not embedded or f"{VOCABULARY}model" not in header.values:
        lacking = "tokenizer" if embedded else "token embedding"
        raise ModelError(f"{name!r} has no {lacking}", allowed="whole language models", remedy="pass another file")
    known_types = readable_types(header.architecture)
    strange = next((tensor for tensor in header.tensors if tensor.type not in known_types), None)
    if strange is not None:
        raise ModelError(
            f"{name!r} has weights of the type {_type_name(strange.type)}, which Transformers can't dequantise",
            allowed=", ".join(sorted(map(_type_name, known_types))),
            remedy="pass another quantisation of the model",
        )
    end = max(header.begin + tensor.offset + _bytes(tensor) for tensor in header.tensors)
    if end > header.size:
        raise ModelError(f"{name!r} is truncated: it has {header.size:,} of {end:,} bytes", remedy=AGAIN)


def _plain(architecture: str) -> str:
    """llama.cpp and Transformers differ in hyphens and underscores: gpt-oss, gpt_oss."""
    return re.sub("[-_]", "", architecture)


def readable_architectures() -> list[str]:
    """Architectures that Transformers reads from GGUF files."""
    return sorted({*GGUF_CONFIG_MAPPING, *GGUF_CONFIG_ARCHS} - {"general", "tokenizer"})


@lru_cache
def readable_types(architecture: str) -> frozenset[int]:
    """Numbers of the types, among ggml's, that Transformers can turn into floats for an architecture."""
    if architecture in GGUF_CONFIG_ARCHS:
        from transformers.integrations.gguf.dequant import GGML_BLOCK  # here: it imports torch

        plain = (GGMLQuantizationType.F32, GGMLQuantizationType.F16, GGMLQuantizationType.BF16)
        return frozenset({*GGML_BLOCK, *map(int, plain)})
    readable = set()
    for kind, (_, width) in GGML_QUANT_SIZES.items():
        try:
            dequantize(np.zeros((1, width), np.uint8), kind)
        except NotImplementedError:
            continue
        readable.add(int(kind))
    return frozenset(readable)


def _type_name(number: int) -> str:
    try:
        return GGMLQuantizationType(number).name
    except ValueError:
        return f"number {number}"


def _bytes(tensor: Tensor) -> int:
    elements, width = GGML_QUANT_SIZES[GGMLQuantizationType(tensor.type)]
    return prod(tensor.shape) // elements * width
