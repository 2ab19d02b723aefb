"""The run's folder: held by one process, written beside its final place and moved there when it is whole."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pandas as pd
from filelock import FileLock, Timeout

import figures
from figures import report
from interp.errors import OutputError, reason_of

if TYPE_CHECKING:
    from interp.study.config import RunConfig

LOCK = ".lock"
MANIFEST = "manifest.json"
PACKAGE = "translocal"


def hold(folder: Path) -> FileLock:
    """Take the folder's lock and hold it until it is released or the process ends. The lock file names the holder.

    Raises OutputError if another process, or this one, holds it, and OSError if the folder can't be written.
    """
    path = folder / LOCK
    lock = FileLock(path, timeout=0, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        holder = path.read_text(errors="replace") if path.exists() else ""
        raise OutputError(
            f"{folder} is in use by {holder or 'another process'}",
            allowed="one process per run at a time",
            remedy="wait until it ends, stop it, or pass another --out",
        ) from None
    path.write_text(f"process {os.getpid()} on {platform.node()}")
    return lock


def check_folder(final: Path) -> None:
    """Raise OutputError if `final` holds something that is not a run."""
    if final.exists() and (not final.is_dir() or (any(final.iterdir()) and not (final / MANIFEST).is_file())):
        raise OutputError(
            f"{final} exists and is not a run's folder",
            allowed="a new or empty folder, or an earlier run's",
            remedy="pass another --out",
        )


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Say in one line, as an OutputError, that `folder` can't be written, and why (such as a full disk)."""
    try:
        yield
    except OSError as error:
        reason = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror or str(error)
        raise OutputError(
            f"{folder} can't be written: {reason}",
            allowed="a writable folder with free space",
            remedy="free some space or pass another --out",
        ) from error


def partial_folder(final: Path) -> Path:
    """The working folder of a run before it moves to `final`."""
    return final.parent / f".{final.name}.partial"


def manifest_settings(config: RunConfig) -> dict[str, Any]:
    """The settings as a manifest has them."""
    settings: dict[str, Any] = json.loads(json.dumps(config.described()))
    return settings


def as_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest's settings as `RunConfig` takes them: lists, as JSON has them, become tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a CSV file with six significant digits, because smaller differences are rounding errors."""
    table.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")


def draw_figures(folder: Path) -> None:
    """Draw every figure that the tables written to a folder allow, into its folder `figures`."""
    for name, figure in figures.draw(figures.RunTables(folder)):
        figures.save(figure, folder / "figures" / name)


def draw_report(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write `report.html` from the tables written to a folder, and what its manifest is going to say."""
    report.write_report(figures.RunTables(folder), json.loads(json.dumps(manifest)), folder / report.FILE)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a finished run. Raises OutputError if it can't be read or has no settings."""
    manifest = read_json(folder / MANIFEST)
    if not isinstance(manifest.get("config"), dict):
        raise OutputError(f"{folder / MANIFEST} does not hold the settings of a run", allowed="a run's folder")
    return manifest


def verify(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Files that don't match the manifest's checksums, with the reason.

    Raises OutputError if the manifest has none, or names a file outside the folder.
    """
    files = manifest.get("files")
    if not isinstance(files, dict) or not files:
        raise OutputError(f"{folder / MANIFEST} has no checksums", remedy="pass a folder that `interp run` wrote")
    problems = []
    for name, digest in files.items():
        parts = PurePosixPath(name).parts
        inside = (folder / name).resolve().is_relative_to(folder.resolve())
        if not parts or ".." in parts or name.startswith(("/", "\\")) or not inside:
            raise OutputError(f"{folder / MANIFEST} names the file {name!r}", allowed="files in the run's folder")
        try:
            with (folder / name).open("rb") as file:
                same = hashlib.file_digest(file, "sha256").hexdigest() == digest
        except OSError as error:
            problems.append(f"{name}: {error.strerror}")
        else:
            problems += [] if same else [f"{name}: changed since it was written"]
    return problems


def read_json(path: Path) -> dict[str, Any]:
    """The keys of a JSON file; raises OutputError if it can't be read or holds none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise OutputError(
            f"{path} can't be read: {reason_of(error)}", remedy="run it again, into another folder"
        ) from error
    if not isinstance(value, dict):
        raise OutputError(f"{path} holds no keys", remedy="run it again, into another folder")
    return value
