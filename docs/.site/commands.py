"""The reference of the command line, as Markdown, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

import typer

from interp.cli import app


def reference() -> str:
    """A section per command: what it does, how it is called, its arguments and options, examples."""
    return "\n\n".join(section(name, command, context) for name, command, context in commands())


def commands() -> Iterator[tuple[str, Any, typer.Context]]:
    """Every command and group below `interp`, by its full name, with the context that its help needs."""
    top = typer.main.get_command(app)
    yield from _below("interp", top, typer.Context(top, info_name="interp"))


def examples(command: Any) -> list[str]:
    """The command lines at the end of a command's help."""
    text = " ".join((command.epilog or "").removeprefix("Examples:").split())
    return [one.strip() for one in text.split(" | ") if one.strip()]


def section(name: str, command: Any, context: typer.Context) -> str:
    """One command."""
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    parts = [f"## `{name}`", command.help or "", f"```text\n{usage}\n```", _table(command, context)]
    if shown := examples(command):
        parts.append("```console\n" + "\n".join(shown) + "\n```")
    return "\n\n".join(part for part in parts if part)


def _below(name: str, command: Any, context: typer.Context) -> Iterator[tuple[str, Any, typer.Context]]:
    for word in command.list_commands(context):
        child = command.get_command(context, word)
        inside = typer.Context(child, info_name=word, parent=context)
        yield f"{name} {word}", child, inside
        if hasattr(child, "list_commands"):
            yield from _below(f"{name} {word}", child, inside)


def _table(command: Any, context: typer.Context) -> str:
    records = [record for one in command.get_params(context) if (record := one.get_help_record(context))]
    rows = [f"| `{_cell(names)}` | {_cell(escape(' '.join(text.split()), quote=False))} |" for names, text in records]
    return "\n".join(["| option | |", "|---|---|", *rows]) if rows else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
