"""What a job of an array does: `python -m interp.studies.executors._slurm_task FOLDER MODULE:FUNCTION`.

FOLDER holds `units.json`, a list per job of units; for every unit that is over, `done/<number>.json` is written there.
Shortly before the time limit Slurm sends a signal, and the job puts itself back into the queue: parts that are made
stay in the store, so the same command goes on.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from interp.files import json_text
from interp.studies.executors._base import Compute, Done, attempt
from interp.study.units import Unit

MOST_REQUEUES = 20
"""How often a job may come back, so that one that makes no part in its time ends."""


def named(compute: Compute) -> str:
    """`module:function`; raises ValueError for a function that can't be found by that name."""
    text = f"{compute.__module__}:{compute.__qualname__}"
    if compute.__module__ == "__main__" or "<" in text or "." in compute.__qualname__:
        raise ValueError(f"{text} is not a function of a module")
    return text


def write_whole(path: Path, value: dict[str, Any]) -> None:
    """JSON that a reader sees whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json_text(value), encoding="utf-8")
    temporary.replace(path)


def read_done(path: Path, unit: Unit) -> Done:
    """What a job reported of a unit."""
    values = json.loads(path.read_text(encoding="utf-8"))
    return Done(unit, **values | {"notices": tuple(values["notices"])})


def main(folder: Path, function: str) -> None:
    """Compute the units of this job of the array, but those that are over."""
    module, _, name = function.partition(":")
    job = int(os.environ["SLURM_ARRAY_TASK_ID"])
    units = json.loads((folder / "units.json").read_text(encoding="utf-8"))[job]
    _requeue_on_signal()
    compute: Compute = getattr(importlib.import_module(module), name)
    for unit in units:
        path = folder / "done" / f"{unit['number']}.json"
        if path.exists():
            continue
        done = attempt(Unit(unit["config"], unit["name"]), compute)
        write_whole(path, {key: value for key, value in asdict(done).items() if key != "unit"})


def _requeue_on_signal() -> None:
    """submitit asks Slurm for this signal 90 seconds before the limit; its name is submitit's setting."""
    from submitit import JobEnvironment

    def requeue(number: int, frame: object) -> None:
        restarts = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
        if restarts >= MOST_REQUEUES:
            print(f"the job ran out of time {restarts + 1} times and is not queued again", file=sys.stderr, flush=True)
        else:
            subprocess.run(["scontrol", "requeue", JobEnvironment().job_id], check=True, timeout=60)
        os._exit(1)  # at once: no code between here and the kernel may catch it, and parts are whole or absent

    signal.signal(signal.Signals[f"SIG{JobEnvironment.USR_SIG}"], requeue)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
