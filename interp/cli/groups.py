"""Groups of commands, which name their commands where one is unknown."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from interp.errors import ConfigError, nearest


class Commands(TyperGroup):
    """A group that raises ConfigError, with the commands it has, for one that it lacks."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command of that name and its arguments, as Typer wants them."""
        if not args[0].startswith("-") and args[0] not in self.commands:
            raise ConfigError(
                f"command {args[0]!r} of {ctx.command_path!r} is unknown",
                allowed=", ".join(self.commands),
                remedy=nearest(args[0], self.commands, f"see {ctx.command_path} --help"),
            )
        return super().resolve_command(ctx, args)


def group(help: str, *, bare_is_help: bool = True, **more: Any) -> typer.Typer:
    """A group of commands. bare_is_help: its name alone prints its help."""
    return typer.Typer(cls=Commands, help=help, no_args_is_help=bare_is_help, rich_markup_mode=None, **more)
