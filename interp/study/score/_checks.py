"""What a run reports of effects beside the plane: robustness, consistency, damage, the bounded normaliser's error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from interp.plane import Cells
from interp.study.ask import Study
from interp.study.folder import write_csv
from interp.study.score._damage import Surprise, damage_lines, damage_table
from interp.study.score._report import is_control, members_of
from interp.study.score._robustness import (
    NOT_SCORED,
    UNDER,
    beside_english,
    consistency_line,
    consistency_table,
    outcomes_under,
    robustness_lines,
    robustness_table,
)


class Checks:
    """Collects what the tables need from one table of scores after another; `base` comes first.

    english: the base model's scores in English.
    """

    def __init__(self, study: Study, english: pd.DataFrame) -> None:
        self._study, self._english = study, [english]
        self._under: dict[str, list[pd.DataFrame]] = {name: [] for name in UNDER}
        self._beside: list[pd.DataFrame] = []
        self._sentences: list[pd.DataFrame] = []

    def add(self, scores: pd.DataFrame, english: pd.DataFrame | None = None) -> None:
        """A table of scores on test. english: those of its model in English, where it is not the base model."""
        normalisation = self._study.config.normalisation
        if normalisation not in NOT_SCORED:
            for name, table in outcomes_under(scores).items():
                self._under[name].append(table)
        base = self._english[0]
        self._beside.append(beside_english(scores, base, base if english is None else english, normalisation))

    def add_model(self, english: pd.DataFrame) -> None:
        """Scores in English of another model than the base, to be written."""
        self._english.append(english)

    def add_sentences(self, scores: pd.DataFrame) -> None:
        """Scores of parallel sentences, as `damage.score_sentences` gives them."""
        self._sentences.append(scores)

    def write(
        self,
        folder: Path,
        draws: Mapping[str, Sequence[str]],
        means: Mapping[str, Sequence[str]],
        trained: Sequence[str],
    ) -> dict[str, list[str]]:
        """Write the tables and the scores that stand in none of the methods' files; what they say in words, by table.

        draws: control -> its draws. means: as `Cells` takes them. trained: rows of trained methods.
        """
        config, parallel = self._study.config, self._study.parallel.name
        robustness = self._robustness(draws, means, trained)
        cells = Cells(pd.concat(self._beside), self._study.resampling, means)
        rows = members_of(cells.methods, draws)
        consistency = consistency_table(cells, rows)
        sentences = pd.concat(self._sentences, ignore_index=True)
        damage = None
        if len(sentences):
            damage = damage_table(Surprise(sentences, means, config.bootstrap_draws, config.seed))
            write_csv(folder / "damage.csv", damage)
            sentences.to_parquet(folder / "scores" / "sentences.parquet", index=False)
        pd.concat(self._english, ignore_index=True).to_parquet(folder / "scores" / "english.parquet", index=False)
        write_csv(folder / "consistency.csv", consistency)
        if robustness is not None:
            write_csv(folder / "robustness.csv", robustness)
        real = [method for method in rows if not is_control(method)]
        return {
            "robustness": robustness_lines(robustness, config.normalisation),
            "consistency": [consistency_line(consistency)],
            "damage": damage_lines(damage, parallel, real),
        }

    def _robustness(
        self, draws: Mapping[str, Sequence[str]], means: Mapping[str, Sequence[str]], trained: Sequence[str]
    ) -> pd.DataFrame | None:
        if self._study.config.normalisation in NOT_SCORED:
            return None
        tables = {name: pd.concat(parts) for name, parts in self._under.items()}
        return robustness_table(tables, self._study.resampling, draws, means, trained)
