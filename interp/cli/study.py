"""`interp study`: many runs from one file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli import options
from interp.cli.units import bytes_text, seconds_text
from interp.studies.executors import ExecutorOptions

if TYPE_CHECKING:
    from interp.studies import Outcome, PlannedRun, RunCost, StudyFile

app = typer.Typer(help="Many runs from one file: models x data x seeds.", no_args_is_help=True, rich_markup_mode=None)

StudyPath = Annotated[Path, typer.Argument(help="YAML file (docs/studies.md).", show_default=False)]
Out = Annotated[Path, typer.Option(help="Folder that the study's own folder is made in.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON in place of the table.")]


@app.callback()
def study() -> None:
    """Many runs from one file: models x data x seeds."""


@app.command(epilog="Examples:  interp study show study.yaml  |  interp study show study.yaml --json")
def show(file: StudyPath, out: Out = Path("runs"), as_json: AsJson = False) -> None:
    """Check a study, and print its runs, their units, and the time and disk that they take; nothing is run or written.

    Exit code 1 where a run would not fit.
    """
    found, planned = _planned(file, out)
    try:
        _show(found, planned, as_json)
    except KeyboardInterrupt:
        print("stopped: nothing was written", file=sys.stderr)
        raise typer.Exit(130) from None


@app.command(
    epilog="Examples:  interp study run study.yaml  |  interp study run study.yaml --workers 2  |  "
    "interp study run study.yaml --executor slurm --workers 16 --slurm-partition gpu --slurm-gres gpu:1"
)
@options.grouped(spread=options.Group(ExecutorOptions))
def run(
    file: StudyPath,
    spread: options.Given,
    out: Out = Path("runs"),
    executor: Annotated[str, typer.Option(help="What computes the units: local, ray or slurm.")] = "local",
    dry_run: options.DryRun = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the study's folder and nothing else.")] = False,
) -> None:
    """Run a study: every run in a folder of its own, and all their planes in one plane.csv.

    The whole file is checked first. Runs that are finished are left as they are, so the same command goes on with a
    study that was stopped. A run that fails doesn't stop the others; exit code 1 then.
    """
    chosen = {name: value for name, value in spread.items() if value is not None}
    settings = ExecutorOptions(executor, **chosen)  # type: ignore[arg-type]
    found, planned = _planned(file, out)
    if dry_run:
        _show(found, planned, as_json=False)
        return
    try:
        outcomes = _run(found, planned, settings, quiet)
    except KeyboardInterrupt:
        print("stopped: units that are whole are kept; the same command goes on from there", file=sys.stderr)
        raise typer.Exit(130) from None
    _report(found, outcomes, quiet)


def _planned(file: Path, out: Path) -> tuple[StudyFile, list[PlannedRun]]:
    from interp.studies import read_study

    found = read_study(file, out)
    from interp.studies import plan_study

    return found, plan_study(found)


def _run(found: StudyFile, planned: list[PlannedRun], settings: ExecutorOptions, quiet: bool) -> list[Outcome]:
    from interp.progress import Bars
    from interp.studies import gather_run, run_study
    from interp.studies.executors import execute, limit_threads
    from interp.study.stages import compute

    def tell(line: str) -> None:
        if not quiet:
            print(line, file=sys.stderr, flush=True)

    limit_threads(settings.threads)  # what is gathered here has the bits that workers would give it
    units = sum(len(one.units) for one in planned if not one.finished)
    tell(f"{found.name}: {len(planned)} runs, {units} units to do (interp study show says what they take)")
    return run_study(
        found, planned, lambda units: execute(units, settings, compute), lambda one: gather_run(one, Bars(quiet)), tell
    )


def _report(found: StudyFile, outcomes: list[Outcome], quiet: bool) -> None:
    """What finished and what failed; exit code 1 where something failed."""
    failed = [one for one in outcomes if one.status == "failed"]
    for one in failed:
        print(one.trace, end="", file=sys.stderr)
    if quiet:
        print(found.folder)
        for one in failed:
            print(f"error: {one.run.name}: {' '.join(one.error.split())}", file=sys.stderr)
    else:
        width = max(len(one.run.name) for one in outcomes)
        for one in outcomes:
            why = f"  {' '.join(one.error.split())}" if one.error else ""
            print(f"{one.run.name:<{width}}  {one.status}{why}")
        print(f"\n{len(outcomes) - len(failed)} of {len(outcomes)} runs are finished, {len(failed)} failed")
        print(f"tables  {found.folder}")
    if failed:
        raise typer.Exit(1)


def _show(found: StudyFile, planned: list[PlannedRun], as_json: bool) -> None:
    from interp.cli.dry import problems
    from interp.model.machine import disk
    from interp.studies import study_costs

    todo = [one for one in planned if not one.finished]
    costs = dict(zip((one.run.name for one in todo), study_costs(todo), strict=True))
    free = disk("runs", found.folder).free
    would_fail = {
        name: told
        for name, cost in costs.items()
        if (told := problems(cost.estimate, cost.model, cost.device, cost.free, None))
    }
    bytes_all = sum(cost.estimate.disk_bytes for cost in costs.values())
    if free is not None and bytes_all > free:
        would_fail[found.name] = [f"{bytes_text(bytes_all)} to write, {bytes_text(free)} free"]
    whole = {
        "name": found.name,
        "folder": str(found.folder),
        "runs": [_run_told(one, costs.get(one.run.name)) for one in planned],
        "to_do": {
            "runs": len(todo),
            "units": sum(len(one.units) for one in todo),
            "seconds": [sum(cost.estimate.total[end] for cost in costs.values()) for end in (0, 1)],
            "disk_bytes": bytes_all,
        },
        "disk_free": free,
        "would_fail": would_fail,
    }
    print(json.dumps(whole, indent=1, ensure_ascii=False) if as_json else "\n".join(_lines(whole)))
    if would_fail:
        raise typer.Exit(1)


def _run_told(one: PlannedRun, cost: RunCost | None) -> dict[str, Any]:
    config = one.run.config
    told: dict[str, Any] = {
        "run": one.run.name, "model": config.model, "universal": config.universal, "cultural": config.cultural,
        "seed": config.seed, "languages": list(one.inputs.languages), "units": [unit.name for unit in one.units],
        "finished": one.finished,
    }  # fmt: skip
    if cost is not None:
        told |= {"seconds": list(cost.estimate.total), "disk_bytes": cost.estimate.disk_bytes}
    return told


def _lines(whole: dict[str, Any]) -> list[str]:
    """The study in words: a line per run, then the sums."""
    width = max(len(run["run"]) for run in whole["runs"])
    lines = []
    for run in whole["runs"]:
        left = "finished"
        if "seconds" in run:
            left = f"{_between(run['seconds']):<18}  {bytes_text(run['disk_bytes'])}"
        lines.append(f"{run['run']:<{width}}  {len(run['units']):>3} units  {left}")
    todo, free = whole["to_do"], whole["disk_free"]
    lines += [
        "",
        f"to do   {todo['runs']} of {len(whole['runs'])} runs, {todo['units']} units (searches, languages, and locate)",
        f"time    {_between(todo['seconds'])} in one process, as busy as this machine is now",
        f"disk    {bytes_text(todo['disk_bytes'])}" + ("" if free is None else f", {bytes_text(free)} free"),
        f"writes  {whole['folder']}",
    ]
    lines += [f"would fail: {name}: {told}" for name, some in whole["would_fail"].items() for told in some]
    return [*lines, "nothing was run or written"]


def _between(seconds: list[float]) -> str:
    return " to ".join(map(seconds_text, seconds))
