"""Safetensors files of other tools, opened with one message for what is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from interp.errors import DataError, reason_of


@contextmanager
def opened(path: Path, remedy: str) -> Iterator[Any]:
    """A file as `safe_open` gives it; raises DataError for one that can't be read, with what to do."""
    try:
        with safe_open(path, "pt") as file:
            yield file
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(
            f"{path} can't be read as safetensors: {reason_of(error)}",
            allowed="safetensors; pickled files (*.pt, *.bin, *.npz) are never opened",
            remedy=remedy,
        ) from error
