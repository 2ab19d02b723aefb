"""How files are written: the same bytes for the same values, each whole or not there; and how JSON differs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PARTIAL = ".partial"
_ABSENT = object()


@contextmanager
def whole(target: Path, writer: str = "") -> Iterator[Path]:
    """A temporary path beside `target`, which it becomes, on disk for good, when the block ends well.

    Else it is removed; a killed process leaves it, under a name that begins with a dot and ends in `PARTIAL`.
    writer: who writes, where several processes may write the same target.
    """
    working = target.with_name(f".{target.name}{writer and '.'}{writer}{PARTIAL}")
    try:
        yield working
        with working.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(working, target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        working.unlink(missing_ok=True)


def json_text(value: Mapping[str, Any], *, sort_keys: bool = False) -> str:
    """JSON in UTF-8 letters, indented by 2, with a final newline."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=sort_keys) + "\n"


def write_json(path: Path, value: Mapping[str, Any], *, sort_keys: bool = False) -> None:
    """Write `json_text`, whole or not at all."""
    with whole(path) as working:
        working.write_text(json_text(value, sort_keys=sort_keys), encoding="utf-8")


def differences(there: Any, here: Any, name: str = "") -> list[str]:
    """What differs between two values of JSON, a line per key: `config.seed: 0 there, 1 here`."""
    if isinstance(there, dict) and isinstance(here, dict):
        return [
            line
            for key in dict.fromkeys((*there, *here))
            for line in differences(there.get(key, _ABSENT), here.get(key, _ABSENT), f"{name}.{key}".strip("."))
        ]
    return [] if there == here else [f"{name}: {_said(there)} there, {_said(here)} here"]


def _said(value: Any) -> str:
    return "nothing" if value is _ABSENT else repr(value)
