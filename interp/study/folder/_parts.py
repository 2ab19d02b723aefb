"""What is kept of a study while it runs: results by name, made once, as files under a name that holds their hash."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from interp.files import json_text


class Parts:
    """Results by name. This class computes every result again; `Store` computes each once and stores it."""

    def frame(self, key: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """The table of a name."""
        return make()

    def value(self, key: str, make: Callable[[], Any]) -> Any:
        """The plain value (as JSON has them) of a name."""
        return make()


@dataclass(frozen=True)
class PrefixedParts(Parts):
    """Parts that are kept by `parts`, under names that begin with `prefix` and a slash."""

    parts: Parts
    prefix: str

    def frame(self, key: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """The table of a name after the prefix."""
        return self.parts.frame(f"{self.prefix}/{key}", make)

    def value(self, key: str, make: Callable[[], Any]) -> Any:
        """The value of a name after the prefix."""
        return self.parts.value(f"{self.prefix}/{key}", make)


DAMAGED = "damaged"
"""The folder of what is set aside, and the suffix there."""
_NAME = re.compile(r"(?P<name>.+)\.(?P<hash>[0-9a-f]{32})\.(?P<suffix>parquet|json)")
UNREADABLE = (ValueError, TypeError, LookupError, OSError, NotImplementedError, RecursionError)
"""What reading a part may raise where its bytes aren't what they should be."""


def part_name(name: str, data: bytes, suffix: str) -> str:
    """`name`, the first 32 hexadecimal digits of the SHA-256 of `data`, and the suffix."""
    return f"{name}.{_hash(data)}.{suffix}"


def part_bytes(path: Path) -> bytes:
    """The bytes of a part; ValueError if they don't match the name, or it is a link."""
    if path.is_symlink():
        raise ValueError("it is a link")
    data, named = path.read_bytes(), _NAME.fullmatch(path.name)
    if not named or named["hash"] != _hash(data):
        raise ValueError("its bytes don't match its name")
    return data


def frame_bytes(key: str, frame: pd.DataFrame) -> bytes:
    """The same Parquet for the same frame, without its index, which may not have names.

    Raises ValueError for categories, and for columns that are not different texts.
    """
    names = list(frame.columns)
    if len(set(names)) < len(names) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"the columns of {key} must be different texts, got {names}")
    if any(name is not None for name in frame.index.names):
        raise ValueError(f"{key} has the index {list(frame.index.names)}: make it a column")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    categories = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    if categories:
        raise ValueError(f"{key} has categorical columns, which can't be stored: {categories}")
    table = table.replace_schema_metadata(None)
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, table.schema, store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"part": key})
    return buffer.getvalue()


def bytes_frame(data: bytes) -> tuple[str, pd.DataFrame]:
    """Key and frame, with a new index from 0."""
    file = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False)
    key = (file.metadata.metadata or {}).get(b"part", b"no part").decode()
    table = file.read(use_threads=False).replace_schema_metadata(None)
    return key, table.to_pandas(ignore_metadata=True)


def value_bytes(key: str, value: Any) -> bytes:
    """The same JSON for the same value."""
    return json_text({"part": key, "value": value}).encode()


def bytes_value(data: bytes) -> tuple[str, Any]:
    """Key and value, as JSON has it: lists for tuples, texts for keys."""
    part = json.loads(data)
    return part["part"], part["value"]


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
