"""A study: every run of a study file, looked up before anything starts, its units executed, each run gathered."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from interp.data import fingerprint
from interp.errors import OutputError, TranslocalError
from interp.files import whole
from interp.model.read import check_template
from interp.studies._file import StudyFile, StudyRun
from interp.studies._listing import PLANE, read_plane
from interp.studies.executors import Done
from interp.study import cost
from interp.study.ask import Inputs, check_enough, check_model, named_counts, resolve_data
from interp.study.config import LEAST_LIMIT, RunConfig
from interp.study.folder import MANIFEST, finished_manifest, hold, writable, write_csv
from interp.study.units import Unit, units_of

NOT_DATA: dict[str, Any] = {
    "model": "", "adapter": "", "revision": "", "quantization": "", "n_devices": None, "device": "auto",
    "dtype": "auto", "memory": "auto", "batch_size": None, "template": "auto", "seed": 0, "out": "",
}  # fmt: skip
"""Settings that datasets don't depend on, at one value: runs that are alike but for these read them once."""


Execute = Callable[[Sequence[Unit]], Iterable[Done]]
Gather = Callable[["PlannedRun"], None]


@dataclass(frozen=True)
class PlannedRun:
    """A run that is ready to start: datasets are read and names looked up. finished: whether it is finished already."""

    run: StudyRun
    inputs: Inputs
    units: tuple[Unit, ...]
    finished: bool


@dataclass
class Outcome:
    """How a run ended, when (seconds after the start), and why it failed. trace: traceback of an internal error."""

    run: StudyRun
    status: Literal["finished", "finished before", "failed"]
    seconds: float
    error: str = ""
    trace: str = ""


def plan_study(study: StudyFile) -> list[PlannedRun]:
    """Look up every name of every run and read every dataset once.

    Raises a TranslocalError, with the run's name, for what is unknown or missing, for a folder that holds something
    else, and for a finished run of other settings or data.
    """
    if (study.folder / MANIFEST).exists():
        raise OutputError(
            f"{study.folder} is the folder of a run", remedy="give the study another name or another --out"
        )
    read: dict[RunConfig, Inputs] = {}
    planned = []
    for run in study.runs:
        try:
            check_model(run.config)
            check_template(run.config.template)
            key = replace(run.config, **NOT_DATA)
            if key not in read:
                read[key] = resolve_data(run.config)
            inputs = read[key]
            check_enough(inputs, named_counts(run.config), least=LEAST_LIMIT, locating=True)
            run = replace(run, config=cost.settle(run.config, inputs))
            planned.append(PlannedRun(run, inputs, tuple(units_of(run.config, inputs)), _finished(run, inputs)))
        except TranslocalError as error:
            raise type(error)(f"{run.name}: {error}") from error
    return planned


def _finished(run: StudyRun, inputs: Inputs) -> bool:
    """Whether the run's folder is whole; OutputError if it has other settings or was made from other data."""
    manifest = finished_manifest(run.config)
    if manifest is None:
        return False
    for axis, items in (("universal", inputs.universal.items), ("cultural", inputs.cultural.items)):
        if manifest.get("data", {}).get(axis, {}).get("fingerprint") != fingerprint(items):
            raise OutputError(
                f"{run.config.folder} was made from different items of {getattr(inputs, axis).name}",
                remedy="give the study another name, or move that folder away",
            )
    return True


def run_study(
    study: StudyFile,
    planned: Sequence[PlannedRun],
    execute: Execute,
    gather: Gather,
    tell: Callable[[str], None] = lambda line: None,
) -> list[Outcome]:
    """Run a study: execute the units of all unfinished runs, gather each run when its units are done, write plane.csv.

    A run that fails doesn't stop the others. tell: called with a line for every unit and run that ends. Raises
    OutputError if another process works on the study. A call after an interruption continues the study.
    """
    with _alone(study.folder):
        work = _Work(gather, tell)
        outcomes = work.through(planned, execute)
        write_plane(study, [outcome.run for outcome in outcomes if outcome.status != "failed"])
    return outcomes


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the study's lock, so that two processes don't do the same units."""
    with writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = hold(folder)
    try:
        yield
    finally:
        lock.release()


@dataclass
class _Work:
    """What is done so far."""

    gather: Gather
    tell: Callable[[str], None]
    begun: float = field(default_factory=time.perf_counter)
    waiting: dict[str, set[str]] = field(default_factory=dict)
    errors: dict[str, list[str]] = field(default_factory=dict)
    traces: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def through(self, planned: Sequence[PlannedRun], execute: Execute) -> list[Outcome]:
        """Every run to its outcome, in the order of `planned`."""
        owner: dict[str, PlannedRun] = {}
        for one in planned:
            if one.finished:
                self._end(one, "finished before")
            else:
                self.waiting[one.run.name] = {unit.key for unit in one.units}
                owner |= {unit.key: one for unit in one.units}
        units = [unit for one in planned if not one.finished for unit in one.units]
        for done in execute(units) if units else ():
            self._unit(owner[done.unit.key], done)
        for one in planned:
            if one.run.name not in self.outcomes:
                unfinished = f"{len(self.waiting[one.run.name])} units did not finish"
                self._end(one, "failed", "; ".join([*self.errors.get(one.run.name, ()), unfinished]))
        return [self.outcomes[one.run.name] for one in planned]

    def _unit(self, one: PlannedRun, done: Done) -> None:
        name = one.run.name
        self.waiting[name].discard(done.unit.key)
        if done.error is not None:
            self.errors.setdefault(name, []).append(f"{done.unit.name} on {done.host}: {done.error}")
            self.traces[name] = self.traces.get(name, "") + done.traceback
        whole = len(one.units) - len(self.waiting[name])
        self.tell(f"{name}: {done.unit.name} {'failed' if done.error else 'done'}, {whole} of {len(one.units)}")
        if self.waiting[name]:
            return
        if name in self.errors:
            self._end(one, "failed", "; ".join(self.errors[name]), self.traces[name])
            return
        try:
            self.gather(one)
        except TranslocalError as error:
            self._end(one, "failed", str(error))
        except Exception as error:
            self._end(one, "failed", f"{type(error).__name__}: {error}", traceback.format_exc())
        else:
            self._end(one, "finished")

    def _end(
        self,
        one: PlannedRun,
        status: Literal["finished", "finished before", "failed"],
        error: str = "",
        trace: str = "",
    ) -> None:
        self.outcomes[one.run.name] = Outcome(one.run, status, time.perf_counter() - self.begun, error, trace)
        self.tell(f"{one.run.name}: {status}")


def write_plane(study: StudyFile, runs: Sequence[StudyRun]) -> Path | None:
    """All rows of the runs' planes in one `plane.csv` in the study's folder, digit for digit; None without runs.

    In front: model as the study calls it, universal, cultural, seed, and run, the folder.
    """
    if not runs:
        return None
    table = pd.concat([_plane(run) for run in runs], ignore_index=True)
    with writable(study.folder), whole(study.folder / PLANE) as working:
        write_csv(working, table)
    return study.folder / PLANE


def _plane(run: StudyRun) -> pd.DataFrame:
    table = read_plane(run.config.folder, text=True)
    named = {"model": run.model, "universal": table["universal"], "cultural": table["cultural"]}
    front = pd.DataFrame({**named, "seed": str(run.config.seed), "run": run.name}, index=table.index)
    return front.join(table.drop(columns=list(named)))
