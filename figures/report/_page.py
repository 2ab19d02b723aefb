"""The page: its words, its tables, and the data that its script draws from, in the template `report.html`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from figures import FIGURES, MACRO, RunTables, replace_file
from figures.report import _words as words
from figures.report._cards import cards, overall
from figures.report._data import as_json, payload
from figures.report._tables import tables

FILE = "report.html"
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)
"""Content security policy: nothing is fetched from anywhere."""
LIVE = f"{POLICY}; connect-src 'self'"
"""That of a page with its model behind it, which asks its own server."""

SCRIPTS = ("core", "choice", "plane", "layers", "mechanism", "items", "start")
"""Files in `scripts`, in the order in which they stand in the page."""
ASKING = "ask"
"""The script of the panel that asks the model."""

SOURCES = ("model", "template", "data", "languages", "versions")
"""What of a manifest says how to repeat the run, beside its settings: nothing of the host, timings or files."""

_TEMPLATES = Environment(
    loader=PackageLoader("figures.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def write_report(run: RunTables, manifest: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write `report_html` to a file, whole or not at all; the same tables give the same bytes."""
    target = Path(path)
    replace_file(target, report_html(run, manifest).encode())
    return target


def report_html(run: RunTables, manifest: Mapping[str, Any], *, live: bool = False) -> str:
    """The page of a run. manifest: what `manifest.json` says, of which host, timings and checksums are not shown.

    live: with the panel that asks the model, for a server that has it loaded. Every text of a dataset, a model's name
    or a setting is escaped, or reaches the page as text. Raises DrawingError for a folder without plane.csv.
    """
    plane = run.require("plane")
    first = plane.iloc[0]
    data, judged = payload(run), cards(run, manifest.get("smallest_effects") or {})
    settings = {key: value for key, value in manifest.get("config", {}).items() if value is not None}
    return _TEMPLATES.get_template("report.html").render(
        live=live,
        policy=LIVE if live else POLICY,
        style=_file("report.css"),
        model=first.get("model", "model"),
        universal=first.get("universal", ""),
        cultural=first.get("cultural", ""),
        tables=tables(run),
        words=_described(run),
        cards=judged,
        overall=overall(judged),
        design=manifest.get("design", {}).get("name", ""),
        counted=_counted(plane),
        sentences=words.sentences(plane, run.table("contrasts"), run.table("verdicts")),
        smallest=words.smallest_seen(manifest),
        findings=manifest.get("findings"),
        headroom=manifest.get("headroom", ()),
        checks={name: manifest.get("checks", {}).get(name, ()) for name in ("robustness", "consistency", "damage")},
        ablations=manifest.get("ablations", {}).get("found", ()),
        noise=manifest.get("noise", {}).get("found", ()),
        settings=_yaml(settings),
        sources=_yaml({key: manifest[key] for key in SOURCES if key in manifest}),
        data=data,
        json=as_json(data),
        plotly=get_plotlyjs(),
        script=_script(*SCRIPTS[:-1], *([ASKING] if live else []), SCRIPTS[-1]),
    )


def desk_html(model: str) -> str:
    """The page that asks a model of which there is no run."""
    return _TEMPLATES.get_template("desk.html").render(
        policy=LIVE, style=_file("report.css"), model=model, json=as_json({"looks": {}}), plotly=get_plotlyjs(),
        script=_script(SCRIPTS[0], ASKING),
    )  # fmt: skip


def _script(*names: str) -> str:
    return "".join(_file(f"scripts/{name}.js") for name in names)


def _counted(plane: pd.DataFrame) -> str:
    """How many questions were asked, over all languages; empty where that is not told."""
    rows = plane[plane["language"] == MACRO]
    if not len(rows) or "n_universal" not in rows:
        return ""
    row = rows.iloc[0]
    return f"{row['n_universal']} questions about facts and {row['n_cultural']} about customs"


def _described(run: RunTables) -> dict[str, str]:
    """What the figures show, in words, of each whose table has rows: of the mean, or of the only language."""
    languages = [code for code in run.require("plane")["language"].unique() if code != MACRO]
    shown = str(languages[0]) if len(languages) == 1 else MACRO
    names = ("plane", "sweep", "layers", "lens", "geometry", "erasure", "ablations", "noise")
    found = {}
    for name in names:
        table = run.table(FIGURES[name].needs[0])
        if table is not None and len(table) and set(FIGURES[name].columns) <= set(table):
            found[name] = FIGURES[name].says(run, shown if FIGURES[name].by_language else MACRO)
    return found


def _yaml(value: Mapping[str, Any]) -> str:
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))


def _file(name: str) -> str:
    return (files("figures.report") / name).read_text(encoding="utf-8")
