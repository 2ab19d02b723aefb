"""Two runs side by side: settings, model, data, versions, and results with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from figures import read_table
from interp.errors import OutputError, reason_of
from interp.names import BASE, MACRO
from interp.plane import Cells, Resampling, outcomes
from interp.studies._listing import read_plane
from interp.study.folder import read_manifest

PARTS = ("config", "model", "data", "versions")
"""Of a manifest: in what runs may differ."""
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
    """Differences of two runs: key -> both values. results: a row per shared method and metric (macro-averages).

    unpaired: why differences have no intervals; empty if they have intervals.
    """

    config: Mapping[str, tuple[Any, Any]]
    model: Mapping[str, tuple[Any, Any]]
    data: Mapping[str, tuple[Any, Any]]
    versions: Mapping[str, tuple[Any, Any]]
    methods: tuple[tuple[str, ...], tuple[str, ...]]
    results: pd.DataFrame
    unpaired: str


def compare(a: Path, b: Path) -> Difference:
    """Compare the run folders `a` and `b`. Differences of results are b minus a.

    If both runs scored the same items of the same data, differences are paired by item and have intervals over
    clusters.
    Raises OutputError if a manifest or a table can't be read.
    """
    manifests = [read_manifest(folder) for folder in (a, b)]
    planes = [_macro(folder) for folder in (a, b)]
    shared = [method for method in planes[0].index if method in planes[1].index]
    unpaired, cells = _paired((a, b), manifests)
    rows = [_row(method, metric, planes, cells) for method in shared for metric in METRICS]
    return Difference(
        **{part: _differing(*(_flat(manifest.get(part)) for manifest in manifests)) for part in PARTS},
        methods=(
            tuple(method for method in planes[0].index if method not in shared),
            tuple(method for method in planes[1].index if method not in shared),
        ),
        results=pd.DataFrame(rows, columns=list(COLUMNS)),
        unpaired=unpaired,
    )


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Keys with their two values, where these differ (None if one lacks the key)."""
    return {key: (a.get(key), b.get(key)) for key in dict.fromkeys((*a, *b)) if a.get(key) != b.get(key)}


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """A mapping of mappings with keys such as `universal.fingerprint`."""
    if not isinstance(value, dict):
        return {name: value} if name else {}
    parts = (_flat(inner, f"{name}.{part}".strip(".")) for part, inner in value.items())
    return {key: leaf for part in parts for key, leaf in part.items()}


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
    interval = cells.effect({own[1]: 1.0, own[0]: -1.0}, MACRO, metric).interval
    difference = {"difference": interval.estimate, "difference_lo": interval.lo, "difference_hi": interval.hi}
    return row | difference | {"paired": True}


def _names(method: str) -> tuple[str, str]:
    """A method's names in the two runs, where their scores are in one table."""
    return f"a:{method}", f"b:{method}"


def _paired(folders: Sequence[Path], manifests: Sequence[Mapping[str, Any]]) -> tuple[str, Cells | None]:
    """Why the runs can't be paired, or the outcomes of both in one table."""
    for axis in ("universal", "cultural"):
        a, b = (_flat(manifest.get("data")).get(f"{axis}.fingerprint") for manifest in manifests)
        if not a or a != b:
            return f"their {axis} items are not the same", None
    if manifests[0].get("languages") != manifests[1].get("languages"):
        return "they score different languages or cultures", None
    tables = []
    for letter, folder, manifest in zip("ab", folders, manifests, strict=True):
        table = _outcomes(folder, str(manifest["config"].get("normalisation", "bytes")))
        if table is None:
            return f"{folder} has no scores", None
        tables.append(table.assign(method=f"{letter}:" + table["method"].astype(str)))
    asked = [set(map(tuple, table[table["method"].str.endswith(f":{BASE}")][KEYS].to_numpy())) for table in tables]
    if asked[0] != asked[1]:
        return f"they scored different items: {len(asked[0] ^ asked[1])} prompts are in only one of them", None
    both = pd.concat(tables, ignore_index=True)
    clusters = {axis: rows["cluster"].unique().tolist() for axis, rows in both.groupby("axis", sort=True)}
    return "", Cells(both, Resampling.over({str(axis): names for axis, names in clusters.items()}, N_DRAWS, 0))


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
        raise OutputError(
            f"{path} can't be read: {reason_of(error)}", remedy="run it again, into another folder"
        ) from error
    return pd.concat(parts, ignore_index=True)
