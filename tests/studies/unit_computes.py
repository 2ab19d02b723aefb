"""What units of these tests do, in processes that find this module on their path: no test of its own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import warnings
from pathlib import Path

from interp.errors import DataError, Notice
from interp.study.units import Unit

_HELD: list[str] = []
"""Stands for a model that a process keeps."""

_LOCKS: list[object] = []
"""Locks that a process keeps to its end, as tqdm does."""


def compute(unit: Unit) -> None:
    """Log the attempt, do what the unit's config says, write the unit's result."""
    out = Path(unit.config["out"])
    out.mkdir(parents=True, exist_ok=True)
    first = not _attempted(out, unit.name)
    _HELD.append(unit.name)
    line = f"{unit.name} {os.getpid()} {len(_HELD)} {os.environ.get('OMP_NUM_THREADS', '')}\n"
    with (out / "attempts").open("a") as log:
        log.write(line)
    does = unit.config.get("does", "")
    if does == "die" or (does == "die once" and first):
        os.kill(os.getpid(), signal.SIGKILL)
    if does == "exit":
        os._exit(3)
    if does == "mistake":
        raise DataError("no such\nlanguage", remedy="another")
    if does == "bug":
        raise ZeroDivisionError("by nothing")
    if does == "out of time once" and first:
        os.kill(os.getpid(), signal.SIGUSR2)
        time.sleep(30)
    if does == "sleep":
        time.sleep(60)
    if does == "lock":
        _LOCKS.append(multiprocessing.Lock())
    if does == "notice":
        warnings.warn("part set aside", Notice, stacklevel=1)
    time.sleep(unit.config.get("seconds", 0))
    (out / unit.name).write_text(f"result of {unit.name}")


def _attempted(out: Path, name: str) -> bool:
    return any(line[0] == name for line in attempts(out))


def attempts(out: Path) -> list[list[str]]:
    """Name, process, units of that process so far and threads, per attempt."""
    log = out / "attempts"
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []
