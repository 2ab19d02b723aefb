"""The command `interp`. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import sys

import typer

from interp.cli import organism, run
from interp.errors import TranslocalError

app = typer.Typer(
    name="interp",
    help="Where does a multilingual language model keep universal facts, and where culture?",
    epilog="Examples:  interp run  |  interp run --languages es,ko --limit 100  |  interp organism train --out mine",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("run", epilog=run.EXAMPLES)(run.run)
app.add_typer(organism.app, name="organism")


def main() -> None:
    """Entry point: a user's mistake is one line and exit code 2; a programming error keeps its traceback."""
    try:
        app()
    except TranslocalError as error:
        sys.exit(_fail(str(error)))


def _fail(message: str) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2
