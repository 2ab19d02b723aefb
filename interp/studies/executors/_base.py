"""One attempt at a unit, and what is told of it: the same whatever the executor."""

from __future__ import annotations

import socket
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from interp.errors import Notice, TranslocalError
from interp.study.units import Unit

Compute = Callable[[Unit], None]
"""Makes a unit's parts in its store. A module's function: workers find it by its name."""


@dataclass(frozen=True)
class Done:
    """Report on a unit that ended. Its results are in the store.

    seconds: duration of the last attempt. error: None, or one line. traceback: for internal errors. notices: notices of
    the worker.
    """

    unit: Unit
    seconds: float
    host: str
    error: str | None = None
    traceback: str = ""
    notices: tuple[str, ...] = ()


def attempt(unit: Unit, compute: Compute) -> Done:
    """Compute a unit in this process. Any Exception is told in what is returned; KeyboardInterrupt passes."""
    begun = time.perf_counter()
    error, trace = None, ""
    with _notices_kept() as notices:
        try:
            compute(unit)
        except TranslocalError as mistake:
            error = _line(str(mistake))
        except Exception as failure:
            error = _line(f"{type(failure).__name__}: {failure}")
            trace = traceback.format_exc()
    seconds = round(time.perf_counter() - begun, 3)
    return Done(unit, seconds, socket.gethostname(), error, trace, tuple(notices))


def lost(unit: Unit, seconds: float, host: str, attempts: int, why: str) -> Done:
    """A unit that no worker survived. why: what happened to the last one."""
    times = "once" if attempts == 1 else f"{attempts} times"
    return Done(unit, round(seconds, 3), host, _line(f"{unit.key}: its worker died ({times}); last: {why}"))


def _line(text: str) -> str:
    return " ".join(text.split())


@contextmanager
def _notices_kept() -> Iterator[list[str]]:
    """Notices go into a list, as a worker's screen may be far from the user's; other warnings as before."""
    notices: list[str] = []
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def keep(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, Notice):
                notices.append(_line(str(message)))
            else:
                usual(message, category, *where, **more)

        warnings.simplefilter("always", Notice)
        warnings.showwarning = keep
        yield notices
