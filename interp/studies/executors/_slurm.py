"""Units as job arrays of Slurm, submitted through submitit.

submitit writes the batch script, calls sbatch, and asks sacct for states. Its pickles are not used: a job is told its
units by a JSON file, writes one per finished unit, and results go through the store.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from interp.errors import ConfigError, OutputError
from interp.studies.executors._base import Compute, Done, lost
from interp.studies.executors._options import ExecutorOptions
from interp.studies.executors._slurm_task import named, read_done
from interp.study.units import Unit

POLL = 2.0
"""Seconds between looks at the folder where jobs tell."""
ASK = 30.0
"""Seconds between questions to sacct."""
GRACE = 30.0
"""Seconds after a job ended in which a slow disk may still bring what it told."""
MOST_JOBS = 1000
"""Jobs in an array: Slurm's own MaxArraySize is 1001."""


@dataclass
class _Job:
    """A job of an array: its units by number, submitit's handle, and when it was first seen to have ended."""

    units: dict[int, Unit]
    handle: Any
    done: Path
    ended: float | None = None
    begun: float = field(default_factory=time.perf_counter)


def execute(units: Sequence[Unit], options: ExecutorOptions, compute: Compute) -> Iterator[Done]:
    """Units in jobs, `options.workers` at once; those of languages when all searches are over.

    A job that ends without telling of a unit costs that unit an attempt. Jobs that are left are cancelled when the
    caller stops or Ctrl-C comes. What the jobs wrote is removed in the end, and kept where a unit has an error. Raises
    ConfigError if submitit or Slurm is not there or refuses.
    """
    _submitit()
    folder = _own_folder(units, options)
    left = dict(enumerate(units))
    attempts = dict.fromkeys(left, 0)
    jobs: list[_Job] = []
    failed = False
    try:
        searching = {unit.run for unit in units if unit.searches}
        later = {number: unit for number, unit in left.items() if unit.waits and unit.run in searching}
        first = {number: unit for number, unit in left.items() if number not in later}
        jobs = _submit(first, folder, options, compute)
        asked = time.monotonic()
        while jobs or later:
            if later and not any(unit.searches for job in jobs for unit in job.units.values()):
                jobs += _submit(later, folder, options, compute)
                later = {}
            if time.monotonic() - asked >= ASK:
                _look_for_ended(jobs)
                asked = time.monotonic()
            for done in _finished(jobs):
                failed = failed or done.error is not None
                yield done
            again: dict[int, Unit] = {}
            for job in [job for job in jobs if _over(job)]:
                jobs.remove(job)
                for number, unit in job.units.items():
                    attempts[number] += 1
                    if attempts[number] <= options.retries:
                        again[number] = unit
                        continue
                    failed = True
                    seconds = time.perf_counter() - job.begun
                    yield lost(unit, seconds, socket.gethostname(), attempts[number], _why(job))
            jobs += _submit(again, folder, options, compute)
            if jobs:
                time.sleep(POLL)
    finally:
        _cancel(jobs)
        if not failed and not jobs:
            shutil.rmtree(folder, ignore_errors=True)


def _submitit() -> Any:
    try:
        import submitit
    except ImportError as error:
        raise ConfigError(
            "the executor slurm needs submitit, which is not installed", remedy="pip install 'translocal[slurm]'"
        ) from error
    for command in ("sbatch", "srun", "sacct", "scancel"):
        if shutil.which(command) is None:
            raise ConfigError(
                f"the executor slurm needs {command}, which is not in PATH",
                remedy="run the command on a node of the cluster",
            )
    return submitit


def _own_folder(units: Sequence[Unit], options: ExecutorOptions) -> Path:
    """A new folder that only this user can read."""
    parent = Path(options.slurm_folder) if options.slurm_folder else Path(units[0].config["out"]).parent / ".slurm"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=parent)).resolve()
    except OSError as error:
        raise OutputError(
            f"{parent} can't be written: {error.strerror}", remedy="--slurm-folder, on a disk that all nodes see"
        ) from error


def _submit(left: dict[int, Unit], folder: Path, options: ExecutorOptions, compute: Compute) -> list[_Job]:
    """Arrays of jobs for the units that are left."""
    size = options.slurm_units_per_job
    numbers = list(left)
    blocks = [numbers[i : i + size] for i in range(0, len(numbers), size)]
    arrays = [blocks[i : i + MOST_JOBS] for i in range(0, len(blocks), MOST_JOBS)]
    jobs: list[_Job] = []
    try:
        for array in arrays:
            at_once = max(1, options.workers // len(arrays))
            jobs += _submit_array([{n: left[n] for n in block} for block in array], folder, options, compute, at_once)
    except BaseException:
        _cancel(jobs)
        raise
    return jobs


def _submit_array(
    blocks: Sequence[dict[int, Unit]], parent: Path, options: ExecutorOptions, compute: Compute, at_once: int
) -> list[_Job]:
    submitit = _submitit()
    folder = Path(tempfile.mkdtemp(prefix="array-", dir=parent))
    (folder / "done").mkdir()
    units = [[{"number": n, "name": u.name, "config": dict(u.config)} for n, u in block.items()] for block in blocks]
    (folder / "units.json").write_text(json.dumps(units), encoding="utf-8")
    executor = submitit.SlurmExecutor(folder)
    executor.update_parameters(**_parameters(options, at_once))
    executor.parameters["map_count"] = len(blocks)  # what submitit itself sets to make an array
    task = ["-m", "interp.studies.executors._slurm_task", str(folder), named(compute)]
    try:
        first = executor._submit_command(shlex.join([sys.executable, "-u", *task]))
    except (submitit.core.utils.FailedJobError, submitit.core.utils.FailedSubmissionError) as error:
        lines = [line for line in str(error).splitlines() if "error" in line.lower()] or str(error).splitlines()
        raise ConfigError(
            f"sbatch refused: {lines[-1].strip()}", remedy="check --slurm-account, --slurm-partition, --slurm-gres"
        ) from error
    handles = [submitit.SlurmJob(folder, f"{first.job_id}_{i}") for i in range(len(blocks))]
    return [_Job(dict(block), handle, folder / "done") for block, handle in zip(blocks, handles, strict=True)]


def _parameters(options: ExecutorOptions, at_once: int) -> dict[str, Any]:
    """What goes into the batch script; Slurm puts a job whose node fails back into the queue."""
    named_settings = {
        "account": options.slurm_account,
        "partition": options.slurm_partition,
        "gres": options.slurm_gres,
        "mem": options.slurm_memory,
        "cpus_per_task": options.threads,
    }
    threads = {  # srun does not take cpus-per-task from the job since Slurm 22.05
        "setup": [f"export OMP_NUM_THREADS={options.threads}"],
        "srun_args": [f"--cpus-per-task={options.threads}"],
    }
    return {
        "job_name": "translocal",
        "wckey": None,
        "time": options.slurm_time,
        "array_parallelism": at_once,
        "additional_parameters": {"requeue": True},
        **threads,
        **{key: value for key, value in named_settings.items() if value},
    }


def _cancel(jobs: Sequence[_Job]) -> None:
    """Whole arrays: their other jobs have ended."""
    if jobs:
        arrays = sorted({job.handle.job_id.partition("_")[0] for job in jobs})
        subprocess.run(["scancel", *arrays], check=False)


def _look_for_ended(jobs: Sequence[_Job]) -> None:
    """One question to sacct for all; a job that ended has some time to tell."""
    jobs[0].handle.get_info(mode="force")
    for job in jobs:
        if job.ended is None and job.handle.watcher.is_done(job.handle.job_id, mode="cache"):
            job.ended = time.monotonic()


def _finished(jobs: list[_Job]) -> Iterator[Done]:
    """Units that jobs reported since the last look. A job all of whose units are over is dropped."""
    names = {folder: set(os.listdir(folder)) for folder in {job.done for job in jobs}}
    for job in list(jobs):
        for number in [n for n in job.units if f"{n}.json" in names[job.done]]:
            yield read_done(job.done / f"{number}.json", job.units.pop(number))
        if not job.units:
            jobs.remove(job)


def _over(job: _Job) -> bool:
    return job.ended is not None and time.monotonic() - job.ended >= GRACE


def _why(job: _Job) -> str:
    log = job.handle.paths.stderr
    return f"job {job.handle.job_id} ended as {job.handle.state}; its log: {log}"
