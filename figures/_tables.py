"""Reading of result tables: text stays text, numbers are numbers, and only an empty cell is a missing value."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

TEXT = frozenset({
    "ablation", "against", "auc_note", "axis", "called", "component", "condition", "contrast", "cue", "cultural",
    "culture", "dataset", "excludes_0", "group", "item", "kind", "language", "method", "metric", "model", "over",
    "plan", "probe", "random", "reason", "run", "sentence", "set", "sign", "signal", "universal", "verdict", "where",
})  # fmt: skip
"""Columns of text in the tables of results, whatever their cells look like: `NA`, `no`, `nan`, `null` or `1e5`."""


def read_table(path: str | os.PathLike[str], *, text: bool = False) -> pd.DataFrame:
    """Read a `.csv` or `.parquet` file of results.

    Parquet files have their own types. In a CSV, the columns of `TEXT` are text, except estimates, which have bounds
    beside them (the onset `universal` with `universal_lo`); an empty text cell is "". In other columns only an empty
    cell is a missing value: `NA` is Namibia, and `nan` is Min Nan Chinese. text: read every column of a CSV as text,
    digit for digit. Raises OSError, and ValueError for a file that holds no table.
    """
    file = Path(path)
    if file.suffix == ".parquet":
        return pd.read_parquet(file)
    names = pd.read_csv(file, nrows=0).columns
    estimates = {name for name in names if f"{name}_lo" in names}
    texts = set(names) if text else (TEXT & set(names)) - estimates
    return pd.read_csv(
        file,
        dtype=dict.fromkeys(texts, str),
        keep_default_na=False,
        na_values={name: [""] for name in names if name not in texts},
    )
