"""The tables of a run's folder, read by name: what every figure of a run is drawn from."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class RunTables:
    """A folder that `interp run`, `tune`, `matrix` or `locate` wrote.

    Raises ValueError where the folder has no manifest.
    """

    folder: Path

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        object.__setattr__(self, "folder", Path(folder))
        if not (self.folder / MANIFEST).is_file():
            raise ValueError(f"{self.folder} is not a finished run's folder: it has no {MANIFEST}")

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Settings, model, data, versions."""
        found: dict[str, Any] = json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))
        return found

    def table(self, name: str) -> pd.DataFrame | None:
        """The table `name.csv` or `name.parquet`; None where the run has none. A name is not a path.

        Language codes stay text (`no` is Norwegian), and only empty cells are missing values (`NA` is Namibia).
        """
        if not name.replace("_", "").isalnum():
            raise ValueError(f"a table's name has letters, digits and _ alone, got {name!r}")
        csv, parquet = (self.folder / f"{name}.{suffix}" for suffix in ("csv", "parquet"))
        if csv.is_file():
            return pd.read_csv(csv, keep_default_na=False, na_values=[""])
        return pd.read_parquet(parquet) if parquet.is_file() else None

    def require(self, name: str) -> pd.DataFrame:
        """`table`, or a ValueError that says that the run has none."""
        found = self.table(name)
        if found is None:
            raise ValueError(f"{self.folder} has no table {name}")
        return found
