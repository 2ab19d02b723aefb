"""The header of a GGUF file: what it says of its model and where its tensors lie."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO

from gguf import GGMLQuantizationType, LlamaFileType

from interp.errors import ModelError
from interp.model.load._gguf_names import MAGIC, check_not_split

VERSIONS = (2, 3)
EMBEDDING = "token_embd.weight"
VOCABULARY = "tokenizer.ggml."
AGAIN = "copy or download it again"
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


def parse_header(file: BinaryIO, size: int, name: str) -> Header:
    """The header of an open file of `size` bytes; name: the file's, for messages.

    Raises ModelError for a file in parts, of another format or version, and for one that ends inside its header.
    """
    check_not_split(name)
    reading = _Reading(file, size, name)
    if file.read(len(MAGIC)) != MAGIC:
        raise ModelError(
            f"{name!r} is not a GGUF file: it does not begin with the letters GGUF",
            allowed="files written for llama.cpp",
            remedy=AGAIN,
        )
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
        reading.raw.clear()
        key = reading.text()
        value, is_array = reading.value(reading.number("I"))
        if not is_array:
            values[key] = value
        if not (is_array and key.startswith(VOCABULARY)):
            raw[key] = bytes(reading.raw)
    tensors = tuple(reading.tensor() for _ in range(n_tensors))
    alignment = int(values.get("general.alignment", 32))
    begin = -(-file.tell() // alignment) * alignment
    return Header(values, raw, tensors, begin, size)


class _Reading:
    """Numbers and texts from a file, one after the other; what was read is in `raw`."""

    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self.file, self.size, self.name = file, size, name
        self.raw = bytearray()

    def bytes(self, count: int) -> bytes:
        data = self.file.read(count) if count <= self.size else b""
        if len(data) < count:
            raise ModelError(f"{self.name!r} is truncated: it ends inside its header", remedy=AGAIN)
        self.raw += data
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
        self.raw.clear()
        name = self.text()
        shape = tuple(self.number("Q") for _ in range(self.number("I")))
        return Tensor(name, shape[::-1], self.number("I"), self.number("Q"))
