"""How the EN and LOC vectors of a study lie to each other at every block."""

from __future__ import annotations

import numpy as np
import pandas as pd

from interp.rows import MACRO
from interp.study.fit import FitResiduals
from interp.study.prepare import Study
from interp.study.reading import Stack, clusters, entities
from probes.subspace import angle_layers, direction_layers

ANGLE_DRAWS = 200


def direction_table(study: Study, fit: FitResiduals) -> pd.DataFrame:
    """The rows of `directions.csv`: per language `direction_layers`, and as `macro` `angle_layers` of all languages.

    Everything is of the fit split, the one that the vectors were fitted on; block l is row l.
    """
    en: dict[str, Stack] = {}
    loc: dict[str, Stack] = {}
    for code in study.languages:
        en[code] = (fit.universal["en"] - fit.universal[code])[1:].numpy()
        loc[code] = (fit.explicit[code] - fit.implicit[code])[1:].numpy()
    residuals = {
        code: np.concatenate([fit.universal[code][1:].numpy(), fit.implicit[code][1:].numpy()], axis=1)
        for code in study.languages
    }
    names, groups = entities(study, "fit"), {code: clusters(study, "fit", code) for code in study.languages}
    n_draws, seed = study.config.bootstrap_draws, study.config.seed
    parts = [
        direction_layers(
            en[code],
            loc[code],
            residuals[code],
            clusters_en=names,
            clusters_loc=groups[code],
            n_draws=n_draws,
            seed=seed,
        ).assign(language=code)
        for code in study.languages
    ]
    angles = angle_layers(
        list(en.values()), list(loc.values()), np.concatenate(list(residuals.values()), axis=1),
        clusters_en=[names] * len(en), clusters_loc=list(groups.values()), n_draws=min(n_draws, ANGLE_DRAWS), seed=seed,
    )  # fmt: skip
    table = pd.concat([*parts, angles.assign(language=MACRO)], ignore_index=True)
    return table[["layer", "language", *(c for c in table.columns if c not in ("layer", "language"))]]
