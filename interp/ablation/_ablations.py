"""The searched plan with one ingredient removed or replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from interp.names import MACRO
from interp.plane import Cells
from interp.steering import FITTERS, Positions, Setting, Side
from interp.study.ask import Study
from interp.study.fit import AsLong, FitResiduals, Fits, Fitted, Lent, Noise, Pairs, Pooled
from interp.study.search import gain, languages_of
from probes import holm

DRAWS = 5
"""Draws of what is random: layers, vectors, labels. A row of the table is their mean."""

SIZES = (10, 30, 100)
"""Items that vectors are fitted on, in place of all."""

OPERATORS = ("add", "add_keep_norm")
"""Those under which a strength means the same."""

PLACES: tuple[Positions, ...] = ("text", "last")
WINDOWS = (1, 3)


@dataclass(frozen=True)
class Ablation:
    """A row of the table, or one draw of it: which vectors, and the setting of each language."""

    name: str
    group: str
    fits: Fits
    settings: Mapping[str, Setting]
    draw: int | None = None

    @property
    def method(self) -> str:
        """Its name among methods."""
        return self.name if self.draw is None else f"{self.name}#{self.draw}"


def ablations(study: Study, fit: FitResiduals, fits: Fitted, chosen: Mapping[str, Setting]) -> list[Ablation]:
    """Every ablation of the chosen settings (language -> setting), but for those that are the chosen plan itself."""
    rows = [*_taken_away(fits, chosen), *_layers(study, fits, chosen), *_ways(fits, chosen),
            *_vectors(study, fit, fits, chosen)]  # fmt: skip
    return [row for row in rows if row.fits is not fits or row.settings != chosen]


def _each(chosen: Mapping[str, Setting], **changes: object) -> dict[str, Setting]:
    return {code: replace(setting, **changes) for code, setting in chosen.items()}  # type: ignore[arg-type]


def _sides(chosen: Mapping[str, Setting], **changes: object) -> dict[str, Setting]:
    """Both sides of every setting changed."""

    def changed(side: Side | None) -> Side | None:
        return None if side is None else replace(side, **changes)  # type: ignore[arg-type]

    return {c: replace(s, en=changed(s.en), loc=changed(s.loc)) for c, s in chosen.items()}


def _at(setting: Setting, en: int | None, loc: int | None) -> Setting:
    """Layers changed where there is a side and a layer."""
    return replace(
        setting,
        en=setting.en if setting.en is None or en is None else replace(setting.en, layer=en),
        loc=setting.loc if setting.loc is None or loc is None else replace(setting.loc, layer=loc),
    )


def _taken_away(fits: Fits, chosen: Mapping[str, Setting]) -> Iterator[Ablation]:
    yield Ablation("EN alone", "taken away", fits, _each(chosen, loc=None))
    yield Ablation("LOC alone", "taken away", fits, _each(chosen, en=None))


def _layers(study: Study, fits: Fits, chosen: Mapping[str, Setting]) -> Iterator[Ablation]:
    here = {c: (s.en.layer if s.en else None, s.loc.layer if s.loc else None) for c, s in chosen.items()}
    rules = {
        "both at EN's layer": lambda en, loc: (en, en),
        "both at LOC's layer": lambda en, loc: (loc, loc),
        "layers swapped": lambda en, loc: (loc, en),
    }
    for name, rule in rules.items():
        yield Ablation(name, "layers", fits, {c: _at(s, *rule(*here[c])) for c, s in chosen.items()})
    rng = np.random.default_rng((study.config.seed, 7))
    for draw in range(DRAWS):
        drawn = {c: _at(s, *(int(layer) for layer in rng.choice(study.design.layers, 2))) for c, s in chosen.items()}
        yield Ablation("layers drawn at random", "layers", fits, drawn, draw)


def _ways(fits: Fits, chosen: Mapping[str, Setting]) -> Iterator[Ablation]:
    for fitter in FITTERS:
        yield Ablation(f"fitter: {fitter}", "fitted", fits, _sides(chosen, fitter=fitter))
    for flag, (yes, no) in {
        "orthogonal": ("LOC orthogonal to EN", "LOC not made orthogonal"),
        "sequential": ("LOC fitted under EN", "LOC fitted without EN"),
        "filtered": ("with outcome filter", "without outcome filter"),
    }.items():
        for name, value in ((yes, True), (no, False)):
            yield Ablation(name, "fitted", fits, _each(chosen, **{flag: value}))
    added: dict[str, Sequence[object]] = {"operator": OPERATORS, "positions": PLACES, "window": WINDOWS}
    for key, values in added.items():
        for way in values:
            yield Ablation(f"{key}: {way}", "added", fits, _sides(chosen, **{key: way}))


def _vectors(study: Study, fit: FitResiduals, fits: Fitted, chosen: Mapping[str, Setting]) -> Iterator[Ablation]:
    most = max(*(fit.universal[code].shape[1] for code in chosen), *(fit.implicit[code].shape[1] for code in chosen))
    for size in (size for size in SIZES if size < most):
        few = replace(fits, pairs=replace(fits.pairs, items=size))
        yield Ablation(f"vectors from {size} items", "vectors", few, chosen)
    if len(study.languages) > 1:
        yield Ablation("vectors pooled over languages", "vectors", Pooled(fits, study.languages), chosen)
    others = {code: study.third_language(code) for code in study.languages}
    wrong = Fitted(study, Pairs(study, fit, wrong=True))
    if all(others.values()):
        lent = {code: other or "" for code, other in others.items()}
        yield Ablation("EN of another language", "vectors", Lent(fits, fits, lent), chosen)
    if all(study.wrong_culture(code) for code in study.languages):
        own = {code: code for code in study.languages}
        yield Ablation("LOC of another culture", "vectors", Lent(fits, wrong, own), chosen)
    for draw in range(DRAWS):
        yield Ablation("random vectors", "controls", Noise(study, fit, fits, draw), chosen, draw)
    for draw in range(DRAWS):
        swapped = Fitted(study, Pairs(study, fit, swapped=draw))
        yield Ablation("shuffled labels", "controls", AsLong(swapped, fits), chosen, draw)


def means_of(rows: Sequence[Ablation]) -> dict[str, list[str]]:
    """Row -> the draws that it is the mean of."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.draw is not None:
            found.setdefault(row.name, []).append(row.method)
    return found


def ablation_table(cells: Cells, rows: Sequence[Ablation], searched: str, seed: int) -> pd.DataFrame:
    """The rows of `ablations.csv`: per ablation and language, and `macro`, both axes on test.

    d_*: difference from the unsteered model. vs_*: difference from the searched plan, with interval and, over all
    languages, sign-flip p and p adjusted by Holm over the ablations on that axis. better: significantly above the
    searched plan on both axes (adjusted p below .05).
    """
    groups = {row.name: row.group for row in rows}
    found = []
    for language in languages_of(cells):
        for name in (searched, *groups):
            row: dict[str, object] = {"ablation": name, "group": groups.get(name, "searched"), "language": language}
            for metric in ("transfer", "localization"):
                change = gain(cells, name, language, metric).interval
                row |= {f"d_{metric}": change.estimate, f"d_{metric}_lo": change.lo, f"d_{metric}_hi": change.hi}
                if name != searched:
                    against = cells.effect({name: 1.0, searched: -1.0}, language, metric)
                    row |= {
                        f"vs_{metric}": against.estimate, f"vs_{metric}_lo": against.interval.lo,
                        f"vs_{metric}_hi": against.interval.hi,
                        f"vs_{metric}_p": against.p_value(seed) if language == MACRO else np.nan,
                    }  # fmt: skip
            found.append(row)
    table = pd.DataFrame(found)
    for metric in ("transfer", "localization"):
        family = table[table[f"vs_{metric}_p"].notna()]
        table.loc[family.index, f"vs_{metric}_p_holm"] = holm(family[f"vs_{metric}_p"].to_numpy())
    better = [(table[f"vs_{m}"] > 0) & (table[f"vs_{m}_p_holm"] < 0.05) for m in ("transfer", "localization")]
    return table.assign(better=better[0] & better[1])


def better_rows(table: pd.DataFrame) -> list[str]:
    """Ablations that beat the searched plan on both axes over all languages."""
    return list(table[table["better"] & (table["language"] == MACRO)]["ablation"])
