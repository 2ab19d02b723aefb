"""`interp study`: many runs from one file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli import options
from interp.cli.experiments._dry import problems
from interp.cli.groups import group
from interp.cli.printing import bytes_text, seconds_text
from interp.studies.executors import ExecutorOptions

if TYPE_CHECKING:
    from interp.studies import Outcome, PlannedRun, RunCost, StudyFile

app = group("Run every combination of the models, data and seeds in one file.")

StudyPath = Annotated[Path, typer.Argument(help="YAML file (docs/studies.md).", show_default=False)]
Out = Annotated[Path, typer.Option(help="Folder that will hold the study's folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.callback()
def study() -> None:
    """Run every combination of the models, data and seeds in one file."""


@app.command(epilog="Examples:  interp study show study.yaml  |  interp study show study.yaml --json")
def show(file: StudyPath, out: Out = Path("runs"), as_json: AsJson = False) -> None:
    """Check a study and print its runs and units, with the time and disk space they need. Nothing is run or written.

    The exit code is 1 if a run would not fit on this machine.
    """
    study, planned = _planned(file, out)
    with options.interruptible("nothing was written"):
        _show(study, planned, as_json)


@app.command(
    epilog="Examples:  interp study run study.yaml  |  interp study run study.yaml --workers 2  |  "
    "interp study run study.yaml --executor slurm --workers 16 --slurm-partition gpu --slurm-gres gpu:1"
)
@options.grouped(executor=options.Group(ExecutorOptions))
def run(
    file: StudyPath,
    executor: ExecutorOptions,
    out: Out = Path("runs"),
    dry_run: options.DryRun = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the study's folder.")] = False,
) -> None:
    """Run a study: each run gets its own folder, and plane.csv collects the planes of all runs.

    The whole file is checked first. Finished runs are skipped, so the same command continues a study that was stopped.
    If a run fails the others go on, and the exit code is 1.
    """
    study, planned = _planned(file, out)
    if dry_run:
        _show(study, planned, as_json=False)
        return
    with options.interruptible("finished units are kept; give the same command again to continue"):
        outcomes = _run(study, planned, executor, quiet)
    _report(study, outcomes, quiet)


def _planned(file: Path, out: Path) -> tuple[StudyFile, list[PlannedRun]]:
    from interp.studies import read_study

    study = read_study(file, out)
    from interp.studies import plan_study  # after the file is checked, as it loads torch

    return study, plan_study(study)


def _run(study: StudyFile, planned: list[PlannedRun], executor: ExecutorOptions, quiet: bool) -> list[Outcome]:
    from interp.progress import Bars
    from interp.studies import gather_run, run_study
    from interp.studies.executors import execute, limit_threads
    from interp.study.stages import compute

    def tell(line: str) -> None:
        if not quiet:
            print(line, file=sys.stderr, flush=True)

    limit_threads(executor.threads)  # what is gathered here has the bits that workers would give it
    units = sum(len(run.units) for run in planned if not run.finished)
    tell(f"{study.name}: {len(planned)} runs, {units} units to do (interp study show estimates their time)")
    return run_study(
        study, planned, lambda units: execute(units, executor, compute), lambda run: gather_run(run, Bars(quiet)), tell
    )


def _report(study: StudyFile, outcomes: list[Outcome], quiet: bool) -> None:
    """What finished and what failed; exit code 1 where something failed."""
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    for outcome in failed:
        print(outcome.trace, end="", file=sys.stderr)
    if quiet:
        print(study.folder)
        for outcome in failed:
            print(f"error: {outcome.run.name}: {' '.join(outcome.error.split())}", file=sys.stderr)
    else:
        width = max(len(outcome.run.name) for outcome in outcomes)
        for outcome in outcomes:
            why = f"  {' '.join(outcome.error.split())}" if outcome.error else ""
            print(f"{outcome.run.name:<{width}}  {outcome.status}{why}")
        print(f"\n{len(outcomes) - len(failed)} of {len(outcomes)} runs are finished, {len(failed)} failed")
        print(f"tables  {study.folder}")
    if failed:
        raise typer.Exit(1)


def _show(study: StudyFile, planned: list[PlannedRun], as_json: bool) -> None:
    from interp.model.machine import disk
    from interp.studies import study_costs

    todo = [run for run in planned if not run.finished]
    costs = dict(zip((run.run.name for run in todo), study_costs(todo), strict=True))
    free = disk("runs", study.folder).free
    would_fail = {name: reasons for name, cost in costs.items() if (reasons := problems(cost, None))}
    bytes_all = sum(cost.estimate.disk_bytes for cost in costs.values())
    if free is not None and bytes_all > free:
        would_fail[study.name] = [f"{bytes_text(bytes_all)} to write, {bytes_text(free)} free"]
    summary = {
        "name": study.name,
        "folder": str(study.folder),
        "runs": [_described(run, costs.get(run.run.name)) for run in planned],
        "to_do": {
            "runs": len(todo),
            "units": sum(len(run.units) for run in todo),
            "seconds": [sum(cost.estimate.total[end] for cost in costs.values()) for end in (0, 1)],
            "disk_bytes": bytes_all,
        },
        "disk_free": free,
        "would_fail": would_fail,
    }
    print(json.dumps(summary, indent=1, ensure_ascii=False) if as_json else "\n".join(_lines(summary)))
    if would_fail:
        raise typer.Exit(1)


def _described(planned: PlannedRun, cost: RunCost | None) -> dict[str, Any]:
    config = planned.run.config
    return {
        "run": planned.run.name, "model": config.model, "universal": config.universal, "cultural": config.cultural,
        "seed": config.seed, "languages": list(planned.inputs.languages),
        "units": [unit.name for unit in planned.units], "finished": planned.finished,
    } | ({"seconds": list(cost.estimate.total), "disk_bytes": cost.estimate.disk_bytes} if cost else {})  # fmt: skip


def _lines(summary: dict[str, Any]) -> list[str]:
    """The study in words: a line per run, then the sums."""
    width = max(len(run["run"]) for run in summary["runs"])
    lines = []
    for run in summary["runs"]:
        left = "finished"
        if "seconds" in run:
            left = f"{_between(run['seconds']):<18}  {bytes_text(run['disk_bytes'])}"
        lines.append(f"{run['run']:<{width}}  {len(run['units']):>3} units  {left}")
    todo, free, n_runs = summary["to_do"], summary["disk_free"], len(summary["runs"])
    lines += [
        "",
        f"to do   {todo['runs']} of {n_runs} runs, {todo['units']} units (searches, languages, and locate)",
        f"time    {_between(todo['seconds'])} in one process, measured on this machine as busy as it is now",
        f"disk    {bytes_text(todo['disk_bytes'])}" + ("" if free is None else f", {bytes_text(free)} free"),
        f"writes  {summary['folder']}",
    ]
    lines += [f"would fail: {name}: {reason}" for name, reasons in summary["would_fail"].items() for reason in reasons]
    return [*lines, "nothing was run or written"]


def _between(seconds: list[float]) -> str:
    return " to ".join(map(seconds_text, seconds))
