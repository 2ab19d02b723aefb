"""Options of commands: those that are settings are made from the fields of their class."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import Field, dataclass, field, fields, replace
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from interp.errors import ConfigError
from interp.settings import KINDS, field_types, read_settings, whole_numbers, without_none
from interp.study.config import RunConfig

Command = Callable[..., None]
Given = Mapping[str, Any]
"""Values of a group of options by name; None if one was not given."""


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
        known = {field.name: field for field in fields(self.kind) if "help" in field.metadata}
        if unknown := set(self.names) - set(known):
            raise ValueError(f"{self.kind.__name__} has no settings {sorted(unknown)} that can be options")
        return {
            name: option(field, field_types(self.kind)[name], self.helps.get(name, ""))
            for name, field in known.items()
            if not self.names or name in self.names
        }


def option(field: Field[Any], kind: Any, help: str = "") -> inspect.Parameter:
    """The option of a field; None, its default, says that it was not given. A flag that is on by default has two."""
    kind = without_none(kind)
    kind = kind if kind in (bool, int, float, Path) else str
    taken: Any = list[kind] if field.metadata["repeat"] else kind
    flag = (f"--{field.name.replace('_', '-')}",) if kind is bool and not field.default else ()
    number: dict[str, Any] = {}
    if kind in (int, float):
        number = {"parser": _number(field, kind), "metavar": "INTEGER" if kind is int else "FLOAT"}
    described = typer.Option(*flag, help=help or field.metadata["help"], show_default=False, **number)
    annotation = Annotated[taken | None, described]
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _number(field: Field[Any], kind: type[int] | type[float]) -> Callable[[str], int | float]:
    """The reader of a number; raises ConfigError for another text."""
    least, most = field.metadata["least"], field.metadata["most"]
    allowed = KINDS[kind] if least is None else whole_numbers(least, most)

    def number(text: str) -> int | float:
        try:
            return kind(text)
        except ValueError:
            raise ConfigError(f"{field.name} {text!r} is not allowed", allowed=allowed) from None

    return number


def grouped(**groups: Group) -> Callable[[Command], Command]:
    """Give a command the options of groups: each arrives as one argument, named as the group is here.

    An argument that is annotated with the group's class is an instance of it; another is the options by name (`Given`).
    """

    def decorated(command: Command) -> Command:
        own = inspect.signature(command, eval_str=True).parameters
        options = {name: group.options() for name, group in groups.items()}
        parameters: list[inspect.Parameter] = []
        for name, parameter in own.items():
            parameters += options[name].values() if name in groups else [parameter.replace(kind=parameter.KEYWORD_ONLY)]

        @wraps(command)
        def called(**values: Any) -> None:
            arguments: dict[str, Any] = {}
            for name, group in groups.items():
                given = {option: values.pop(option) for option in options[name]}
                made = own[name].annotation is group.kind
                arguments[name] = read_settings(None, given, group.kind) if made else given
            command(**arguments, **values)

        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return called

    return decorated


def names(*texts: str | None) -> tuple[str, ...]:
    """The parts of texts such as `es,zh`."""
    return tuple(part.strip() for text in texts if text for part in text.split(",") if part.strip())


@contextmanager
def interruptible(kept: str = "") -> Iterator[None]:
    """End with exit code 130 and one line on standard error when Ctrl-C comes. kept: what it left, for that line."""
    try:
        yield
    except KeyboardInterrupt as stop:
        print(": ".join(filter(None, (str(stop) or "stopped", kept))), file=sys.stderr)
        raise typer.Exit(130) from None


def run_settings(config: Path | None, given: Given, suffix: str = "") -> RunConfig:
    """Settings of a run; where no folder is given, that of a verb has a suffix."""
    settings = read_settings(config, given, RunConfig)
    return settings if settings.out or not suffix else replace(settings, out=f"{settings.folder}{suffix}")


def out_in(suffix: str) -> str:
    """Help text of --out for a verb whose folder has a suffix."""
    return f"Output folder. Default: runs/<model>-<universal>-<cultural>{suffix}."


ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="YAML file with settings. Options on the command line override it.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print what the run would need (items, plans, memory, disk, time) and stop.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a finished or partial run.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print the output folder and nothing else.")]
RunName = Annotated[str, typer.Argument(help="A run: its name in `interp runs`, or its folder.", show_default=False)]
RunsFolder = Annotated[Path | None, typer.Option("--dir", help="Folder that holds runs. Default: runs.")]
GOES_ON = "finished work is kept; give the same command again to continue"
"""What a command that resumes says after Ctrl-C."""
