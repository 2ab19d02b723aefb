"""Where long work tells how far it is: stages, and bars on standard error with the time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Stages(Protocol):
    """What shows progress, such as a bar per stage."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Callable[..., None]]:
        """Begin a stage of `total` steps; the context's function takes a step's name and a number of steps."""


class Advance(Protocol):
    """Tells how far a stage is."""

    def __call__(self, step: str, amount: float = 1.0) -> None:
        """`amount` more steps are done, the last of them at `step`."""


def unsaid(step: str, amount: float = 1.0) -> None:
    """An `Advance` that tells nobody."""


def halved(advance: Advance, step: str, amount: float) -> None:
    """Advance by half of an amount: a plan is done when both axes are."""
    advance(step, amount / 2)


class Bars:
    """A bar per stage; `quiet` shows none."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[..., None]]:
        """A bar of `total` steps; the context gives the function that advances it."""
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        bar = Progress(
            TextColumn("{task.fields[stage]:<18}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=Console(stderr=True),
            disable=self.quiet,
        )
        with bar:
            task = bar.add_task("", total=total, stage=name)

            def advance(step: str, amount: float = 1.0) -> None:
                bar.update(task, advance=amount, description=step)

            yield advance
            bar.update(task, completed=total, description="")
