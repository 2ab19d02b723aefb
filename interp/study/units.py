"""Units of runs: what one process computes at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Unit:
    """One piece of a run. config: plain settings of its RunConfig, with `out`. name: `language:ko` or `locate`."""

    config: Mapping[str, Any]
    name: str

    @property
    def key(self) -> str:
        """`<out>:<name>`, different for every unit of a study."""
        return f"{self.config['out']}:{self.name}"
