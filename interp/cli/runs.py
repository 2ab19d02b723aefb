"""`interp runs`: what runs there are, what one found, and how two differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from figures import estimate
from interp.cli.units import seconds_text

if TYPE_CHECKING:
    import pandas as pd

    from interp.studies import Difference, Listed

EXAMPLES = (
    "Examples:  interp runs  |  interp runs show organism-atlas-atlas --verify  |  interp runs diff sizes/a sizes/b"
)
app = typer.Typer(help="Runs: which there are, what one found, how two differ.", rich_markup_mode=None, epilog=EXAMPLES)

Folder = Annotated[Path | None, typer.Option("--dir", help="Folder that holds runs. Default: runs.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON in place of tables.")]
Name = Annotated[str, typer.Argument(help="A name of `interp runs`, or a run's folder.", show_default=False)]


@app.callback(invoke_without_command=True)
def runs(context: typer.Context, folder: Folder = None, as_json: AsJson = False) -> None:
    """List runs: finished ones, and how far the others are."""
    context.obj = folder
    if context.invoked_subcommand:
        return
    from interp.studies import find_runs

    found = find_runs(folder or Path("runs"))
    if as_json:
        print(json.dumps([_told(one) for one in found], indent=1, ensure_ascii=False))
        return
    rows = [[_plain(cell) for cell in _row(one)] for one in found]
    _table(("run", "status", "progress", "left", "took", "when", "model", "data"), rows)


@app.command(epilog="Examples:  interp runs show organism-atlas-atlas  |  interp runs show runs/mine --verify --json")
def show(
    context: typer.Context,
    name: Name,
    folder: Folder = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check the files against their checksums.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a run: its settings, model, data, timings, and the macro rows of its plane with intervals.

    --verify: exit code 1 where a file is not as it was written.
    """
    from interp.studies import PLANE, find_run, read_plane
    from interp.study.folder import read_manifest
    from interp.study.folder import verify as verify_files

    one = find_run(_root(context, folder), name)
    if not one.whole:
        print(json.dumps(_told(one), indent=1, ensure_ascii=False) if as_json else "\n".join(_unfinished(one)))
        return
    manifest = read_manifest(one.folder)
    plane = read_plane(one.folder) if (one.folder / PLANE).is_file() else None
    problems = verify_files(one.folder, manifest) if verify else []
    if as_json:
        told: dict[str, Any] = {"run": one.name, "folder": str(one.folder), "manifest": manifest}
        told |= {"plane": [] if plane is None else _records(plane[plane["language"] == "macro"])}
        print(json.dumps(told | ({"damaged": problems} if verify else {}), indent=1, ensure_ascii=False))
    else:
        print("\n".join(_plain(line) for line in _lines(one, manifest)))
        if plane is not None:
            from interp.cli.planes import show_plane

            show_plane(plane, str(manifest.get("split", "test")), {})
        if verify:
            print("\n".join(map(_plain, problems)) or f"{len(manifest['files'])} files are as they were written")
    if problems:
        raise typer.Exit(1)


@app.command(epilog="Examples:  interp runs diff sizes/a-seed0 sizes/a-seed1  |  interp runs diff a b --json")
def diff(context: typer.Context, a: Name, b: Name, folder: Folder = None, as_json: AsJson = False) -> None:
    """Say how two finished runs differ: settings, model, data, versions, and results (B minus A) with intervals.

    Where both scored the same items, differences are paired by item and have intervals; elsewhere they have none.
    """
    from interp.errors import OutputError
    from interp.studies import compare, find_run

    root = _root(context, folder)
    found = [find_run(root, name) for name in (a, b)]
    for one in found:
        if not one.whole:
            raise OutputError(f"run {one.name} is {one.status}", allowed="finished runs", remedy="finish it first")
    difference = compare(found[0].folder, found[1].folder)
    if as_json:
        print(json.dumps(_difference_told(found, difference), indent=1, ensure_ascii=False))
        return
    _say_difference(found, difference)


def _root(context: typer.Context, folder: Path | None) -> Path:
    return folder or context.obj or Path("runs")


def _told(one: Listed) -> dict[str, Any]:
    return {key: value for key, value in vars(one).items() if value is not None} | {"folder": str(one.folder)}


def _row(one: Listed) -> list[str]:
    progress = ""
    if one.parts and not one.done:
        progress = f"{one.parts} parts"
    elif one.done is not None:
        progress = f"{one.done} of {one.units} units" if one.units else f"{one.done} units"
    return [
        one.name,
        one.status,
        progress,
        "" if one.left is None else seconds_text(one.left),
        "" if one.seconds is None else seconds_text(one.seconds),
        datetime.fromtimestamp(one.when).strftime("%Y-%m-%d %H:%M"),
        one.model,
        f"{one.universal} {one.cultural}".strip() or one.problem,
    ]


def _unfinished(one: Listed) -> list[str]:
    _, status, progress, left, *_ = (_plain(cell) for cell in _row(one))
    lines = [f"{_plain(one.name)}: {status}, {progress}".rstrip(", ")]
    lines += [f"time left {left}, if one unit follows another"] if left else []
    return [*lines, _plain(one.problem) or "the command that started it goes on from there"]


def _lines(one: Listed, manifest: Mapping[str, Any]) -> list[str]:
    """Folder, model, data, settings, versions and timings, a line or several each."""
    lines = [f"folder     {one.folder}"]
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


def _difference_told(found: list[Listed], difference: Difference) -> dict[str, Any]:
    parts = {name: getattr(difference, name) for name in ("config", "model", "data", "versions")}
    return {
        "a": found[0].name,
        "b": found[1].name,
        **{name: {key: list(pair) for key, pair in values.items()} for name, values in parts.items()},
        "only_a": list(difference.methods[0]),
        "only_b": list(difference.methods[1]),
        "results": _records(difference.results),
        "unpaired": difference.unpaired,
    }


def _say_difference(found: list[Listed], difference: Difference) -> None:
    for title in ("config", "model", "data", "versions"):
        pairs: Mapping[str, tuple[Any, Any]] = getattr(difference, title)
        lines = [f"{key}: {_value(one)} | {_value(other)}" for key, (one, other) in pairs.items()] or ["the same"]
        for number, line in enumerate(lines):
            print(_plain(f"{'' if number else title:<10} {line}"))
    for one, only in zip(found, difference.methods, strict=True):
        if only:
            print(_plain(f"only in {one.name}: {', '.join(only)}"))
    rows = []
    for row in difference.results.to_dict("records"):
        cells = [estimate(row[x], row[f"{x}_lo"], row[f"{x}_hi"]) for x in "ab"]
        bounds = (row["difference_lo"], row["difference_hi"]) if row["paired"] else ()
        change = estimate(row["difference"], *bounds, signed=True)
        rows.append([_plain(str(row["method"])), str(row["metric"]), *cells, change])
    _table(("method", "metric", f"A: {_plain(found[0].name)}", f"B: {_plain(found[1].name)}", "B - A"), rows)
    print("Mean over languages [95% interval].")
    if difference.unpaired:
        print(_plain(f"Differences have no intervals: the runs can't be paired by item, {difference.unpaired}."))
    else:
        print("Differences are paired by item; rows that are medians or means of other rows have no interval.")


def _table(columns: tuple[str, ...], rows: list[list[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(markup=False, highlight=False, emoji=False, width=max(Console().width, 150)).print(table)


def _plain(text: str) -> str:
    """Text of a file on one line, without what a terminal would take for a command."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
