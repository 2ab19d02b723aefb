"""Run a small sweep in children that are killed at random moments, until it ends; print what was seen as JSON.

Arguments: folders of runs, each with the number of its kills: one=0 other=30.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path

from interp.model.load import load_model
from interp.progress import Bars
from interp.study.ask import resolve
from interp.study.config import RunConfig
from interp.study.folder import partial_folder
from interp.study.run import run

SETTINGS = {
    "languages": ("el",), "limit": 60, "strengths": (1.0,), "design": "exhaustive", "draws": 4, "bootstrap_draws": 200,
    "attribution_items": 0,
}  # fmt: skip
WRITES = 8
"""So many kills wait until a part is being written."""


def child(config: RunConfig, model: object, inputs: object) -> int:
    """Start a process that goes on with the run; it writes slowly, so that kills fall into writes."""
    pid = os.fork()
    if pid:
        return pid
    sync = os.fsync

    def slowly(file: int) -> None:
        time.sleep(0.02)
        sync(file)

    os.fsync = slowly
    try:
        run(config, Bars(quiet=True), model, inputs)  # type: ignore[arg-type]
        os._exit(0)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)


def half_written(folder: Path) -> list[str]:
    """Temporary files of parts."""
    return [name for _, _, names in os.walk(folder / "parts") for name in names if name.startswith(".")]


def ended(pid: int) -> int | None:
    """The exit status of a child that has ended."""
    found, status = os.waitpid(pid, os.WNOHANG)
    return None if found == 0 else status


def main(asked: list[str]) -> None:
    warnings.simplefilter("ignore")
    inputs, model = resolve(RunConfig(**SETTINGS)), load_model("organism", device="cpu")
    for one in asked:
        out, _, kills = one.rpartition("=")
        print(json.dumps(disturbed(RunConfig(out=out, **SETTINGS), model, inputs, int(kills))), flush=True)


def disturbed(config: RunConfig, model: object, inputs: object, kills: int) -> dict[str, object]:
    """One run to its end through so many kills."""
    folder, rng = partial_folder(config.folder), random.Random(0)
    seen = {"kills": 0, "in_writes": 0, "parts": []}
    first = time.perf_counter()
    while True:
        pid, begun = child(config, model, inputs), time.perf_counter()
        aimed = seen["kills"] < WRITES
        until = rng.uniform(0.2, 3.0) if not aimed else 60.0
        while (status := ended(pid)) is None:
            if seen["kills"] < kills and (time.perf_counter() - begun > until or (aimed and half_written(folder))):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                seen["kills"] += 1
                seen["in_writes"] += bool(half_written(folder))
                seen["parts"].append(sum(len(n) for _, _, n in os.walk(folder / "parts")))
                break
            time.sleep(0.002)
        if status is not None:
            if os.waitstatus_to_exitcode(status):
                sys.exit("a child failed")
            if seen["kills"] >= kills:
                return seen | {"seconds": round(time.perf_counter() - first, 1)}
            sys.exit(f"the run ended after {seen['kills']} kills: {seen['parts']}")


if __name__ == "__main__":
    main(sys.argv[1:])
