"""What a run writes as it goes: scores, vectors, plans, and what it left out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from interp.data.items import LeftOut
from interp.plane import outcomes
from interp.steering.saved import PLANS, write_plans
from interp.study.fit import Vectors
from interp.study.item_table import Questions, item_rows
from interp.study.output import write_csv
from interp.study.prepare import Study
from interp.study.report import is_control
from interp.study.search.chosen import ChosenPlans, vectors_file

ITEMS = "items.parquet"


def save_left_out(folder: Path, study: Study) -> None:
    """What the datasets hold and the run did not use, with reasons; no file where it used everything.

    Items that the model's vocabulary makes useless in a language stand behind the datasets' own.
    """
    every: list[tuple[str, str, LeftOut]] = [
        *(("universal", study.universal.name, left) for left in study.universal.left_out),
        *(("cultural", study.cultural.name, left) for left in study.cultural.left_out),
        *(("parallel", study.parallel.name, left) for left in study.parallel.left_out),
        *(
            (axis, study.cultural.name if axis == "cultural" else study.universal.name, left)
            for axis, left in study.indistinct_items
        ),
    ]
    rows = [
        {
            "dataset": name,
            "axis": axis,
            "item": left.item,
            "where": left.where,
            "reason": left.reason,
            "count": left.count,
        }
        for axis, name, left in every
    ]
    if rows:
        write_csv(folder / "left_out.csv", pd.DataFrame(rows))


def save_vectors(folder: Path, vectors: Vectors) -> None:
    """A file per method and language, in the folder `vectors`."""
    for method, by_language in vectors.items():
        for code, fitted in by_language.items():
            fitted.save(folder / vectors_file(method, code))


class Outcomes:
    """Outcomes of the tables scored so far; the scores themselves go to disk and out of memory.

    questions: with them, what was chosen item by item is kept too, but for controls.
    """

    def __init__(self, study: Study, folder: Path, questions: Questions | None = None) -> None:
        self.parts: list[pd.DataFrame] = []
        self._items: list[pd.DataFrame] = []
        self._study, self._folder, self._questions = study, folder, questions

    def of(self, name: str, scores: pd.DataFrame) -> pd.DataFrame:
        """Write a table of scores and return its outcomes."""
        scores.to_parquet(self._folder / "scores" / f"{name}.parquet", index=False)
        return outcomes(scores, self._study.config.normalisation)

    def add(self, name: str, scores: pd.DataFrame) -> None:
        """Keep the outcomes of a table, and of a method's its items."""
        self.parts.append(self.of(name, scores))
        if self._questions is not None and not is_control(name):
            self._items.append(item_rows(scores, self._study.config.normalisation, self._questions))

    def write_items(self) -> None:
        """Write `items.parquet`, the rows of every method that was added."""
        pd.concat(self._items, ignore_index=True).to_parquet(self._folder / ITEMS, index=False)


def save_plans(folder: Path, study: Study, vectors: Vectors, chosen: ChosenPlans) -> None:
    """`plan.json` beside `vectors`: layers and strengths per method and language, with the gains on dev."""
    loaded, positions = study.loaded, study.config.positions
    write_plans(
        folder / PLANS,
        model={"name": loaded.name, "fingerprint": loaded.fingerprint, "processing": loaded.processing},
        template=study.template.name,
        methods={
            m: {code: c.described(vectors, code, positions) for code, c in by.items()} for m, by in chosen.items()
        },
        notes={"goal": study.config.rule.told, "design": study.design.name},
    )
