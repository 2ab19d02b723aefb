"""The command `interp`. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from interp.cli.answers import chat, generate
from interp.cli.experiments import ablate, align, locate, matrix, run, score, study
from interp.cli.groups import group
from interp.cli.results import export, features, figures, live, runs
from interp.cli.setup import bench, data, doctor, model, organism
from interp.errors import Notice, TranslocalError

app = group(
    "Find where a multilingual language model keeps universal facts and where it keeps culture, and steer both.",
    epilog="Examples:  interp run  |  interp run --languages es,ko --limit 100  |  interp organism train --out mine",
    name="interp",
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run", epilog=run.EXAMPLES)(run.run)
app.command("ablate", epilog=ablate.EXAMPLES)(ablate.ablate)
app.command("locate", epilog=locate.EXAMPLES)(locate.locate)
app.command("score", epilog=score.EXAMPLES)(score.score)
app.command("generate", epilog=generate.EXAMPLES)(generate.generate)
app.command("chat", epilog=chat.EXAMPLES)(chat.chat)
app.command("matrix", epilog=matrix.EXAMPLES)(matrix.matrix)
app.command("figures", epilog=figures.EXAMPLES)(figures.figures)
app.command("tables", epilog=figures.TABLE_EXAMPLES)(figures.tables)
app.command("report", epilog=figures.REPORT_EXAMPLES)(figures.report)
app.command("open", epilog=live.EXAMPLES)(live.open_report)
app.command("features", epilog=features.EXAMPLES)(features.features)
app.command("export", epilog=export.EXAMPLES)(export.export)
app.command("align", epilog=align.EXAMPLES)(align.align)
app.command("bench", epilog=bench.EXAMPLES)(bench.bench)
app.add_typer(model.app, name="model")
app.command("doctor", epilog=doctor.EXAMPLES)(doctor.doctor)
app.add_typer(data.app, name="data")
app.add_typer(organism.app, name="organism")
app.add_typer(study.app, name="study")
app.add_typer(runs.app, name="runs")


def main() -> None:
    """Entry point: a user's mistake is one line and exit code 2; a programming error keeps its traceback."""
    warnings.showwarning = _show
    try:
        app()
    except TranslocalError as error:
        sys.exit(_fail(str(error)))


def _show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    """A notice is for the user and shown in one line, once a command; other warnings as Python shows them."""
    if issubclass(category, Notice):
        if (text := " ".join(str(message).split())) not in _shown:
            _shown.add(text)
            print(f"note: {text}", file=sys.stderr)
    else:
        _usual(message, category, *where, **more)


_usual = warnings.showwarning
_shown: set[str] = set()


def _fail(message: str) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2
