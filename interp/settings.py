"""Fields of settings classes: each with its default and what it means, so that options and messages come from it."""

from __future__ import annotations

from dataclasses import field
from typing import Any


def setting(default: Any, help: str, *, repeat: bool = False) -> Any:
    """A field of a frozen dataclass. help: one line for the command line. repeat: the option may be given again."""
    return field(default=default, metadata={"help": help, "repeat": repeat})
