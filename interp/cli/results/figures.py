"""`interp figures`, `tables` and `report`: what a finished run shows, made again in the form that is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interp.cli import options
from interp.errors import ConfigError

if TYPE_CHECKING:
    from figures import RunTables

EXAMPLES = (
    "Examples:  interp figures organism-atlas-atlas  |  interp figures runs/mine --only plane --format pdf --style acl"
    "  |  interp figures runs/mine --language ko --style slides --out talk"
)
REPORT_EXAMPLES = "Examples:  interp report organism-atlas-atlas  |  interp report runs/mine --out report.html"
TABLE_EXAMPLES = "Examples:  interp tables organism-atlas-atlas  |  interp tables runs/mine --only plane --out paper"

Only = Annotated[
    list[str] | None, typer.Option("--only", help="One name, or several separated by commas. Default: all.")
]


def figures(
    run: options.RunName,
    only: Only = None,
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="pdf, svg, png, or several separated by commas. Default: all.")
    ] = None,
    style: Annotated[str, typer.Option(help="Page style: paper, slides, acl, icml or neurips.")] = "paper",
    language: Annotated[str, typer.Option(help="Language, for figures that show a single language.")] = "macro",
    font: Annotated[Path | None, typer.Option(help="TrueType font for characters that the default fonts lack.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Output folder. Default: figures in the run's folder, or figures-STYLE.")
    ] = None,
    folder: options.RunsFolder = None,
) -> None:
    """Draw a run's figures from its tables: plane, layers, sweep, geometry, lens, erasure, mechanism, matrix, others.

    Figures whose tables the run doesn't have are left out, which is said. The same tables give the same bytes.
    """
    from figures import add_font, draw, lacking, on_page, save

    tables = _open(run, folder)
    with _mistakes("pass another value"):
        if font:
            add_font(font)
        with on_page(style):
            kind = "-".join(["figures", *(part for part in (style, language) if part not in ("paper", "macro"))])
            target = out or tables.folder / kind
            for name, figure in draw(tables, options.names(*only or ()), language):
                for path in save(figure, target / name, options.names(*formats or ()) or ("pdf", "svg", "png")):
                    print(path)
    for name, missing in ({} if only else lacking(tables)).items():
        print(f"{name} is left out: the run has no table {', '.join(missing)}")


def tables(
    run: options.RunName,
    only: Only = None,
    out: Annotated[Path | None, typer.Option(help="Output folder. Default: tables in the run's folder.")] = None,
    folder: options.RunsFolder = None,
) -> None:
    """Write a run's tables in LaTeX (booktabs): plane, contrasts, erasure, ablations, with intervals."""
    from figures import TABLES, latex
    from interp.files import whole
    from interp.study.folder import writable

    results = _open(run, folder)
    target = out or results.folder / "tables"
    with _mistakes("pass another --only"), writable(target):
        for name, text in latex(results, options.names(*only or ())):
            target.mkdir(parents=True, exist_ok=True)
            with whole(target / f"{name}.tex") as working:
                working.write_text(text, encoding="utf-8")
            print(target / f"{name}.tex")
    for name in () if only else TABLES:
        if results.table(TABLES[name].needs) is None:
            print(f"{name} is left out: the run has no table {TABLES[name].needs}")


def report(
    run: options.RunName,
    out: Annotated[Path | None, typer.Option(help="File to write. Default: report.html in the run's folder.")] = None,
    folder: options.RunsFolder = None,
) -> None:
    """Write a run's report again: one HTML file that works from disk without a network."""
    from figures.report import FILE, write_report
    from interp.study.folder import writable

    tables = _open(run, folder)
    target = out or tables.folder / FILE
    with _mistakes("pass the folder of an `interp run`"), writable(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        print(write_report(tables, tables.manifest, target))


def _open(run: str, folder: Path | None) -> RunTables:
    from figures import RunTables
    from interp.studies import find_run

    listed = find_run(folder or Path("runs"), run)
    if not listed.whole:
        raise ConfigError(f"run {run!r} is not finished", remedy="finish it with the command that started it")
    return RunTables.of(listed.folder)


@contextmanager
def _mistakes(remedy: str) -> Iterator[None]:
    """What `figures` says of a value, in one line."""
    from figures import DrawingError

    try:
        yield
    except DrawingError as error:
        raise ConfigError(str(error), remedy=remedy) from error
