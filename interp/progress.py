"""Where long work tells how far it is: stages, and bars on standard error with the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


class Stages(Protocol):
    """What shows progress, such as a bar per stage."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Callable[..., None]]:
        """Begin a stage of `total` steps; the context's function takes a step's name and a number of steps."""

    def expect(self, seconds: Callable[[], Mapping[str, float]]) -> None:
        """Say about how long each stage to come takes, by name."""


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
    """A bar per stage; below it, where `expect` said what is to come, one of the whole. `quiet` shows none."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._whole = Whole()

    def expect(self, seconds: Callable[[], Mapping[str, float]]) -> None:
        """Show how far the whole is: about how long each of its stages takes, by name; not asked where quiet."""
        if not self.quiet:
            self._whole = Whole(seconds())

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[..., None]]:
        """A bar of `total` steps; the context gives the function that advances it."""
        bar = Progress(
            TextColumn("{task.fields[stage]:<18}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[steps]:>11}"),
            TimeElapsedColumn(),
            TextColumn("left {task.fields[left]:>7}"),
            TextColumn("{task.description}"),
            console=Console(stderr=True),
            disable=self.quiet,
        )
        whole, begun = self._whole, time.monotonic()
        done = 0.0
        with bar:
            task = bar.add_task("", total=total, stage=name, steps=f"0/{total}", left=UNKNOWN)
            every = bar.add_task("", total=1.0, stage="whole run", steps="", left=UNKNOWN, visible=whole.known)

            def advance(step: str, amount: float = 1.0) -> None:
                nonlocal done
                done += amount
                seconds, share = time.monotonic() - begun, min(1.0, done / max(1, total))
                left = clock(seconds * (1 - share) / share) if share > 0 else UNKNOWN
                bar.update(task, completed=done, description=step, steps=f"{done:.0f}/{total}", left=left)
                if whole.known:
                    part, left = whole.at(name, seconds, share)
                    bar.update(every, completed=part, steps=f"{part:.0%}", left=left)

            yield advance
            bar.update(task, completed=total, description="", steps=f"{total}/{total}", left=clock(0))
            bar.remove_task(every)
        whole.end(name, time.monotonic() - begun)


UNKNOWN = "-:--"
READ_BACK = 0.05
"""A stage that took less than this share of what was expected was read back, and says nothing of this machine."""


def clock(seconds: float) -> str:
    """Hours, minutes and seconds, such as `1:02:03` or `0:09`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Whole:
    """How far a run of several stages is, from what each was expected to take and what those that ended did take."""

    def __init__(self, expected: Mapping[str, float] | None = None) -> None:
        self._expected = dict(expected or {})
        self._ended: dict[str, float] = {}

    @property
    def known(self) -> bool:
        """Whether anything is expected."""
        return sum(self._expected.values()) > 0

    def at(self, name: str, seconds: float, share: float) -> tuple[float, str]:
        """The part of the whole that is done, and the time left, where `share` of a stage took `seconds`."""
        now = self._expected.get(name, 0.0)
        ended = sum(self._expected.get(stage, 0.0) for stage in self._ended)
        done = ended + share * now
        made = {stage: took for stage, took in self._ended.items() if took > READ_BACK * self._expected.get(stage, 0.0)}
        spent, meant = sum(made.values()), sum(self._expected.get(stage, 0.0) for stage in made)
        if share * now > 0 and seconds > READ_BACK * share * now:
            spent, meant = spent + seconds, meant + share * now
        total = sum(self._expected.values())
        pace = spent / meant if meant > 0 else 1.0
        return done / total, clock((total - done) * pace)

    def end(self, name: str, seconds: float) -> None:
        """A stage is over."""
        if name in self._expected:
            self._ended[name] = self._ended.get(name, 0.0) + seconds
