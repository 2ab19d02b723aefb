"""The units that a run is cut into: the searches, one per scored language, and `locate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from interp.study.ask import Inputs, resolve
from interp.study.config import RunConfig
from interp.study.search import DESIGNS, METHODS

LOCATE, SEARCH = "locate", "search:"
RECORDS = "units"
"""Folder of the parts that say which units are whole."""


@dataclass(frozen=True)
class Unit:
    """A piece of a run that a process of its own may do; config: settings of a RunConfig, with `out`.

    name: `search:methods`, `search:random` or `search:shuffled` (the search on dev, over all languages), `language:ko`
    (score on test, sentences, controls, layers, generate), which needs the run's searches, or `locate` (with the scores
    in English).
    """

    config: Mapping[str, Any]
    name: str

    @property
    def key(self) -> str:
        """What tells the unit from those of other runs."""
        return f"{self.config['out']}:{self.name}"

    @property
    def run(self) -> str:
        """What tells the unit's run from others."""
        return str(self.config["out"])

    @property
    def kind(self) -> str:
        """`search`, `language` or `locate`: the stages whose pieces it makes."""
        return self.name.partition(":")[0]

    @property
    def piece(self) -> str:
        """Which group of searches, or which language; nothing for `locate`."""
        return self.name.partition(":")[2]

    @property
    def searches(self) -> bool:
        """Whether it is a search, which units of languages wait for."""
        return self.name.startswith(SEARCH)

    @property
    def waits(self) -> bool:
        """Whether it needs what the searches of its run make."""
        return self.name.startswith("language:")

    @property
    def record(self) -> str:
        """Key of the part that is written when the unit is whole: `{"seconds": ..., "host": ...}`."""
        return f"{RECORDS}/{self.name.replace(':', '.')}"


def units_of(config: RunConfig, inputs: Inputs | None = None) -> list[Unit]:
    """The units of a run, in the order in which its tables list them.

    config: its design has a name. inputs: what `resolve` gave for it. Raises a TranslocalError if the datasets can't
    be used as asked.
    """
    inputs = inputs or resolve(config)
    settings = asdict(config) | {"out": str(config.folder)}
    groups = (METHODS, *DESIGNS[config.design].controls) if config.compared.steering else ()
    names = (*(f"{SEARCH}{group}" for group in groups), LOCATE, *(f"language:{code}" for code in inputs.languages))
    return [Unit(settings, name) for name in names]
