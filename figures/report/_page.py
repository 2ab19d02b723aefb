"""The page: sections in words and tables, with the data that its script draws from."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from plotly.offline import get_plotlyjs

from figures import MACRO, RunTables, replace_file
from figures import _alt as alt
from figures.report import _checks as checks
from figures.report import _tables as tables
from figures.report import _words as words
from figures.report._data import as_json, payload, settings
from figures.report._headroom import headroom

FILE = "report.html"
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)
"""Content security policy: nothing is fetched from anywhere."""


def write_report(run: RunTables, manifest: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write `report_html` to a file, whole or not at all; the same tables give the same bytes."""
    target = Path(path)
    replace_file(target, report_html(run, manifest).encode())
    return target


def report_html(run: RunTables, manifest: Mapping[str, Any]) -> str:
    """The page of a run. manifest: what `manifest.json` says, of which host, timings and checksums are not shown.

    Every text of a dataset, a model's name or a setting is escaped, or reaches the page as text. Raises DrawingError
    for a folder without plane.csv.
    """
    parts = files("figures.report")
    script = (parts / "report.js").read_text(encoding="utf-8")
    data = payload(run)
    plane = run.require("plane")
    model, sets = _names(plane)
    title = f"{model}: transfer and localization"
    pieces = {
        "title": escape(title),
        "policy": escape(POLICY),
        "style": (parts / "report.css").read_text(encoding="utf-8"),
        "heading": escape(model),
        "sets": escape(sets),
        "sections": "\n".join(_sections(run, manifest, data)),
        "plotly": get_plotlyjs(),
        "data": as_json(data),
        "script": script,
    }
    page = (parts / "report.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: pieces[found[1]], page)


def _names(plane: pd.DataFrame) -> tuple[str, str]:
    first = plane.iloc[0]
    return str(
        first.get("model", "model")
    ), f"{first.get('universal', '')} (facts), {first.get('cultural', '')} (customs)"


def _sections(run: RunTables, manifest: Mapping[str, Any], data: Mapping[str, Any]) -> list[str]:
    plane, contrasts = run.require("plane"), run.table("contrasts")
    found = [_section("headroom", "What there is to gain", body)] if (body := headroom(run, manifest)) else []
    found.append(_section("summary", "What was found", _summary(run, manifest)))
    found.append(_section("plane", "The plane", _plane(plane)))
    if contrasts is not None:
        found.append(_section("contrasts", "Comparisons", tables.contrast_table(contrasts)))
    found += [_section(*section) for section in checks.checked(run, manifest)]
    if (sweep := run.table("sweep")) is not None:
        found.append(_section("sweep", "Layers and strengths", _sweep(sweep)))
    if (layers := run.table("layers")) is not None and len(layers):
        found.append(_section("layers", "Layer by layer", _layers(layers, run.table("onsets"), data)))
    if (lost := run.table("erasure")) is not None:
        found.append(_section("erasure", "What training erased", _erasure(lost)))
    if (ablated := run.table("ablations")) is not None:
        found.append(_section("ablations", "Ablations and regret", _ablations(ablated, manifest)))
    if (noise := run.table("noise")) is not None:
        found.append(_section("noise", "Searches where there is nothing to find", _noise(noise, manifest)))
    if data["items"]["rows"]:
        found.append(_section("items", "Item by item", _items(data["items"])))
    found.append(_section("repeat", "How to repeat it", _repeat(manifest)))
    return found


def _section(name: str, heading: str, body: str) -> str:
    return (
        f'<section id="{name}" aria-labelledby="{name}-h"><h2 id="{name}-h">{escape(heading)}</h2>\n{body}\n</section>'
    )


def _paragraph(text: str, kind: str = "") -> str:
    return f"<p{kind and f' class={kind}'}>{escape(text)}</p>"


def _list(lines: list[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _figure(name: str, told: str, numbers: str, controls: str = "") -> str:
    """A chart with its text, its controls, and its numbers below."""
    return (
        f'{controls}<figure><div class="chart" id="chart-{name}" role="img" aria-label="{escape(told)}">'
        f'<noscript>{escape(told)}</noscript></div><figcaption id="told-{name}">{escape(told)}</figcaption></figure>'
        f"<details><summary>Numbers</summary>{numbers}</details>"
    )


def _choose(name: str, label: str) -> str:
    return f'<label for="{name}">{escape(label)} <select id="{name}"></select></label>'


def _summary(run: RunTables, manifest: Mapping[str, Any]) -> str:
    sentences = words.sentences(run.require("plane"), run.table("contrasts"), run.table("verdicts"))
    located = [str(line) for line in manifest.get("findings", [])]
    text = _paragraph(sentences[0], "lead") + _list(sentences[1:])
    text += _paragraph(
        "Numbers are of the test split, which no choice has seen. In brackets are 95% intervals over clusters of items "
        "(facts of one entity, customs of one topic): they say how the numbers would differ with other items, not with "
        "other models, languages or training seeds. Answers are chosen among options; what a model says freely may "
        "differ.",
        "note",
    )
    if seen := words.smallest_seen(manifest):
        text += _paragraph(seen, "note")
    if located:
        text += (
            f"<details><summary>Where directions separate ({len(located)} findings)</summary>{_list(located)}</details>"
        )
    return text


def _plane(plane: pd.DataFrame) -> str:
    controls = (
        f'<div class="controls">{_choose("plane-language", "Language")}{_choose("plane-method", "Layers of")}'
        '<label><input type="checkbox" id="plane-controls" checked> controls</label></div>'
    )
    chosen = '<div id="chosen" aria-live="polite"></div>'
    return _figure("plane", alt.plane(plane, MACRO), tables.plane_table(plane), controls) + chosen


def _sweep(sweep: pd.DataFrame) -> str:
    columns = ("d_transfer", "d_localization")
    rows = sweep[sweep["language"] == MACRO]
    numbers = tables.numbers_table(rows, ("method", "layer", "strength"), columns, "Changes from base on dev")
    controls = f'<div class="controls">{_choose("sweep-language", "Language")}{_choose("sweep-method", "Vector")}</div>'
    note = _paragraph("Layers and strengths are chosen on dev. These numbers say nothing about test.", "note")
    return _figure("sweep", alt.sweep(sweep, MACRO), numbers, controls) + note


def _layers(layers: pd.DataFrame, onsets: pd.DataFrame | None, data: Mapping[str, Any]) -> str:
    columns = [curve[0] for _, curves in data["layers"]["panels"] for curve in curves]
    rows = layers[layers["language"] == MACRO]
    numbers = tables.numbers_table(rows, ("layer",), columns, "Probes, alignment, directions and effects by layer")
    controls = f'<div class="controls">{_choose("layers-language", "Language")}</div>'
    text = _figure("layers", alt.layers(layers, MACRO), numbers, controls)
    if onsets is not None and {"universal", "cultural", "separation"} <= set(onsets):
        text += tables.onset_table(onsets)
    return text


def _erasure(lost: pd.DataFrame) -> str:
    columns = [c for c in ("erasure", "knowledge_lost", "recoverable", "recoverable_wrong", "returned") if c in lost]
    rows = lost[lost["language"] == MACRO]
    return _paragraph(alt.erasure(lost)) + tables.numbers_table(
        rows, ("method",), columns, "Localization that training lost, and what gives it back, mean over languages"
    )


def _ablations(ablated: pd.DataFrame, manifest: Mapping[str, Any]) -> str:
    rows = ablated[ablated["language"] == MACRO]
    columns = ("d_transfer", "d_localization", "vs_transfer", "vs_localization")
    numbers = tables.numbers_table(
        rows, ("ablation",), columns, "Changes from base (d), and from the searched plan (vs), mean over languages"
    )
    return _paragraph(alt.ablations(ablated)) + _list(_added(manifest, "ablations")) + numbers


def _noise(noise: pd.DataFrame, manifest: Mapping[str, Any]) -> str:
    return _paragraph(alt.noise(noise[noise["language"] == MACRO])) + _list(_added(manifest, "noise"))


def _added(manifest: Mapping[str, Any], key: str) -> list[str]:
    """What `interp ablate` says in words."""
    return [str(line) for line in manifest.get(key, {}).get("found", [])]


def _items(found: Mapping[str, Any]) -> str:
    shown, total = len(found["rows"]), found["total"]
    cut = (
        f"{shown} of {total} questions are here, to keep the file small: those that a method changes come first."
        if shown < total
        else f"{total} questions, asked without a cue."
    )
    return (
        f"{_paragraph(cut)}"
        '<div class="controls">'
        f"{_choose('items-method', 'After')}{_choose('items-language', 'Language')}{_choose('items-axis', 'Questions')}"
        '<label for="items-change">Change <select id="items-change"><option value="">all</option>'
        '<option value="changed">answer changed</option><option value="gained">became right</option>'
        '<option value="lost">became wrong</option></select></label>'
        '<label for="items-text">Text <input id="items-text" type="search" autocomplete="off"></label></div>'
        '<p id="items-count" role="status"></p>'
        '<div class="scroll" tabindex="0" role="region" aria-label="Items"><table id="items-table"><caption>Chosen '
        "options before and after; the right one is the fact, or the language's own culture's</caption><thead><tr>"
        '<th scope="col">Question</th><th scope="col">Right</th><th scope="col">US</th><th scope="col">Before</th>'
        '<th scope="col">After</th></tr></thead><tbody></tbody></table></div>'
        '<div class="controls"><button id="items-back" type="button">Back</button> <span id="items-page"></span> '
        '<button id="items-on" type="button">On</button></div>'
        "<noscript><p>The items are shown by a script, which this browser does not run.</p></noscript>"
    )


def _repeat(manifest: Mapping[str, Any]) -> str:
    config = manifest.get("config", {})
    given = {key: value for key, value in config.items() if value is not None}
    text = yaml.safe_dump(given, sort_keys=False, allow_unicode=True)
    told = yaml.safe_dump(dict(settings(manifest)), sort_keys=False, allow_unicode=True)
    return (
        "<p>Save the settings as <code>run.yaml</code> and run <code>interp run --config run.yaml</code>.</p>"
        f'<pre tabindex="0" aria-label="Settings">{escape(text)}</pre>'
        f'<details><summary>Model, data and versions</summary><pre tabindex="0">{escape(told)}</pre></details>'
    )
