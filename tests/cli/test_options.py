"""Options that are made from the fields of settings classes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from interp.cli import app, options
from interp.settings import setting
from interp.study.config import RunConfig


@dataclass(frozen=True)
class Kinds:
    """One field of every kind that settings have."""

    text: str = setting("a", "A text.")
    number: int | None = setting(None, "A whole number.")
    share: float = setting(0.5, "A number.")
    flag: bool = setting(False, "A flag.")
    file: Path | None = setting(None, "A file.")
    names: tuple[str, ...] = setting((), "Names.")
    many: tuple[str, ...] = setting((), "Given again.", repeat=True)
    hidden: int = 3


def asked(*words: str, **group: object) -> dict[str, object]:
    found: dict[str, object] = {}
    command = typer.Typer()

    @command.command()
    @options.grouped(given=options.Group(Kinds, **group))  # type: ignore[arg-type]
    def verb(given: options.Given, place: Annotated[str, typer.Argument()], loud: bool = False) -> None:
        found.update(given, place=place, loud=loud)

    result = CliRunner().invoke(command, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return found


def test_what_is_not_given_is_none_and_what_is_given_has_its_kind() -> None:
    assert asked("here") == {
        "text": None, "number": None, "share": None, "flag": None, "file": None, "names": None, "many": None,
        "place": "here", "loud": False,
    }  # fmt: skip
    found = asked(
        "here", "--text", "b", "--number", "3", "--share", "0.25", "--flag", "--file", "x/y", "--names", "a,b",
        "--many", "p=1", "--many", "q=2", "--loud",
    )  # fmt: skip
    assert found == {
        "text": "b", "number": 3, "share": 0.25, "flag": True, "file": Path("x/y"), "names": "a,b",
        "many": ["p=1", "q=2"], "place": "here", "loud": True,
    }  # fmt: skip


def test_a_group_may_name_some_and_say_it_otherwise() -> None:
    assert set(asked("here", names=("text",))) == {"text", "place", "loud"}
    made = options.Group(Kinds, ("text",), {"text": "Another."}).options()
    assert made["text"].annotation.__metadata__[0].help == "Another."
    with pytest.raises(ValueError, match=r"Kinds has no settings \['hidden', 'nothing'\]"):
        options.Group(Kinds, ("text", "hidden", "nothing")).options()


def test_a_run_takes_every_setting_that_has_a_help_text() -> None:
    told = CliRunner().invoke(app, ["run", "--help"]).output
    for one in fields(RunConfig):
        flag = f"--{one.name.replace('_', '-')} "
        assert (flag in told.replace("\n", " ")) == ("help" in one.metadata), one.name
