"""The run's folder: written beside its final place and moved there when it is whole."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from interp.errors import OutputError

MANIFEST = "manifest.json"


def check_folder(final: Path) -> None:
    """Raise OutputError where `final` holds something that is not a run."""
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
    """Where a run is made before it moves to `final`."""
    return final.parent / f".{final.name}.partial"


@contextmanager
def run_folder(final: Path, parts: Sequence[str] = ()) -> Iterator[Path]:
    """A working folder with the folders `parts`; it becomes `final` when the block ends well, else it is removed.

    Raises OutputError where the folder can't be written, the disk is full, or `final` holds something
    that is not a run.
    """
    check_folder(final)
    working = partial_folder(final)
    try:
        with writable(final):
            shutil.rmtree(working, ignore_errors=True)
            working.mkdir(parents=True)
            for part in parts:
                (working / part).mkdir()
            yield working
            if final.exists():
                shutil.rmtree(final)
            os.replace(working, final)
    finally:
        shutil.rmtree(working, ignore_errors=True)


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """CSV with six significant digits: differences below that are rounding, not results."""
    table.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")


def draw_figures(folder: Path) -> None:
    """Draw every figure that the tables written to a folder allow, into its folder `figures`."""
    from figures import RunTables, draw, save

    for name, figure in draw(RunTables(folder)):
        save(figure, folder / "figures" / name)


def draw_report(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write `report.html` from the tables written to a folder, and what its manifest is going to say."""
    from figures import RunTables
    from figures.report import FILE, write_report

    write_report(RunTables(folder), json.loads(json.dumps(manifest)), folder / FILE)
