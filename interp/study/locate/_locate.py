"""At which layer universal and culture-specific directions separate: every analysis, and the tables of a run."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from interp.errors import Notice
from interp.names import MACRO
from interp.progress import Advance
from interp.study.ask import Study
from interp.study.fit import FitResiduals
from interp.study.folder import write_csv
from interp.study.locate._attribution import CUES, KINDS, attribution_table, lens_table
from interp.study.locate._probing import probe_table, run_probes
from interp.study.locate._residuals import (
    Labels,
    Residuals,
    Stack,
    clusters,
    customs,
    direction_table,
    entities,
    read_residuals,
    relations,
    topics,
)
from interp.study.locate._signals import (
    as_frame,
    from_frame,
    onset_signals,
    readings_frame,
    readings_from_frame,
    separations,
    universal_signals,
)
from probes import (
    APrioriLayers,
    Onset,
    Resampling,
    Separation,
    Signal,
    a_priori_layers,
    alignment_layers,
    intersection_layer,
)  # fmt: skip

FEW_DRAWS = 200
"""Draws of intervals that nobody reads: estimates don't depend on them."""


@dataclass(frozen=True)
class Located:
    """The tables that a run writes, and per language and over all (`macro`) the separation and what it is read from.

    signals: language -> name -> its signal, alone; for `macro` the signals of all languages.
    """

    probes: pd.DataFrame
    alignment: pd.DataFrame
    directions: pd.DataFrame
    attribution: pd.DataFrame
    lens: pd.DataFrame
    layers: pd.DataFrame
    onsets: pd.DataFrame
    separations: Mapping[str, Separation]
    signals: Mapping[str, Mapping[str, Sequence[Signal]]]

    def write(self, folder: Path) -> None:
        """Write every table but `layers`, which a run extends first; attribution and lens only where there are any."""
        for name in ("probes", "alignment", "directions", "onsets"):
            write_csv(folder / f"{name}.csv", getattr(self, name))
        for name in ("attribution", "lens"):
            if len(getattr(self, name)):
                write_csv(folder / f"{name}.csv", getattr(self, name))


def locate_steps(study: Study) -> int:
    """How many steps `locate` takes."""
    kinds = KINDS if study.design.attribution_items else 0
    return _reading_steps(study) + 1 + len(study.languages) * (4 + kinds + len(CUES))


def quick_steps(study: Study) -> int:
    """How many steps `before_search` takes."""
    return _reading_steps(study) + 2 * len(study.languages)


def _reading_steps(study: Study) -> int:
    return len(study.universal.languages) + len(study.cultural.languages) * len(study.cultural.cultures)


def locate(study: Study, fit: FitResiduals, advance: Advance) -> Located:
    """Probes, alignment, directions, onsets and attribution; layers are looked for on test, vectors are of fit."""
    read = cache(lambda: read_residuals(study, fit, advance))
    probed = cache(lambda: run_probes(study, read(), advance))
    frame = study.parts.frame
    probes = frame("locate/probes", lambda: probe_table(probed()))
    alignment = frame("locate/alignment", lambda: run_alignment(study, read(), advance))
    directions = frame("locate/directions", lambda: direction_table(study, fit))
    universal = from_frame(frame("locate/signals", lambda: as_frame(universal_signals(study, read(), probed()))))
    cultural = readings_from_frame(study, frame("locate/cultures", lambda: readings_frame(study, probed())))
    signals = onset_signals(study, universal, cultural)
    separated = separations(study, signals, cultural)
    return Located(
        probes=probes,
        alignment=alignment,
        directions=directions,
        attribution=frame("locate/attribution", lambda: attribution_table(study, advance)),
        lens=frame("locate/lens", lambda: lens_table(study, advance)),
        layers=layer_table(study, probes, alignment, directions, separated),
        onsets=onset_table(study, fit, probes, directions, separated),
        separations=separated,
        signals=signals,
    )


def run_alignment(study: Study, read: Residuals, advance: Advance) -> pd.DataFrame:
    """Cosine margin, retrieval and CKA of English and each language, per layer, universal and cultural apart.

    Cultural items count where they are asked in both languages; there are no cultural rows where too few are.
    """
    parts = []
    for code in study.languages:
        advance(f"alignment {code}")
        facts = read.universal["test", "en"], read.universal["test", code]
        pairs = {"universal": (*facts, relations(study, "test"), entities(study, "test"))}
        if shared := _asked_in_both(study, read, code):
            pairs["cultural"] = shared
        for axis, (english, own, groups, units) in pairs.items():
            table = alignment_layers(
                english, own, groups, units, layers=range(-1, len(own) - 1),
                resampling=Resampling(study.config.bootstrap_draws, study.config.seed),
            )  # fmt: skip
            parts.append(table.assign(axis=axis, language=code))
    return pd.concat(parts, ignore_index=True)


def _asked_in_both(study: Study, read: Residuals, code: str) -> tuple[Stack, Stack, Labels, Labels] | None:
    """Residuals, twice, of the cultural test items asked in English and in a language; their topics and clusters."""
    if ("test", "en") not in read.cultural:
        return None
    english, own = customs(study, "test", "en"), customs(study, "test", code)
    both, first, second = np.intersect1d(english, own, assume_unique=True, return_indices=True)
    order = np.argsort(second)
    groups = topics(study, "test", code)[second[order]]
    units = clusters(study, "test", code)[second[order]]
    if len(set(units)) < 2 or len(both) == len(set(groups)):
        return None
    stacks = read.cultural["test", "en"][:, first[order]], read.cultural["test", code][:, second[order]]
    return *stacks, groups, units


def onset_table(
    study: Study,
    fit: FitResiduals,
    probes: pd.DataFrame,
    directions: pd.DataFrame,
    separated: Mapping[str, Separation],
) -> pd.DataFrame:
    """One row per language and `macro`: onsets, separation, and the layers that one would steer before any search.

    Onsets (universal, cultural, and of each signal) have _lo, _hi and _p; an onset of -1 is the embedding output, and
    an empty one was not found. layer_en and layer_loc follow our a-priori rule, dfki_layer that of `dfki_layer`.
    """
    rows = []
    for language, separation in separated.items():
        row: dict[str, object] = {"language": language}
        onsets = {"universal": separation.universal, "cultural": separation.cultural, **separation.signals}
        for name, onset in onsets.items():
            row |= _onset(name, onset)
        layers = layers_of(language, probes, directions)
        rows.append(
            row | {
                "separation": separation.difference.estimate,
                "separation_lo": separation.difference.lo,
                "separation_hi": separation.difference.hi,
                "verdict": separation.verdict,
                "layer_en": layers.layer_en,
                "layer_loc": np.nan if layers.layer_loc is None else layers.layer_loc,
            }
        )  # fmt: skip
    return pd.DataFrame(rows).assign(dfki_layer=dfki_layer(study, fit))


def dfki_layer(study: Study, fit: FitResiduals) -> int:
    """The layer of arXiv 2605.23036, on each language's mean minus that of the others, as its authors' code has it."""
    means = np.stack([fit.universal[code][1:].numpy().mean(axis=1) for code in study.universal.languages], axis=1)
    others = (means.sum(axis=1, keepdims=True) - means) / (means.shape[1] - 1)
    return intersection_layer(means - others).layer


def _onset(name: str, onset: Onset) -> dict[str, object]:
    bounds = {"": onset.layer, "_lo": onset.lo, "_hi": onset.hi}
    row: dict[str, object] = {f"{name}{end}": np.nan if bound is None else bound for end, bound in bounds.items()}
    return row | {f"{name}_p": onset.p}


def before_search(study: Study, fit: FitResiduals, advance: Advance) -> dict[str, APrioriLayers]:
    """The layers that one would steer before any search, per language and `macro`, by the rule of `onset_table`.

    Probes are tested on dev, so that test can tell what the choice is worth. A language without an answer or a culture
    probe takes those of `macro`; nothing, with a notice, where no language has both.
    """
    quick = replace(study, config=replace(study.config, bootstrap_draws=FEW_DRAWS))
    read = read_residuals(quick, fit, advance, "dev")
    probes = probe_table(run_probes(quick, read, advance, ("answer", "culture"), "dev"))
    directions = direction_table(quick, fit)
    answer, culture = (set(probes[probes["probe"] == name]["language"]) for name in ("answer", "culture"))
    if not answer & culture:
        text = "layers can't be predicted before a search: too few items share an answer, or there is only one culture"
        warnings.warn(text, Notice, stacklevel=2)
        return {}
    macro = layers_of(MACRO, probes, directions)
    own = {code: layers_of(code, probes, directions) for code in study.languages if code in answer & culture}
    return {code: own.get(code, macro) for code in (*study.languages, MACRO)}


def layers_of(language: str, probes: pd.DataFrame, directions: pd.DataFrame) -> APrioriLayers:
    """Our rule on one language's numbers, or on the means over languages."""

    def profile(table: pd.DataFrame, column: str) -> np.ndarray:
        rows = table if language == MACRO else table[table["language"] == language]
        return rows[rows["layer"] >= 0].groupby("layer")[column].mean().to_numpy()

    return a_priori_layers(
        profile(probes[probes["probe"] == "answer"], "accuracy"),
        profile(probes[probes["probe"] == "culture"], "selectivity"),
        profile(directions[directions["language"] != MACRO], "cosine"),
    )


def layer_table(
    study: Study,
    probes: pd.DataFrame,
    alignment: pd.DataFrame,
    directions: pd.DataFrame,
    separated: Mapping[str, Separation],
) -> pd.DataFrame:
    """The rows of `layers.csv`: one per layer and language, and `macro`.

    Probe accuracies with their control (the culture probe: its baseline; the others: shuffled labels) and whether they
    beat it, cosine margins (mismatched pairs are in them), cos(EN, LOC) with the range of random directions, and each
    onset signal's excess over its control with its simultaneous band. Macro rows average the languages' estimates and
    bounds; those of the signals are resampled.
    """
    rows = []
    for language in (*study.languages, MACRO):
        for layer in sorted(directions["layer"].unique()):
            row: dict[str, object] = {"layer": layer, "language": language}
            for probe in sorted(probes["probe"].unique()):
                own = _pick(probes[probes["probe"] == probe], layer, language)
                row |= _means(f"probe_{probe}", own, "accuracy")
                control = own["baseline"].fillna(own["shuffled"])
                row[f"probe_{probe}_control"] = control.mean() if len(own) else np.nan
                row[f"probe_{probe}_beats_control"] = own["beats_control"].mean() if len(own) else np.nan
            for axis in ("universal", "cultural"):
                own = _pick(alignment[alignment["axis"] == axis], layer, language)
                row |= _means(f"alignment_{axis}", own, "cosine_margin")
            own = _pick(directions.dropna(subset="cosine"), layer, language)
            row |= _means("cos_en_loc", own, "cosine")
            row |= {f"cos_en_loc_null_{end}": own[f"cosine_null_{end}"].mean() for end in ("lo", "hi")}
            if language in separated:
                bands = separated[language].layers
                for band in bands[bands["layer"] == layer].to_dict("records"):
                    name = f"excess_{band['signal']}"
                    row |= {name: band["excess"], f"{name}_lo": band["lo"], f"{name}_hi": band["hi"]}
            rows.append(row)
    return pd.DataFrame(rows)


def _pick(table: pd.DataFrame, layer: int, language: str) -> pd.DataFrame:
    """Rows of a layer in a language; for `macro` its own row if there is one, else those of all languages."""
    rows = table[table["layer"] == layer]
    own = rows[rows["language"] == language]
    return rows if language == MACRO and own.empty else own


def _means(name: str, rows: pd.DataFrame, column: str) -> dict[str, float]:
    """Means of an estimate and of its bounds: languages share items, and averaged bounds are never too narrow."""
    return {f"{name}{end}": rows[f"{column}{end}"].mean() if len(rows) else np.nan for end in ("", "_lo", "_hi")}
