"""Every figure of a run by name: which tables it is drawn from, and what it shows in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from figures import _alt as alt
from figures._ablations import ablations
from figures._erasure import erasure
from figures._geometry import COLUMNS as GEOMETRY
from figures._geometry import geometry
from figures._layers import layers
from figures._matrix import matrix
from figures._mechanism import mechanism
from figures._noise import noise
from figures._plane import plane, plane_by_language
from figures._run_tables import RunTables
from figures._sweep import sweep
from figures._theme import DrawingError

MACRO = "macro"


@dataclass(frozen=True)
class Drawing:
    """A figure of a run. needs: its tables; caption: what it is; draw and says (alt text, with its numbers).

    columns: without which of its first table there is nothing to draw; a run on few items may not have them.
    """

    needs: tuple[str, ...]
    caption: str
    draw: Callable[[RunTables, str], Figure]
    says: Callable[[RunTables, str], str]
    by_language: bool = False
    """Whether it can be drawn for one language; else it has all languages, or their mean alone."""
    columns: tuple[str, ...] = ()


FIGURES: Mapping[str, Drawing] = {
    "plane": Drawing(
        ("plane",),
        "Transfer and localization of every method on test, with 95% intervals",
        lambda run, language: plane(run.require("plane"), language=language),
        lambda run, language: alt.plane(run.require("plane"), language),
        by_language=True,
    ),
    "plane_by_language": Drawing(
        ("plane",),
        "The plane of each language",
        lambda run, _: plane_by_language(run.require("plane")),
        lambda run, _: alt.plane_by_language(run.require("plane")),
    ),
    "layers": Drawing(
        ("layers",),
        "Probes, alignment, directions and the effect of steering, layer by layer, on test",
        lambda run, language: layers(
            run.require("layers"), chosen=usual_layers(run), onsets=run.table("onsets"), language=language
        ),
        lambda run, language: alt.layers(run.require("layers"), language),
        by_language=True,
    ),
    "sweep": Drawing(
        ("sweep",),
        "Change of transfer and localization at every layer and strength, on dev",
        lambda run, language: sweep(run.require("sweep"), language=language),
        lambda run, language: alt.sweep(run.require("sweep"), language),
        by_language=True,
    ),
    "geometry": Drawing(
        ("directions",),
        "How EN and LOC vectors lie to each other",
        lambda run, _: geometry(run.require("directions"), run.table("layers")),
        lambda run, _: alt.geometry(run.require("directions")),
        columns=GEOMETRY,
    ),
    "erasure": Drawing(
        ("erasure",),
        "What training lost of localization, and what brings it back",
        lambda run, _: erasure(run.require("erasure")),
        lambda run, _: alt.erasure(run.require("erasure")),
    ),
    "mechanism": Drawing(
        ("mechanism",),
        "What training moved, and the localization that undoing it restores",
        lambda run, _: mechanism(run.require("mechanism")),
        lambda run, _: alt.mechanism(run.require("mechanism")),
    ),
    "matrix": Drawing(
        ("matrix",),
        "Localization of every language to every culture",
        lambda run, _: matrix(run.require("matrix")),
        lambda run, _: alt.matrix(run.require("matrix")),
    ),
    "ablations": Drawing(
        ("ablations", "regret"),
        "The searched plan and every ablation of it, on test",
        lambda run, _: ablations(_macro(run, "ablations"), _macro(run, "regret")),
        lambda run, _: alt.ablations(run.require("ablations")),
    ),
    "noise": Drawing(
        ("noise",),
        "Searches where there is nothing to find",
        lambda run, _: noise(_macro(run, "noise")),
        lambda run, _: alt.noise(_macro(run, "noise")),
    ),
}


def usual_layers(run: RunTables) -> dict[str, int]:
    """The median over languages of the layer that was chosen for EN, and for LOC."""
    methods = (run.plan or {}).get("methods", {})
    found = {
        name: sorted(int(choice["steers"][0]["layer"]) for choice in methods[name].values())
        for name in ("en", "loc")
        if methods.get(name)
    }
    return {name: places[len(places) // 2] for name, places in found.items()}


def lacking(run: RunTables) -> dict[str, list[str]]:
    """Name -> tables that the run does not have, of every figure that can't be drawn from it."""
    missing = {name: [table for table in one.needs if run.table(table) is None] for name, one in FIGURES.items()}
    for name, one in FIGURES.items():
        table = None if missing[name] else run.table(one.needs[0])
        if table is not None and (table.empty or not set(one.columns) <= set(table)):
            missing[name] = [f"{one.needs[0]} with anything measured"]
    return {name: tables for name, tables in missing.items() if tables}


def draw(run: RunTables, only: Sequence[str] = (), language: str = MACRO) -> Iterator[tuple[str, Figure]]:
    """The figures of a run, those of `only` or all that its tables allow, one after another.

    language: of those that can be drawn for one, which; others are left out where it is not `macro`, unless named.
    Raises ValueError for an unknown name, and for a named figure whose tables are missing.
    """
    missing = lacking(run)
    for name in only:
        if name not in FIGURES:
            raise DrawingError(f"figure {name!r} is unknown; known are {list(FIGURES)}")
        if name in missing:
            raise DrawingError(f"{name} can't be drawn: {run.folder} has no table {', '.join(missing[name])}")
    for name in only or FIGURES:
        if name in missing or not (only or language == MACRO or FIGURES[name].by_language):
            continue
        yield name, FIGURES[name].draw(run, language)


def _macro(run: RunTables, name: str) -> pd.DataFrame:
    table = run.require(name)
    return table[table["language"] == MACRO]
