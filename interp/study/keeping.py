"""What a run writes as it goes: scores, vectors, plans, and what it left out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from interp.plane import favourite_wrong, outcomes
from interp.steering.plans import Plan
from interp.steering.saved import PLANS, write_plans
from interp.study.choose import Chosen, Dev, vectors_file
from interp.study.fit import Vectors
from interp.study.output import write_csv
from interp.study.prepare import Study


def save_left_out(folder: Path, study: Study) -> None:
    """What the datasets hold and the run did not use, with reasons; no file where it used everything."""
    rows = [
        {
            "dataset": dataset.name,
            "axis": axis,
            "item": left.item,
            "where": left.where,
            "reason": left.reason,
            "count": left.count,
        }
        for axis, dataset in (
            ("universal", study.universal),
            ("cultural", study.cultural),
            ("parallel", study.parallel),
        )
        for left in dataset.left_out
    ]
    if rows:
        write_csv(folder / "left_out.csv", pd.DataFrame(rows))


def save_vectors(folder: Path, vectors: Vectors) -> None:
    """A file per method and language, in the folder `vectors`."""
    for method, by_language in vectors.items():
        for code, fitted in by_language.items():
            fitted.save(folder / vectors_file(method, code))


class Outcomes:
    """Outcomes of the tables scored so far; the scores themselves go to disk and out of memory. `base` comes first."""

    def __init__(self, study: Study, folder: Path) -> None:
        self.parts: list[pd.DataFrame] = []
        self._study, self._folder = study, folder
        self._favourites: pd.Series | None = None

    def of(self, name: str, scores: pd.DataFrame) -> pd.DataFrame:
        """Write a table of scores and return its outcomes."""
        scores.to_parquet(self._folder / "scores" / f"{name}.parquet", index=False)
        normalisation = self._study.config.normalisation
        if self._favourites is None:
            self._favourites = favourite_wrong(scores, normalisation)
        return outcomes(scores, normalisation, self._favourites)

    def add(self, name: str, scores: pd.DataFrame) -> None:
        """Keep the outcomes of a table."""
        self.parts.append(self.of(name, scores))


def save_plans(folder: Path, study: Study, dev: Dev, chosen: Mapping[str, Mapping[str, Chosen]]) -> None:
    """`plan.json` beside `vectors`: layers and strengths per method and language, with the objectives on dev."""
    loaded, positions = study.loaded, study.config.positions
    unsteered = {
        axis: {code: round(float(dev.values(axis, code, [Plan()])[0]), 6) for code in study.languages}
        for axis in ("universal", "cultural")
    }
    write_plans(
        folder / PLANS,
        model={"name": loaded.name, "fingerprint": loaded.fingerprint, "processing": loaded.processing},
        template=study.template.name,
        methods={m: {code: c.described(code, positions) for code, c in by.items()} for m, by in chosen.items()},
        notes={"unsteered_dev_value": unsteered},
    )
