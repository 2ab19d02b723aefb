"""What runs there are in a folder, how far each is, and what a finished one says of itself."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from figures import read_table
from interp.errors import ConfigError, OutputError, nearest, reason_of
from interp.files import PARTIAL, not_a_folder
from interp.study.folder import DAMAGED, IDENTITY, LOCK, MANIFEST, PARTS, partial_folder, read_json
from interp.study.units import RECORDS

PLANE = "plane.csv"
DEPTH = 3
"""How far below the folder runs are looked for: a study's runs are at 2."""


@dataclass(frozen=True)
class Listed:
    """A run on disk. folder: its own folder, or the working folder of an unfinished run.

    For an unfinished run: parts: number of stored results; done, units: finished units and all units (None if unknown);
    left: seconds left, with one unit at a time. when: seconds since the epoch. problem: why a run is broken.
    """

    name: str
    folder: Path
    status: Literal["finished", "running", "stopped", "broken"]
    when: float
    model: str = ""
    universal: str = ""
    cultural: str = ""
    parts: int | None = None
    done: int | None = None
    units: int | None = None
    seconds: float | None = None
    left: float | None = None
    problem: str = ""

    @property
    def whole(self) -> bool:
        """Whether the folder is a run's own, with a manifest."""
        return not self.folder.name.endswith(PARTIAL)


def find_runs(root: Path) -> list[Listed]:
    """Find finished and unfinished runs in `root`, by name, at most DEPTH folders down.

    Raises OutputError if `root` is not a folder.
    """
    if not root.is_dir():
        raise OutputError(f"{root} {not_a_folder(root)}", remedy="pass --dir with the folder that holds runs")
    return sorted(_below(root, root, DEPTH), key=lambda run: (run.name, not run.whole))


def find_run(root: Path, name: str) -> Listed:
    """The run of that name in `root`, or in a folder of that path; raises ConfigError if there is none."""
    runs = find_runs(root) if root.is_dir() else []
    folder = Path(name)
    run = next((run for run in runs if run.name == name), None)
    if run is None and (folder / MANIFEST).is_file():
        run = _finished(name, folder)
    if run is not None:
        return run
    raise ConfigError(
        f"there is no run {name!r} in {root}",
        allowed="a name of `interp runs`, or a run's folder",
        remedy=nearest(name, [run.name for run in runs], "look at `interp runs`"),
    )


def finished_folder(root: Path, name: str) -> Path:
    """The folder of the finished run of that name in `root`, or of that path.

    Raises ConfigError for an unknown run, OutputError for one that is not finished.
    """
    place = Path(name)
    unfinished = not (place / MANIFEST).is_file() and partial_folder(place).is_dir()
    status = "not finished" if unfinished else (run := find_run(root, name)).status
    if status != "finished":
        raise OutputError(f"run {name} is {status}", allowed="finished runs", remedy="finish it first")
    return run.folder


def read_plane(folder: Path, *, text: bool = False) -> pd.DataFrame:
    """The rows of a run's plane.csv (text: as it writes them); raises OutputError if it isn't there or is broken."""
    path = folder / PLANE
    try:
        table = read_table(path, text=text)
        for column in ("method", "language", "universal", "cultural", "n_universal", "transfer", "d_transfer_lo"):
            table[column]
    except (OSError, ValueError, KeyError) as error:
        reason = f"no column {error}" if isinstance(error, KeyError) else reason_of(error)
        raise OutputError(f"{path} can't be read: {reason}", remedy="run it again, into another folder") from error
    return table


def _below(root: Path, folder: Path, depth: int) -> Iterator[Listed]:
    try:
        entries = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    except OSError:  # a folder that may not be read holds no runs of ours
        return
    for entry in entries:
        name = entry.relative_to(root).as_posix()
        if entry.name.startswith("."):
            if entry.name.endswith(PARTIAL) and (entry / IDENTITY).is_file():
                own = entry.with_name(entry.name[1 : -len(PARTIAL)])
                if working := _working(own.relative_to(root).as_posix(), entry):
                    yield working
        elif (entry / MANIFEST).is_file():
            if run := _finished(name, entry):
                yield run
        elif depth > 1:
            yield from _below(root, entry, depth - 1)


def _finished(name: str, folder: Path) -> Listed | None:
    """A folder with a manifest; None if that is of something else than a run."""
    when = (folder / MANIFEST).stat().st_mtime
    try:
        manifest = read_json(folder / MANIFEST)
    except OutputError as error:
        return Listed(name, folder, "broken", when, problem=str(error))
    config = manifest.get("config")
    if not isinstance(config, dict):
        return None
    model, seconds = manifest.get("model"), manifest.get("seconds")
    return Listed(
        name, folder, "finished", when,
        model=_text((model if isinstance(model, dict) else {}).get("name") or config.get("model")),
        universal=_text(config.get("universal")), cultural=_text(config.get("cultural")),
        seconds=sum(_numbers(seconds.values())) if isinstance(seconds, dict) else None,
    )  # fmt: skip


def _working(name: str, folder: Path) -> Listed | None:
    """A run that isn't finished: a process that holds its lock, or its study's, is at work on it.

    None if it ended while we looked.
    """
    try:
        when = max(path.stat().st_mtime for path in (folder / IDENTITY, *folder.glob(f"{PARTS}/**")))
    except FileNotFoundError:
        return None
    try:
        identity = read_json(folder / IDENTITY)
    except OutputError as error:
        return Listed(name, folder, "broken", when, problem=str(error))
    config = identity.get("config")
    config = config if isinstance(config, dict) else {}
    records = {path.name.rsplit(".", 2)[0]: path for path in sorted((folder / PARTS / RECORDS).glob("*.json"))}
    languages = identity.get("languages") or config.get("languages")
    units = len(languages) + 1 if isinstance(languages, (list, dict)) and languages else None
    took = [seconds for path in records.values() for seconds in _seconds(path)]
    at_work = held(folder) or held(folder.parent)
    return Listed(
        name, folder, "running" if at_work else "stopped", when,
        model=_text(config.get("model")), universal=_text(config.get("universal")),
        cultural=_text(config.get("cultural")), parts=_parts(folder), done=len(records), units=units,
        seconds=sum(took) if took else None,
        left=sum(took) / len(took) * (units - len(records)) if took and units else None,
    )  # fmt: skip


def _parts(folder: Path) -> int:
    """How many results are kept, records apart."""
    return sum(
        1 for where, _, names in os.walk(folder / PARTS) if Path(where).name not in (RECORDS, DAMAGED)
        for name in names if not name.startswith(".")
    )  # fmt: skip


def held(folder: Path) -> bool:
    """Whether a process holds the folder's lock now."""
    try:
        lock = os.open(folder / LOCK, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def _seconds(path: Path) -> list[float]:
    """What a unit's record says that it took; nothing where it doesn't."""
    try:
        value = read_json(path).get("value")
    except OutputError:
        return []
    return _numbers([value.get("seconds")]) if isinstance(value, dict) else []


def _numbers(values: Any) -> list[float]:
    return [float(value) for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
