"""Where long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol


class Stages(Protocol):
    """What shows progress, such as a bar per stage."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Callable[..., None]]:
        """Begin a stage of `total` steps; the context's function takes a step's name and a number of steps."""
