"""Runs the blocks of a page, one after the other, in the page's folder: Python in one namespace, commands as they stand."""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import shutil
import subprocess
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

from tests.docs.pages import ROOT, RUN, Block, Command, blocks

SHARED = Path("runs") / "organism-atlas-atlas"
WIDTH = "120"
"""Columns of the terminal that outputs are shown for."""


def run_page(page: Path, folder: Path, shared: Path, *, whole: bool, check: str = "") -> list[str]:
    """What went wrong, block by block; without `whole` a page is run up to its first slow block.

    folder: a new one, in which the page's files are made. shared: where the run that pages share is kept. check:
    assertions about the names that the page's Python leaves behind.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    found = blocks(page)
    with _at_home(folder):
        if any(SHARED.name in block.code for block in found if block.runs):
            _shared_run(shared)
        for block in found:
            if block.mark == "slow" and not whole:
                return []
            if block.title:
                Path(block.title).write_text(block.code, encoding="utf-8")
            if not block.runs:
                continue
            try:
                said = _python(block, names) if block.language == "python" else _console(block, shared)
            except (Exception, SystemExit):
                return [f"{block}: {traceback.format_exc()}"]
            if block.output is not None and (difference := unlike(said, block.output)):
                return [f"{block}: {difference}\n--- it says\n{said}"]
        exec(check, names)
    return []


def unlike(said: str, shown: str) -> str:
    """The first line that is shown and wasn't said. `...` stands for any lines, numbers may differ in the last digit."""
    told, skipping, place = [line.rstrip() for line in said.strip().splitlines()], False, 0
    for line in shown.strip().splitlines():
        if line.strip() == "...":
            skipping = True
            continue
        while place < len(told) and skipping and not _same(told[place], line):
            place += 1
        if place == len(told) or not _same(told[place], line):
            return f"shown and not said: {line}"
        place, skipping = place + 1, False
    return "" if skipping or place == len(told) else f"said and not shown: {told[place]}"


def _same(said: str, shown: str) -> bool:
    one, other = (re.split(r"(?<![\w.])([+-]?\d+\.\d+)", re.sub(r"\s+", " ", text.strip())) for text in (said, shown))
    if len(one) != len(other) or one[::2] != other[::2]:
        return False
    digits = [10.0 ** -len(number.partition(".")[2]) for number in other[1::2]]
    return all(
        math.isclose(float(a), float(b), rel_tol=0, abs_tol=1.01 * step)
        for a, b, step in zip(one[1::2], other[1::2], digits, strict=True)
    )


@contextlib.contextmanager
def _at_home(folder: Path):
    before, environment, shown = Path.cwd(), dict(os.environ), warnings.showwarning
    os.environ |= {"HF_HUB_OFFLINE": "1", "COLUMNS": WIDTH, "NO_COLOR": "1", "MPLBACKEND": "Agg"}
    (folder / "docs").symlink_to(ROOT / "docs")
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ |= environment
        warnings.showwarning = shown


def _commands(block: Block) -> list[Command]:
    return block.commands if block.language == "console" else []


def _python(block: Block, names: dict[str, Any]) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile(block.code, str(block), "exec"), names)
    return said.getvalue()


def _console(block: Block, shared: Path) -> str:
    return "".join(_shared_run(shared) if str(one) == RUN else _run(one) for one in block.commands)


def _run(command: Command) -> str:
    os.environ |= command.environment
    if command.program == "interp":
        return _interp(command.arguments)
    program = sys.executable if command.program == "python" else command.program
    done = subprocess.run([program, *command.arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def _interp(arguments: tuple[str, ...]) -> str:
    from interp.cli import main

    sys.argv = ["interp", *arguments]
    said, complaints = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaints):
        try:
            main()
        except SystemExit as ended:
            if ended.code:
                raise RuntimeError(f"interp {' '.join(arguments)}: {ended.code}\n{complaints.getvalue()}") from None
    return said.getvalue()


def _shared_run(shared: Path) -> str:
    """Copies the run that pages share to this page's folder, and gives what it printed; it is made at the first call."""
    if not (shared / "said.txt").is_file():
        shared.mkdir(parents=True, exist_ok=True)
        with contextlib.chdir(shared):
            said = _interp(tuple(RUN.split()[1:]))
        (shared / "said.txt").write_text(said, encoding="utf-8")
    if not SHARED.is_dir():
        shutil.copytree(shared / SHARED, SHARED)
    return (shared / "said.txt").read_text(encoding="utf-8")
