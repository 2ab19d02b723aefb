"""`interp runs`: what runs there are, what one found, and how two differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from figures import estimate
from interp.cli import options
from interp.cli.groups import group
from interp.cli.planes import show_plane
from interp.cli.printing import seconds_text, wide_console
from interp.errors import OutputError
from interp.names import MACRO

if TYPE_CHECKING:
    import pandas as pd

    from interp.studies import Difference, Listed

EXAMPLES = (
    "Examples:  interp runs  |  interp runs show organism-atlas-atlas --verify  |  interp runs diff sizes/a sizes/b"
)
app = group("List runs, show the results of a run, or compare two runs.", bare_is_help=False, epilog=EXAMPLES)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


@app.callback(invoke_without_command=True)
def runs(context: typer.Context, folder: options.RunsFolder = None, as_json: AsJson = False) -> None:
    """List finished runs, and the progress of unfinished ones."""
    context.obj = folder
    if context.invoked_subcommand:
        return
    from interp.studies import find_runs

    usual = Path("runs")
    listed = find_runs(folder or usual) if folder or usual.exists() else []
    if as_json:
        print(json.dumps([_described(run) for run in listed], indent=1, ensure_ascii=False))
        return
    if not listed:
        print(f"no runs yet in {folder or usual}; `interp run` starts one")
        return
    rows = [[_plain(cell) for cell in _row(run)] for run in listed]
    _table(("run", "status", "progress", "left", "took", "when", "model", "data"), rows)


@app.command(epilog="Examples:  interp runs show organism-atlas-atlas  |  interp runs show runs/mine --verify --json")
def show(
    context: typer.Context,
    name: options.RunName,
    folder: options.RunsFolder = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check the files against their checksums.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a run: its settings, model, data, timings, and the macro rows of its plane with intervals.

    --verify: exit code 1 where a file does not match its checksum.
    """
    from interp.studies import PLANE, find_run, read_plane
    from interp.study.folder import read_manifest
    from interp.study.folder import verify as verify_files

    run = find_run(_root(context, folder), name)
    if not run.whole:
        print(json.dumps(_described(run), indent=1, ensure_ascii=False) if as_json else "\n".join(_unfinished(run)))
        return
    manifest = read_manifest(run.folder)
    plane = read_plane(run.folder) if (run.folder / PLANE).is_file() else None
    problems = verify_files(run.folder, manifest) if verify else []
    if as_json:
        described = {
            "run": run.name, "folder": str(run.folder), "manifest": manifest,
            "plane": [] if plane is None else _records(plane[plane["language"] == MACRO]),
        } | ({"damaged": problems} if verify else {})  # fmt: skip
        print(json.dumps(described, indent=1, ensure_ascii=False))
    else:
        print("\n".join(_plain(line) for line in _lines(run, manifest)))
        if plane is not None:
            show_plane(plane, str(manifest.get("split", "test")), {})
        if verify:
            print("\n".join(map(_plain, problems)) or f"{len(manifest['files'])} files match their checksums")
    if problems:
        raise typer.Exit(1)


@app.command(epilog="Examples:  interp runs diff sizes/a-seed0 sizes/a-seed1  |  interp runs diff a b --json")
def diff(
    context: typer.Context,
    a: options.RunName,
    b: options.RunName,
    folder: options.RunsFolder = None,
    as_json: AsJson = False,
) -> None:
    """Say how two finished runs differ: settings, model, data, versions, and results (B minus A) with intervals.

    Where both scored the same items, differences are paired by item and have intervals; elsewhere they have none.
    """
    from interp.studies import compare, find_run

    root = _root(context, folder)
    pair = [find_run(root, name) for name in (a, b)]
    for run in pair:
        if not run.whole:
            raise OutputError(f"run {run.name} is {run.status}", allowed="finished runs", remedy="finish it first")
    difference = compare(pair[0].folder, pair[1].folder)
    if as_json:
        print(json.dumps(_difference_described(pair, difference), indent=1, ensure_ascii=False))
        return
    _print_difference(pair, difference)


def _root(context: typer.Context, folder: Path | None) -> Path:
    return folder or context.obj or Path("runs")


def _described(run: Listed) -> dict[str, Any]:
    return {key: value for key, value in vars(run).items() if value is not None} | {"folder": str(run.folder)}


def _row(run: Listed) -> list[str]:
    progress = ""
    if run.parts and not run.done:
        progress = f"{run.parts} parts"
    elif run.done is not None:
        progress = f"{run.done} of {run.units} units" if run.units else f"{run.done} units"
    return [
        run.name,
        run.status,
        progress,
        "" if run.left is None else seconds_text(run.left),
        "" if run.seconds is None else seconds_text(run.seconds),
        datetime.fromtimestamp(run.when).strftime("%Y-%m-%d %H:%M"),
        run.model,
        f"{run.universal} {run.cultural}".strip() or run.problem,
    ]


def _unfinished(run: Listed) -> list[str]:
    name, status, progress, left, *_ = (_plain(cell) for cell in _row(run))
    lines = [f"{name}: {status}, {progress}".rstrip(", ")]
    lines += [f"time left {left}, with one unit at a time"] if left else []
    return [*lines, _plain(run.problem) or "give the command that started it again to continue"]


def _lines(run: Listed, manifest: Mapping[str, Any]) -> list[str]:
    """Folder, model, data, settings, versions and timings, a line or several each."""
    lines = [f"folder     {run.folder}"]
    for title in ("model", "data", "config", "languages", "versions", "seconds"):
        values = manifest.get(title)
        for number, (key, value) in enumerate(values.items() if isinstance(values, dict) else ()):
            lines.append(f"{'' if number else title:<10} {key}: {_value(value)}")
    return lines


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON has them: null for what is not there."""
    return [{k: None if v != v else v for k, v in row.items()} for row in json.loads(table.to_json(orient="records"))]


PARTS = ("config", "model", "data", "versions")
"""Of a difference: in what two runs differ."""


def _difference_described(pair: list[Listed], difference: Difference) -> dict[str, Any]:
    return {
        "a": pair[0].name,
        "b": pair[1].name,
        **{part: dict(getattr(difference, part)) for part in PARTS},
        "only_a": list(difference.methods[0]),
        "only_b": list(difference.methods[1]),
        "results": _records(difference.results),
        "unpaired": difference.unpaired,
    }


def _print_difference(pair: list[Listed], difference: Difference) -> None:
    for title in PARTS:
        values: Mapping[str, tuple[Any, Any]] = getattr(difference, title)
        lines = [f"{key}: {_value(a)} | {_value(b)}" for key, (a, b) in values.items()] or ["the same"]
        for number, line in enumerate(lines):
            print(_plain(f"{'' if number else title:<10} {line}"))
    for run, only in zip(pair, difference.methods, strict=True):
        if only:
            print(_plain(f"only in {run.name}: {', '.join(only)}"))
    rows = []
    for row in difference.results.to_dict("records"):
        cells = [estimate(row[x], row[f"{x}_lo"], row[f"{x}_hi"]) for x in "ab"]
        bounds = (row["difference_lo"], row["difference_hi"]) if row["paired"] else ()
        change = estimate(row["difference"], *bounds, signed=True)
        rows.append([_plain(str(row["method"])), str(row["metric"]), *cells, change])
    _table(("method", "metric", f"A: {_plain(pair[0].name)}", f"B: {_plain(pair[1].name)}", "B - A"), rows)
    print("Mean over languages [95% interval].")
    if difference.unpaired:
        print(_plain(f"Differences have no intervals because the runs can't be paired by item: {difference.unpaired}."))
    else:
        print("Differences are paired by item. Rows that are medians or means of other rows have no interval.")


def _table(columns: tuple[str, ...], rows: list[list[str]]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    wide_console().print(table)


def _plain(text: str) -> str:
    """Text of a file on one line, without what a terminal would take for a command."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
