"""What is kept of a study while it runs: results by name, made once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas as pd


class Parts(Protocol):
    """Gives a result that is there, or makes it and keeps it."""

    def frame(self, key: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """The table of a name."""

    def value(self, key: str, make: Callable[[], Any]) -> Any:
        """The plain value (as JSON has them) of a name."""


class Unkept:
    """Keeps nothing: every result is made."""

    def frame(self, key: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """The table that `make` makes."""
        return make()

    def value(self, key: str, make: Callable[[], Any]) -> Any:
        """The value that `make` makes."""
        return make()


@dataclass(frozen=True)
class Under:
    """Parts of another, their names behind a prefix."""

    parts: Parts
    prefix: str

    def frame(self, key: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """The table of a name behind the prefix."""
        return self.parts.frame(f"{self.prefix}/{key}", make)

    def value(self, key: str, make: Callable[[], Any]) -> Any:
        """The value of a name behind the prefix."""
        return self.parts.value(f"{self.prefix}/{key}", make)
