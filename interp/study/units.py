"""The units that a run is cut into: one per scored language, and `locate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from interp.study.config import RunConfig

if TYPE_CHECKING:
    from interp.study.resolve import Inputs

LOCATE = "locate"
RECORDS = "units"
"""Folder of the parts that say which units are whole."""


@dataclass(frozen=True)
class Unit:
    """A piece of a run that a process of its own may do; config: settings of a RunConfig, with `out`.

    name: `language:ko` (choose on dev, score on test, sentences, controls, layers, generate), or `locate` (with the
    scores in English).
    """

    config: Mapping[str, Any]
    name: str

    @property
    def key(self) -> str:
        """What tells the unit from those of other runs."""
        return f"{self.config['out']}:{self.name}"

    @property
    def record(self) -> str:
        """Key of the part that is written when the unit is whole: `{"seconds": ..., "host": ...}`."""
        return f"{RECORDS}/{self.name.replace(':', '.')}"


def units_of(config: RunConfig, inputs: Inputs | None = None) -> list[Unit]:
    """The units of a run, in the order in which its tables list them.

    inputs: what `resolve` gave for `config`. Raises a TranslocalError where the datasets can't be used as asked.
    """
    if inputs is None:
        from interp.study.resolve import resolve

        inputs = resolve(config)
    settings = asdict(config) | {"out": str(config.folder)}
    return [Unit(settings, name) for name in (*(f"language:{code}" for code in inputs.languages), LOCATE)]
