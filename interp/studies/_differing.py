"""Two runs side by side: settings, model, data, versions, and results with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from figures import read_table
from interp.errors import OutputError
from interp.names import BASE, MACRO
from interp.plane import Cells, Resampling, outcomes
from interp.studies._listing import differing, read_plane
from interp.study.folder import read_manifest

if TYPE_CHECKING:
    import pandas as pd

    from interp.plane import Cells


METRICS = ("transfer", "localization")
KEYS = ["axis", "cue", "language", "item"]
N_DRAWS = 2000
"""Of the intervals of paired differences, seed 0."""

COLUMNS = (
    "method", "metric", "a", "a_lo", "a_hi", "b", "b_lo", "b_hi",
    "difference", "difference_lo", "difference_hi", "paired",
)  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """What two runs differ in: key -> their values. results: a row per method and metric of both, macro-averages.

    unpaired: why differences have no intervals; empty where those of methods with scores have them.
    """

    config: Mapping[str, tuple[Any, Any]]
    model: Mapping[str, tuple[Any, Any]]
    data: Mapping[str, tuple[Any, Any]]
    versions: Mapping[str, tuple[Any, Any]]
    methods: tuple[tuple[str, ...], tuple[str, ...]]
    results: pd.DataFrame
    unpaired: str


def compare(a: Path, b: Path) -> Difference:
    """Run folder `a` against `b`; differences of results are b minus a.

    They are paired by item, and have intervals over clusters, where both runs scored the same items of the same data.
    Raises OutputError where a manifest or a table can't be read.
    """
    there, here = read_manifest(a), read_manifest(b)
    planes = [_macro(folder) for folder in (a, b)]
    shared = [method for method in planes[0].index if method in planes[1].index]
    unpaired, cells = _paired(a, b, there, here)
    rows = [_row(method, metric, planes, cells) for method in shared for metric in METRICS]
    return Difference(
        config=differing(_flat(there["config"]), _flat(here["config"])),
        model=differing(_flat(there.get("model")), _flat(here.get("model"))),
        data=differing(_flat(there.get("data")), _flat(here.get("data"))),
        versions=differing(_flat(there.get("versions")), _flat(here.get("versions"))),
        methods=(
            tuple(method for method in planes[0].index if method not in shared),
            tuple(method for method in planes[1].index if method not in shared),
        ),
        results=_table(rows),
        unpaired=unpaired,
    )


def _table(rows: list[dict[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """A mapping of mappings with keys such as `universal.fingerprint`."""
    if not isinstance(value, dict):
        return {name: value} if name else {}
    return {key: one for part, inner in value.items() for key, one in _flat(inner, f"{name}.{part}".strip(".")).items()}


def _macro(folder: Path) -> pd.DataFrame:
    """The macro rows of a plane, by method."""
    plane = read_plane(folder)
    return plane[plane["language"] == MACRO].drop_duplicates("method").set_index("method")


def _row(method: str, metric: str, planes: list[pd.DataFrame], cells: Cells | None) -> dict[str, object]:
    row: dict[str, object] = {"method": method, "metric": metric}
    for name, plane in zip("ab", planes, strict=True):
        row |= {f"{name}{end}": float(plane[f"{metric}{end}"][method]) for end in ("", "_lo", "_hi")}
    own = _names(method)
    if cells is None or not all(name in cells.methods for name in own):
        return row | {"difference": float(str(row["b"])) - float(str(row["a"])), "paired": False}
    found = cells.effect({own[1]: 1.0, own[0]: -1.0}, MACRO, metric).interval
    told = {"difference": found.estimate, "difference_lo": found.lo, "difference_hi": found.hi}
    return row | told | {"paired": True}


def _names(method: str) -> tuple[str, str]:
    """A method's names in the two runs, where their scores are in one table."""
    return f"a:{method}", f"b:{method}"


def _paired(a: Path, b: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> tuple[str, Cells | None]:
    """Why the runs can't be paired, or the outcomes of both in one table."""

    for axis in ("universal", "cultural"):
        if _print(there, axis) != _print(here, axis) or not _print(here, axis):
            return f"their {axis} items are not the same", None
    if there.get("languages") != here.get("languages"):
        return "they score other languages, or for other cultures", None
    tables = []
    for letter, folder, manifest in (("a", a, there), ("b", b, here)):
        table = _outcomes(folder, str(manifest["config"].get("normalisation", "bytes")))
        if table is None:
            return f"{folder} has no scores", None
        tables.append(table.assign(method=f"{letter}:" + table["method"].astype(str)))
    asked = [set(map(tuple, table[table["method"].str.endswith(f":{BASE}")][KEYS].to_numpy())) for table in tables]
    if asked[0] != asked[1]:
        return f"they scored other items: {len(asked[0] ^ asked[1])} prompts are one's only", None
    both = pd.concat(tables, ignore_index=True)
    clusters = {axis: rows["cluster"].unique().tolist() for axis, rows in both.groupby("axis", sort=True)}
    return "", Cells(both, Resampling.over({str(axis): found for axis, found in clusters.items()}, N_DRAWS, 0))


def _print(manifest: Mapping[str, Any], axis: str) -> Any:
    data = manifest.get("data")
    own = data.get(axis) if isinstance(data, dict) else None
    return own.get("fingerprint") if isinstance(own, dict) else None


def _outcomes(folder: Path, normalisation: str) -> pd.DataFrame | None:
    """Outcomes of the unsteered model and of every method with a table of scores of its own; None without scores."""

    files = sorted((folder / "scores").glob("*.parquet"), key=lambda path: (path.stem != BASE, path.name))
    if not files or files[0].stem != BASE:
        return None
    parts = []
    methods = set(_macro(folder).index)
    try:
        for path in files:
            if path.stem not in methods:
                continue
            scores = read_table(path)
            if set(scores["method"]) != {path.stem}:  # the draws of a control
                continue
            scores = scores[(scores["axis"] != "sensitive") & (scores["cue"] == "none")]
            parts.append(outcomes(scores, normalisation))
    except (OSError, ValueError, KeyError) as error:
        raise OutputError(f"{path} can't be read: {error}", remedy="run it again, into another folder") from error
    return pd.concat(parts, ignore_index=True)
