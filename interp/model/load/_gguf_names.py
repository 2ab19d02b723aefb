"""Which paths and names are of GGUF models: told without the package gguf, torch or Transformers."""

from __future__ import annotations

import re
from pathlib import Path

from interp.errors import ModelError

MAGIC = b"GGUF"
SUFFIX = ".gguf"
_PART = re.compile(r"-\d{5}-of-(\d{5})\.gguf$", re.IGNORECASE)


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
    part = _PART.search(name)
    if part and int(part[1]) > 1:
        raise ModelError(
            f"{name!r} is one of {int(part[1])} parts of a split GGUF file",
            allowed="a model in one file",
            remedy="merge the parts (llama.cpp: llama-gguf-split --merge FIRST_PART WHOLE.gguf), or pass another file",
        )
