"""Every figure of a run by name: which tables it is drawn from, and what it shows in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median_high

import pandas as pd
from matplotlib.figure import Figure

from figures import _alt as alt
from figures._ablations import ablations
from figures._erasure import erasure
from figures._geometry import COLUMNS as GEOMETRY
from figures._geometry import geometry
from figures._layers import layers
from figures._lens import lens
from figures._matrix import matrix
from figures._mechanism import mechanism
from figures._noise import noise
from figures._plane import plane, plane_by_language
from figures._run_tables import RunTables
from figures._sweep import sweep
from figures._theme import DrawingError
from figures._wording import MACRO


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


def _of_table(
    name: str, caption: str, figure: Callable[[pd.DataFrame], Figure], words: Callable[[pd.DataFrame], str]
) -> Drawing:
    """A figure of one table, for all languages together."""
    return Drawing((name,), caption, lambda run, _: figure(run.require(name)), lambda run, _: words(run.require(name)))


FIGURES: Mapping[str, Drawing] = {
    "plane": Drawing(
        ("plane",),
        "Transfer and localization of every method on test, with 95% intervals",
        lambda run, language: plane(run.require("plane"), language=language),
        lambda run, language: alt.plane(run.require("plane"), language),
        by_language=True,
    ),
    "changes": Drawing(
        ("plane",),
        "Changes of transfer and localization from base on test, paired by question, with 95% intervals",
        lambda run, language: plane(run.require("plane"), language=language, changes=True),
        lambda run, language: alt.changes(run.require("plane"), language),
        by_language=True,
        columns=("d_transfer", "d_localization"),
    ),
    "plane_by_language": _of_table("plane", "The plane of each language", plane_by_language, alt.plane_by_language),
    "layers": Drawing(
        ("layers",),
        "Probes, alignment, directions and the effect of steering, layer by layer, on test",
        lambda run, language: layers(
            run.require("layers"),
            chosen=usual_layers(run),
            onsets=run.table("onsets"),
            directions=_with_chance(run),
            language=language,
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
        "Cosine, norms and angles of the EN and LOC vectors",
        lambda run, _: geometry(run.require("directions"), run.table("layers")),
        lambda run, _: alt.geometry(run.require("directions")),
        columns=GEOMETRY,
    ),
    "lens": Drawing(
        ("lens",),
        "The answer that leads after every layer, read by the logit lens, on test",
        lambda run, language: lens(run.require("lens"), language=language),
        lambda run, language: alt.lens(run.require("lens"), language),
        by_language=True,
    ),
    "erasure": _of_table("erasure", "Localization lost in training, and what restores it", erasure, alt.erasure),
    "mechanism": _of_table(
        "mechanism",
        "The shift caused by training, and the localization that undoing it restores",
        mechanism,
        alt.mechanism,
    ),
    "matrix": _of_table("matrix", "Localization of every language to every culture", matrix, alt.matrix),
    "ablations": Drawing(
        ("ablations", "regret"),
        "The searched plan and every ablation of it, on test",
        lambda run, _: ablations(_of_mean(run.require("ablations")), _of_mean(run.require("regret"))),
        lambda run, _: alt.ablations(run.require("ablations")),
    ),
    "noise": _of_table(
        "noise",
        "Searches over random vectors or random labels",
        lambda table: noise(_of_mean(table)),
        lambda table: alt.noise(_of_mean(table)),
    ),
}


def _with_chance(run: RunTables) -> pd.DataFrame | None:
    """The directions table, where it says what chance gives."""
    table = run.table("directions")
    return table if table is not None and set(GEOMETRY) <= set(table) else None


def usual_layers(run: RunTables) -> dict[str, int]:
    """The median over languages of the layer that was chosen for EN, and for LOC."""
    methods = (run.plan or {}).get("methods", {})
    return {
        name: median_high(int(choice["steers"][0]["layer"]) for choice in methods[name].values())
        for name in ("en", "loc")
        if methods.get(name)
    }


def lacking(run: RunTables) -> dict[str, list[str]]:
    """Figures that can't be drawn from the run: name -> missing tables."""
    missing = {}
    for name, drawing in FIGURES.items():
        loaded = {table: run.table(table) for table in drawing.needs}
        first = loaded[drawing.needs[0]]
        if absent := [table for table, rows in loaded.items() if rows is None]:
            missing[name] = absent
        elif first is not None and (first.empty or not set(drawing.columns) <= set(first)):
            missing[name] = [f"{drawing.needs[0]} with anything measured"]
    return missing


def draw(run: RunTables, only: Sequence[str] = (), language: str = MACRO) -> Iterator[tuple[str, Figure]]:
    """Draw the figures in `only`, or all that the run's tables allow, one after another.

    language: for figures that can show a single language. If it is not `macro`, other figures are left out unless
    named.
    Raises ValueError for an unknown name, and for a named figure whose tables are missing.
    """
    missing = lacking(run)
    for name in only:
        if name not in FIGURES:
            raise DrawingError(f"figure {name!r} is unknown; allowed: {', '.join(FIGURES)}")
        if name in missing:
            raise DrawingError(f"{name} can't be drawn: {run.folder} has no table {', '.join(missing[name])}")
    for name in only or FIGURES:
        if name in missing or not (only or language == MACRO or FIGURES[name].by_language):
            continue
        yield name, FIGURES[name].draw(run, language)


def _of_mean(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the mean over languages."""
    return table[table["language"] == MACRO]
