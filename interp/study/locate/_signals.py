"""The signals that onsets are read from, as tables that are kept, and the separation of each language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from interp.names import MACRO
from interp.study.ask import Study
from interp.study.locate._probing import Probed
from interp.study.locate._residuals import Residuals, entities, relations
from probes import (
    Chance,
    CultureReading,
    Resampling,
    Sample,
    Separation,
    Signal,
    cosine_margin,
    find_separation,
    wrong_assignments,
    wrong_pairs,
)

UNIVERSAL, CULTURAL = ("answer", "alignment"), ("culture",)
"""The signals that must set in for the universal, and for the cultural onset."""

KINDS = ("cultural", "universal")


def universal_signals(study: Study, read: Residuals, probed: Sequence[Probed]) -> dict[str, dict[str, Signal]]:
    """Name -> language -> signal of what is universal; row 0: embedding output."""
    english, groups, units = read.universal["test", "en"], relations(study, "test"), entities(study, "test")
    return {
        "answer": {probe.language: probe.signal() for probe in probed if probe.probe == "answer"},
        "alignment": {
            code: Signal(cosine_margin(english, read.universal["test", code], groups), units)
            for code in study.languages
        },
    }


def as_frame(signals: Mapping[str, Mapping[str, Signal]]) -> pd.DataFrame:
    """Signals as a table: a row per name, language and example, a column per layer."""
    parts = []
    for name, by_language in signals.items():
        for code, signal in by_language.items():
            columns = {f"value_{row}": values for row, values in enumerate(np.asarray(signal.values, dtype=np.float64))}
            if signal.control is not None:
                control = np.asarray(signal.control, dtype=np.float64)
                columns |= {f"control_{row}": values for row, values in enumerate(control)}
            labels = {"signal": name, "language": code, "cluster": np.asarray(signal.clusters).astype(str)}
            parts.append(pd.DataFrame(labels | columns))
    return pd.concat(parts, ignore_index=True)


def from_frame(table: pd.DataFrame) -> dict[str, dict[str, Signal]]:
    """Signals of `as_frame`."""
    signals: dict[str, dict[str, Signal]] = {name: {} for name in UNIVERSAL}
    for (name, code), rows in table.groupby(["signal", "language"], sort=False):
        values = rows.filter(like="value_").to_numpy(dtype=np.float64).T
        control = rows.filter(like="control_").to_numpy(dtype=np.float64).T
        controlled = bool(len(control)) and not np.isnan(control).all()
        clusters = rows["cluster"].to_numpy(dtype=str)
        signals[str(name)][str(code)] = Signal(values, clusters, control if controlled else None)
    return signals


def readings_frame(study: Study, probed: Sequence[Probed]) -> pd.DataFrame:
    """What each culture probe says: a row per language, kind of prompt and example, a column per layer."""
    parts = []
    for probe in (probe for probe in probed if probe.probe == "culture"):
        reading = probe.reading(study.culture(probe.language))
        names = np.array(reading.cultures)
        for kind, sample in zip(KINDS, (reading.cultural, reading.universal), strict=True):
            predicted = {f"culture_{row}": names[codes] for row, codes in enumerate(np.asarray(sample.values))}
            labels = {"language": probe.language, "kind": kind, "cluster": np.asarray(sample.clusters).astype(str)}
            parts.append(pd.DataFrame(labels | predicted))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"language": [], "kind": [], "cluster": []})


def readings_from_frame(study: Study, table: pd.DataFrame) -> dict[str, CultureReading]:
    """Language -> reading, of `readings_frame`."""
    cultures = tuple(sorted(study.cultural.cultures))
    readings = {}
    for code, rows in table.groupby("language", sort=False):
        samples = []
        for kind in KINDS:
            own = rows[rows["kind"] == kind]
            predicted = own.filter(like="culture_").to_numpy(dtype=str).T
            samples.append(Sample(np.searchsorted(cultures, predicted), own["cluster"].to_numpy(dtype=str)))
        number = cultures.index(study.culture(str(code)))
        readings[str(code)] = CultureReading(number, cultures, *samples)
    return readings


def onset_signals(
    study: Study, universal: Mapping[str, Mapping[str, Signal]], cultural: Mapping[str, CultureReading]
) -> dict[str, dict[str, list[Signal]]]:
    """Language -> name -> its signal, for every language that has them all; as `macro` those of all of them."""
    languages = [code for code in study.languages if code in universal["answer"] and code in cultural]
    signals = {**universal, "culture": {code: reading.signal() for code, reading in cultural.items()}}
    pooled = {code: [code] for code in languages} | ({MACRO: languages} if languages else {})
    return {
        code: {name: [by_language[each] for each in some] for name, by_language in signals.items()}
        for code, some in pooled.items()
    }


def separations(
    study: Study, signals: Mapping[str, Mapping[str, Sequence[Signal]]], cultural: Mapping[str, CultureReading]
) -> dict[str, Separation]:
    """Onsets of each language and `macro`; the last block is left out.

    By chance a language's own culture does as well as any culture does in a language that it doesn't belong to, and all
    languages' own as other assignments of cultures to languages.
    """
    result = {}
    readings = [cultural[code] for code in signals if code != MACRO]
    for code, by_name in signals.items():
        n_layers = by_name[UNIVERSAL[0]][0].values.shape[0] - 1
        chance = wrong_assignments(readings, study.config.seed) if code == MACRO else wrong_pairs(readings)
        universal, own = (
            {name: [signal.first(n_layers) for signal in by_name[name]] for name in names}
            for names in (UNIVERSAL, CULTURAL)
        )
        result[code] = find_separation(
            universal, own, chance={"culture": Chance(chance.excess[:, :n_layers])}, layers=range(-1, n_layers - 1),
            resampling=Resampling(study.config.bootstrap_draws, study.config.seed),
        )  # fmt: skip
    return result
