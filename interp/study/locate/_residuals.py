"""The residuals that locating reads, and how the EN and LOC vectors lie to each other at every block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped

from interp.data import Split
from interp.names import MACRO
from interp.progress import Advance
from interp.study.ask import Study
from interp.study.fit import FitResiduals
from probes import Resampling, angle_layers, direction_layers

Stack = Float[np.ndarray, "layer example d_model"]
Labels = Shaped[np.ndarray, " example"]

CUED_PER_CULTURE = 12
"""How many fit items per culture and language train the cued-culture probe."""


@dataclass(frozen=True)
class Residuals:
    """Row 0 is the embedding output. Keys: (split, language) of implicit prompts, (language, culture) of cued ones."""

    universal: Mapping[tuple[Split, str], Stack]
    cultural: Mapping[tuple[Split, str], Stack]
    cued: Mapping[tuple[str, str], Stack]


def read_residuals(study: Study, fit: FitResiduals, advance: Advance, split: Split = "test") -> Residuals:
    """Prompts of every language on `split`, and cued fit prompts of every culture; `fit` has its uncued ones."""
    universal: dict[tuple[Split, str], Stack] = {("fit", code): r.numpy() for code, r in fit.universal.items()}
    cultural: dict[tuple[Split, str], Stack] = {("fit", code): r.numpy() for code, r in fit.implicit.items()}
    cued: dict[tuple[str, str], Stack] = {}
    for code in study.universal.languages:
        advance(f"residuals {code}")
        universal[split, code] = study.read(study.universal_texts(code, split)).numpy()
    for code in study.cultural.languages:
        cultural[split, code] = study.read(study.cultural_texts(code, split)).numpy()
        for culture in study.cultural.cultures:
            advance(f"residuals {code} {culture}")
            cued[code, culture] = study.read(
                study.cultural_texts(code, "fit", "explicit", culture)[:CUED_PER_CULTURE]
            ).numpy()
    return Residuals(universal, cultural, cued)


def entities(study: Study, split: Split) -> Labels:
    """Cluster of each universal item of a split."""
    return np.array([item.cluster for item in study.universal_items(split)])


def relations(study: Study, split: Split) -> Labels:
    """Relation of each universal item of a split."""
    return np.array([item.relation for item in study.universal_items(split)])


def answers(study: Study, split: Split) -> Labels:
    """Relation and English answer of each universal item of a split."""
    return np.array([f"{item.relation}/{item.options[item.answer]['en']}" for item in study.universal_items(split)])


def customs(study: Study, split: Split, language: str) -> Labels:
    """Key of each cultural item of a split that is asked in a language."""
    return np.array([item.key for _, item in study.cultural_items(language, split)])


def topics(study: Study, split: Split, language: str) -> Labels:
    """Topic of each cultural item of a split that is asked in a language."""
    return np.array([item.topic for _, item in study.cultural_items(language, split)])


def clusters(study: Study, split: Split, language: str) -> Labels:
    """Cluster of each cultural item of a split that is asked in a language."""
    return np.array([item.cluster for _, item in study.cultural_items(language, split)])


ANGLE_DRAWS = 200


def direction_table(study: Study, fit: FitResiduals) -> pd.DataFrame:
    """The rows of `directions.csv`: per language `direction_layers`, and as `macro` `angle_layers` of all languages.

    Everything is of the fit split, the one that the vectors were fitted on; block l is row l.
    """
    en = {code: (fit.universal["en"] - fit.universal[code])[1:].numpy() for code in study.languages}
    loc = {code: (fit.explicit[code] - fit.implicit[code])[1:].numpy() for code in study.languages}
    residuals = {
        code: np.concatenate([fit.universal[code][1:].numpy(), fit.implicit[code][1:].numpy()], axis=1)
        for code in study.languages
    }
    names, groups = entities(study, "fit"), {code: clusters(study, "fit", code) for code in study.languages}
    resampling = Resampling(study.config.bootstrap_draws, study.config.seed)
    parts = [
        direction_layers(
            en[code], loc[code], residuals[code], clusters_en=names, clusters_loc=groups[code], resampling=resampling,
        ).assign(language=code)
        for code in study.languages
    ]  # fmt: skip
    angles = angle_layers(
        list(en.values()), list(loc.values()), np.concatenate(list(residuals.values()), axis=1),
        clusters_en=[names] * len(en), clusters_loc=list(groups.values()),
        resampling=resampling._replace(n_draws=min(resampling.n_draws, ANGLE_DRAWS)),
    )  # fmt: skip
    table = pd.concat([*parts, angles.assign(language=MACRO)], ignore_index=True)
    return table[["layer", "language", *(c for c in table.columns if c not in ("layer", "language"))]]
