"""How files are written and named: the same bytes for the same values, whole or not there. How JSON differs."""

from __future__ import annotations

import json
import os
import re
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


def folder_name(source: str) -> str:
    """What a folder is called after a path or a Hub id: its last part, as one name that no path can be made of.

    Of a path that ends in `.`, `..` or `/` it is the name of the folder meant. Letters, digits and `._+-` stay, others
    become `_`, and none of `.+-` is in front.
    """
    path = Path(source).expanduser()
    name = path.name if path.name not in ("", "..") else path.resolve().name
    return re.sub(r"[^\w.+-]+", "_", name).lstrip(".+-") or "_"


def not_a_folder(path: Path) -> str:
    """Why there is no folder at a path, as the end of a sentence."""
    return "is a file, not a folder" if path.exists() else "does not exist"


def not_a_file(path: Path) -> str:
    """Why there is no file at a path, as the end of a sentence."""
    return "is a folder, not a file" if path.is_dir() else "does not exist"


def json_text(value: Mapping[str, Any], *, sort_keys: bool = False) -> str:
    """JSON in UTF-8 letters, indented by 2, with a final newline."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=sort_keys) + "\n"


def write_json(path: Path, value: Mapping[str, Any], *, sort_keys: bool = False) -> None:
    """Write `json_text`, whole or not at all."""
    with whole(path) as working:
        working.write_text(json_text(value, sort_keys=sort_keys), encoding="utf-8")


def differences(recorded: Any, current: Any, name: str = "") -> list[str]:
    """What differs between two values of JSON, a line per key: `config.seed: 0 there, 1 here`."""
    if isinstance(recorded, dict) and isinstance(current, dict):
        return [
            line
            for key in dict.fromkeys((*recorded, *current))
            for line in differences(recorded.get(key, _ABSENT), current.get(key, _ABSENT), f"{name}.{key}".strip("."))
        ]
    first, second = ("nothing" if value is _ABSENT else repr(value) for value in (recorded, current))
    return [] if recorded == current else [f"{name}: {first} there, {second} here"]
