"""The header of a GGUF file: what it says of its model and where its tensors lie, read and checked without torch."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from interp.errors import ModelError

MAGIC = b"GGUF"
SUFFIX = ".gguf"
VERSIONS = (2, 3)
EMBEDDING = "token_embd.weight"
VOCABULARY = "tokenizer.ggml."
AGAIN = "copy or download it again"
SPLIT = re.compile(r"-\d{5}-of-(\d{5})\.gguf$", re.IGNORECASE)
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""Value types of one number, as `struct` has them."""

UINT32, STRING, ARRAY = 4, 8, 9
FLOAT32 = 0
FLOATS = ("F32", "F16", "BF16")


@dataclass(frozen=True)
class Tensor:
    """A tensor's name, its sizes (rows first), the number of its type in ggml, and where it begins in the data."""

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int


@dataclass(frozen=True)
class Header:
    """What stands in front of the tensors.

    values: of every key that has one number or text. raw: every key with its value as the file has them, but for the
    arrays of the vocabulary. begin: where the data begins. size: of the file, in bytes.
    """

    values: Mapping[str, Any]
    raw: Mapping[str, bytes]
    tensors: tuple[Tensor, ...]
    begin: int
    size: int

    @property
    def architecture(self) -> str:
        """The architecture's name in llama.cpp."""
        return str(self.values.get("general.architecture", ""))

    @property
    def parameters(self) -> int:
        """How many weights the file has."""
        return sum(prod(tensor.shape) for tensor in self.tensors)

    @property
    def vocabulary(self) -> int:
        """Rows of the embedding."""
        return next(tensor.shape[0] for tensor in self.tensors if tensor.name == EMBEDDING)

    @property
    def stored(self) -> str:
        """How the weights are stored, as files are named after it: `Q4_K_M`; else the type of most weights."""
        from gguf import GGMLQuantizationType, LlamaFileType

        try:
            name = LlamaFileType(self.values.get("general.file_type", -1)).name
            return name.removeprefix("MOSTLY_").removeprefix("ALL_")
        except ValueError:
            counts: dict[int, int] = {}
            for tensor in self.tensors:
                counts[tensor.type] = counts.get(tensor.type, 0) + prod(tensor.shape)
            return GGMLQuantizationType(max(counts, key=lambda kind: counts[kind])).name

    def described(self, dtype: str) -> str:
        """What a manifest says of weights that are computed with in `dtype`: `Q4_K_M, dequantised to float32`."""
        return f"{self.stored}, {'read as' if self.stored in FLOATS else 'dequantised to'} {dtype}"


def need_gguf(use: str) -> None:
    """Raise ModelError where the package gguf, which `use` needs, is missing."""
    if find_spec("gguf") is None:
        raise ModelError(f"{use} needs the package gguf", remedy="pip install gguf")


def is_gguf(path: Path) -> bool:
    """Whether a path is of a file that has a GGUF's suffix or begins as one."""
    if not path.is_file():
        return False
    if path.suffix.lower() == SUFFIX:
        return True
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def check_not_split(name: str) -> None:
    """Raise ModelError for the name of one part of several."""
    split = SPLIT.search(name)
    if split and int(split[1]) > 1:
        raise ModelError(
            f"{name!r} is one of {int(split[1])} parts of a GGUF file",
            allowed="a model in one file",
            remedy="merge the parts (llama.cpp: llama-gguf-split --merge FIRST_PART WHOLE.gguf), or pass another file",
        )


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
    check_not_split(name)
    reading = _Reading(file, size, name)
    if file.read(len(MAGIC)) != MAGIC:
        raise ModelError(
            f"{name!r} is not a GGUF file: it does not begin with the letters GGUF",
            allowed="files written for llama.cpp",
            remedy=AGAIN,
        )
    need_gguf("a GGUF model")
    version = reading.number("I")
    if version not in VERSIONS:
        raise ModelError(
            f"{name!r} is of GGUF version {version}",
            allowed="versions 2 and 3 (little-endian)",
            remedy="convert the model again with a current llama.cpp",
        )
    n_tensors, n_keys = reading.number("Q"), reading.number("Q")
    values: dict[str, Any] = {}
    raw: dict[str, bytes] = {}
    for _ in range(n_keys):
        reading.kept.clear()
        key = reading.text()
        value, is_array = reading.value(reading.number("I"))
        if not is_array:
            values[key] = value
        if not (is_array and key.startswith(VOCABULARY)):
            raw[key] = bytes(reading.kept)
    tensors = tuple(reading.tensor() for _ in range(n_tensors))
    alignment = int(values.get("general.alignment", 32))
    begin = -(-file.tell() // alignment) * alignment
    header = Header(values, raw, tensors, begin, size)
    _check(header, name)
    return header


class _Reading:
    """Numbers and texts from a file, one after the other; what was read is in `kept`."""

    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self.file, self.size, self.name = file, size, name
        self.kept = bytearray()

    def bytes(self, count: int) -> bytes:
        data = self.file.read(count) if count <= self.size else b""
        if len(data) < count:
            raise ModelError(f"{self.name!r} is truncated: it ends inside its header", remedy=AGAIN)
        self.kept += data
        return data

    def number(self, kind: str) -> Any:
        return struct.unpack(f"<{kind}", self.bytes(struct.calcsize(f"<{kind}")))[0]

    def text(self) -> str:
        return self.bytes(self.number("Q")).decode("utf-8", "replace")

    def value(self, kind: int) -> tuple[Any, bool]:
        """A value, and whether it is an array (of which the value is its length)."""
        if kind == STRING:
            return self.text(), False
        if kind in NUMBERS:
            return self.number(NUMBERS[kind]), False
        if kind != ARRAY:
            raise ModelError(f"the header of {self.name!r} has a value of the unknown type {kind}", remedy=AGAIN)
        inside, count = self.number("I"), self.number("Q")
        if inside in NUMBERS:
            self.bytes(count * struct.calcsize(f"<{NUMBERS[inside]}"))
        else:
            for _ in range(count):
                self.value(inside)
        return count, True

    def tensor(self) -> Tensor:
        self.kept.clear()
        name = self.text()
        shape = tuple(self.number("Q") for _ in range(self.number("I")))
        return Tensor(name, shape[::-1], self.number("I"), self.number("Q"))


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
    if not any(tensor.name == EMBEDDING for tensor in header.tensors) or f"{VOCABULARY}model" not in header.values:
        lacking = "tokenizer" if any(tensor.name == EMBEDDING for tensor in header.tensors) else "token embedding"
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
        raise ModelError(
            f"{name!r} is truncated: it has {header.size:,} bytes of {end:,}",
            remedy=AGAIN,
        )


def _plain(architecture: str) -> str:
    """llama.cpp and Transformers differ in hyphens and underscores: gpt-oss, gpt_oss."""
    return re.sub("[-_]", "", architecture)


def readable_architectures() -> list[str]:
    """Architectures that Transformers reads from GGUF files."""
    from transformers.integrations.ggml import GGUF_CONFIG_MAPPING

    return sorted({*GGUF_CONFIG_MAPPING, *_read_anew()} - {"general", "tokenizer"})


def _read_anew() -> tuple[str, ...]:
    """Architectures that Transformers reads with code of its own, without the package gguf; none before 5.2x."""
    try:
        from transformers.integrations.gguf import GGUF_CONFIG_ARCHS
    except ImportError:
        return ()
    return tuple(GGUF_CONFIG_ARCHS)


@lru_cache
def readable_types(architecture: str) -> frozenset[int]:
    """Numbers of the types, among ggml's, that Transformers can turn into floats for an architecture."""
    import numpy as np
    from gguf import GGML_QUANT_SIZES, dequantize

    if architecture in _read_anew():
        from transformers.integrations.gguf.dequant import GGML_BLOCK

        return frozenset({*GGML_BLOCK, 0, 1, 30})
    known = set()
    for kind, (_, width) in GGML_QUANT_SIZES.items():
        try:
            dequantize(np.zeros((1, width), np.uint8), kind)
        except NotImplementedError:
            continue
        known.add(int(kind))
    return frozenset(known)


def _type_name(number: int) -> str:
    from gguf import GGMLQuantizationType

    try:
        return GGMLQuantizationType(number).name
    except ValueError:
        return f"number {number}"


def _bytes(tensor: Tensor) -> int:
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    elements, width = GGML_QUANT_SIZES[GGMLQuantizationType(tensor.type)]
    return prod(tensor.shape) // elements * width
