"""The tables of a run's folder, read by name: what every figure of a run is drawn from."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from figures._tables import read_table
from figures._theme import DrawingError

MANIFEST, PLAN = "manifest.json", "plan.json"


@dataclass(frozen=True)
class RunTables:
    """The folder of `interp run`, `matrix` or `locate`, or of one that is being made."""

    folder: Path

    @classmethod
    def of(cls, folder: str | os.PathLike[str]) -> RunTables:
        """The tables of a finished run; raises ValueError if the folder has no manifest."""
        run = cls(Path(folder))
        if not (run.folder / MANIFEST).is_file():
            raise ValueError(f"{folder} is not the folder of a finished run: it has no {MANIFEST}")
        return run

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Settings, model, data, versions."""
        return self._json(MANIFEST)

    @cached_property
    def plan(self) -> dict[str, Any] | None:
        """Chosen layers and strengths (`plan.json`); None where the run has none."""
        return self._json(PLAN) if (self.folder / PLAN).is_file() else None

    def _json(self, name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / name).read_text(encoding="utf-8"))
        return content

    def table(self, name: str) -> pd.DataFrame | None:
        """The table `name.csv` or `name.parquet`; None where the run has none. A name is not a path."""
        if not name.replace("_", "").isalnum():
            raise ValueError(f"a table's name may have letters, digits and _ only, got {name!r}")
        files = [self.folder / f"{name}.{suffix}" for suffix in ("csv", "parquet")]
        return next((read_table(file) for file in files if file.is_file()), None)

    def scores(self, method: str) -> pd.DataFrame | None:
        """A method's log-likelihoods, option by option; None where the run keeps none."""
        files = {file.stem: file for file in (self.folder / "scores").glob("*.parquet")}
        return read_table(files[method]) if method in files else None

    def require(self, name: str) -> pd.DataFrame:
        """`table`; raises DrawingError where the run has none."""
        table = self.table(name)
        if table is None:
            raise DrawingError(f"{self.folder} has no table {name}")
        return table
