"""Options of commands: those that are settings are made from the fields of their class."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from functools import wraps
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import typer

Command = Callable[..., None]
Given = Mapping[str, Any]
"""Values of a group of options by name; None where one was not given."""


@dataclass(frozen=True)
class Group:
    """Fields of a settings class that a command takes as options. names: which (default: all that have help texts).

    helps: texts for this command in place of the fields' own.
    """

    kind: type
    names: Sequence[str] = ()
    helps: Mapping[str, str] = field(default_factory=dict)

    def options(self) -> dict[str, inspect.Parameter]:
        """Option by name, in the order of the fields."""
        known = {one.name: one for one in fields(self.kind) if "help" in one.metadata}
        if unknown := set(self.names) - set(known):
            raise ValueError(f"{self.kind.__name__} has no settings {sorted(unknown)} that can be options")
        types = get_type_hints(self.kind)
        return {
            name: option(one, types[name], self.helps.get(name, ""))
            for name, one in known.items()
            if not self.names or name in self.names
        }


def option(one: Field[Any], kind: Any, help: str = "") -> inspect.Parameter:
    """The option of a field; None, its default, says that it was not given."""
    parts = [part for part in get_args(kind) if part is not type(None)] if _optional(kind) else [kind]
    plain = parts[0] if parts[0] in (bool, int, float, Path) else str
    taken: Any = list[plain] if one.metadata["repeat"] else plain  # type: ignore[valid-type]
    flag = (f"--{one.name.replace('_', '-')}",) if plain is bool else ()
    told = typer.Option(*flag, help=help or one.metadata["help"], show_default=False)
    return inspect.Parameter(
        one.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[taken | None, told]
    )


def _optional(kind: Any) -> bool:
    return get_origin(kind) in (Union, UnionType)


def grouped(**groups: Group) -> Callable[[Command], Command]:
    """Give a command the options of groups: each arrives as one argument, named as the group is here."""

    def decorated(command: Command) -> Command:
        own = inspect.signature(command, eval_str=True).parameters
        made = {name: group.options() for name, group in groups.items()}
        parameters: list[inspect.Parameter] = []
        for name, parameter in own.items():
            parameters += made[name].values() if name in made else [parameter.replace(kind=parameter.KEYWORD_ONLY)]

        @wraps(command)
        def called(**values: Any) -> None:
            taken = {name: {one: values.pop(one) for one in options} for name, options in made.items()}
            command(**taken, **values)

        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {one.name: one.annotation for one in parameters}
        return called

    return decorated


def out_in(suffix: str) -> str:
    """Help text of --out for a verb whose folder has a suffix."""
    return f"Output folder. Default: runs/<model>-<universal>-<cultural>{suffix}."


ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML file with settings; flags override it.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what it would take (items, plans, memory, disk, time), and stop.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a finished or partial run.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print the output folder and nothing else.")]
GOES_ON = "stopped: what is done is kept, and the same command goes on from there"
