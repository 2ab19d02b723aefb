"""What a finished run says of itself, and whether its files are as it wrote them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from interp.errors import OutputError
from interp.study.output import MANIFEST


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a finished run says of itself; raises OutputError where that can't be read or is no run's."""
    found = read_json(folder / MANIFEST)
    if not isinstance(found.get("config"), dict):
        raise OutputError(f"{folder / MANIFEST} is no run's: it has no settings", allowed="a run's folder")
    return found


def verify(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Files that are not as the manifest's checksums say, in words.

    Raises OutputError where the manifest has none, or names a file outside the folder.
    """
    files = manifest.get("files")
    if not isinstance(files, dict) or not files:
        raise OutputError(f"{folder / MANIFEST} has no checksums", remedy="they are written by `interp run`")
    problems = []
    for name, digest in files.items():
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or name.startswith(("/", "\\")) or not _inside(folder, folder / name):
            raise OutputError(f"{folder / MANIFEST} names the file {name!r}", allowed="files in the run's folder")
        try:
            with (folder / name).open("rb") as file:
                same = hashlib.file_digest(file, "sha256").hexdigest() == digest
        except OSError as error:
            problems.append(f"{name}: {error.strerror}")
        else:
            problems += [] if same else [f"{name}: not as it was written"]
    return problems


def _inside(folder: Path, path: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def read_json(path: Path) -> dict[str, Any]:
    """The keys of a JSON file; raises OutputError where it can't be read or holds none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise OutputError(f"{path} can't be read: {error}", remedy="run it again, into another folder") from error
    if not isinstance(found, dict):
        raise OutputError(f"{path} holds no keys", remedy="run it again, into another folder")
    return found
