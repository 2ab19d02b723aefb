"""Compare two runs' folders value by value: `python -m tests.compare_runs BEFORE AFTER` prints what differs.

Every table, plan, vector and number of BEFORE must be in AFTER, to 1e-6; AFTER may have more columns, files and keys.
Rows may stand in another order. Pictures, the report, timings, folders and host are not compared.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

TOLERANCE = 1e-6
LEFT_OUT = ("seconds", "host", "files", "out", "versions", "folder", "revision")
"""Keys of JSON files that two runs of the same thing don't share."""


def differing(before: Path, after: Path) -> Iterator[str]:
    """Every difference, in words, and nothing where there is none."""
    compared = {".csv": _tables, ".parquet": _tables, ".json": _values, ".safetensors": _tensors}
    files = [path for path in sorted(before.rglob("*")) if path.suffix in compared]
    if not files:
        yield f"{before} has nothing to compare"
    for path in files:
        name = path.relative_to(before)
        if not (after / name).is_file():
            yield f"{name} is missing"
        else:
            yield from (f"{name}: {line}" for line in compared[path.suffix](path, after / name))


def _read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path).map(lambda value: "" if value is None else value)
    return pd.read_csv(path, keep_default_na=False, dtype=str)


def _tables(before: Path, after: Path) -> Iterator[str]:
    old, new = _read(before), _read(after)
    if missing := [column for column in old if column not in new]:
        yield f"columns {', '.join(map(str, missing))} are missing"
        return
    if len(old) != len(new):
        yield f"{len(new)} rows, not {len(old)}"
        return
    numbers = {column: (_numbers(old[column]), _numbers(new[column])) for column in old}
    numeric = {column: pair for column, pair in numbers.items() if pair[0] is not None and pair[1] is not None}
    texts = {c: tuple(_texts(table[c]) for table in (old, new)) for c in old if c not in numeric}
    orders = [_order({c: pair[side] for c, pair in (texts | numeric).items()}) for side in (0, 1)]
    for column, (a, b) in texts.items():
        if wrong := int((a[orders[0]] != b[orders[1]]).sum()):
            yield f"{column} differs in {wrong} rows"
    for column, (a, b) in numeric.items():
        a, b = a[orders[0]], b[orders[1]]
        far = ~np.isclose(a, b, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
        if far.any():
            yield f"{column} differs in {int(far.sum())} of {len(a)} rows, by up to {np.nanmax(np.abs(a - b)):.3g}"


def _texts(values: pd.Series) -> np.ndarray:
    return np.array([str(value) for value in values], dtype=object)


def _numbers(values: pd.Series) -> np.ndarray | None:
    """The values as numbers, nothing being NaN; None where they aren't all numbers."""
    try:
        return np.array([float("nan") if value == "" else float(value) for value in values])
    except (TypeError, ValueError):
        return None


def _order(columns: dict[str, np.ndarray]) -> np.ndarray:
    """Rows sorted by their texts, then by rounded numbers: the order in which a run made them doesn't count."""
    table = pd.DataFrame({name: v if v.dtype == object else v.round(4) for name, v in columns.items()})
    return table.sort_values(list(table), kind="stable").index.to_numpy()


def _values(before: Path, after: Path) -> Iterator[str]:
    old, new = (json.loads(path.read_text(encoding="utf-8")) for path in (before, after))
    yield from _unequal(old, new, "")


def _unequal(old: Any, new: Any, where: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old:
            if key in LEFT_OUT:
                continue
            if key not in new:
                yield f"{where}{key} is missing"
            else:
                yield from _unequal(old[key], new[key], f"{where}{key}.")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, pair in enumerate(zip(old, new, strict=True)):
            yield from _unequal(*pair, f"{where}{place}.")
    elif isinstance(old, float) and isinstance(new, float | int):
        if not np.isclose(old, new, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
            yield f"{where.rstrip('.')} is {new}, not {old}"
    elif old != new:
        yield f"{where.rstrip('.')} is {str(new)[:200]!r}, not {str(old)[:200]!r}"


def _tensors(before: Path, after: Path) -> Iterator[str]:
    from safetensors.numpy import load_file

    old, new = load_file(before), load_file(after)
    for name, values in old.items():
        if name not in new or new[name].shape != values.shape:
            yield f"{name} is missing or of another shape"
        elif not np.allclose(values, new[name], rtol=TOLERANCE, atol=TOLERANCE):
            yield f"{name} differs by up to {np.abs(values - new[name]).max():.3g}"


if __name__ == "__main__":
    found = list(differing(Path(sys.argv[1]), Path(sys.argv[2])))
    print("\n".join(found) if found else "equal")
    raise SystemExit(bool(found))
