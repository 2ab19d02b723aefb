"""What is told of effects besides the plane: robustness, consistency, damage, the bounded normaliser's error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from interp.data.tasks import Task
from interp.plane import Cells
from interp.plane.outcomes import TASK, outcomes
from interp.steering.normaliser import BoundedNormaliser
from interp.steering.plans import Plan
from interp.study.ask import ScoreTables, Study, score_tasks
from interp.study.folder import write_csv
from interp.study.score._consistency import beside_english, consistency_line, consistency_table
from interp.study.score._damage import Surprise, damage_lines, damage_table
from interp.study.score._report import is_control
from interp.study.score._robustness import NOT_SCORED, UNDER, outcomes_under, robustness_lines, robustness_table


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
        drawn = {draw for members in draws.values() for draw in members}
        rows = {method: [method] for method in cells.methods if method not in drawn} | dict(draws)
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


SAMPLE = 24
"""Test prompts per language."""

CHOICES = ("transfer", "localization", "explicit_localization")
"""What a choice among a prompt's own options is read as; a prompt has one of them."""

OPTION = ["method", *TASK, "option", "text"]


def estimated_table(
    study: Study,
    tasks: Sequence[Task],
    plans: Mapping[str, Plan],
    exact: pd.DataFrame,
    normaliser: BoundedNormaliser,
    code: str,
) -> pd.DataFrame:
    """One row for a language: how far the estimates of a sample of its prompts, under all plans, are from `exact`.

    share: unsteered probability of the words that are summed. rms, largest: of the differences in the log-likelihood
    of an option, in nats. flips: share of the choices that differ. exact: the table of the plans' scores.
    """
    some = [tasks[place] for place in np.unique(np.linspace(0, len(tasks) - 1, SAMPLE).round().astype(int))]
    scores = score_tasks(study, some, list(plans.values()), normaliser=normaliser)
    estimated = ScoreTables(some, scores).tables(list(plans))
    both = estimated.merge(exact, on=OPTION, suffixes=("", "_exact"), validate="one_to_one")
    apart = (both["logp"] - both["logp_exact"]).to_numpy(dtype=np.float64)
    own = both[list(estimated.columns)]
    taken = [
        outcomes(each, study.config.normalisation)[list(CHOICES)].bfill(axis=1).iloc[:, 0]
        for each in (own, own.assign(logp=both["logp_exact"], neutral=both["neutral_exact"]))
    ]
    return pd.DataFrame(
        [
            {
                "language": code,
                "words": len(normaliser.words),
                "sampled": len(normaliser.sample),
                "share": normaliser.share,
                "prompts": len(some),
                "plans": len(plans),
                "rms": float(np.sqrt(np.mean(apart**2))),
                "largest": float(np.abs(apart).max()),
                "flips": float((taken[0] != taken[1])[taken[0].notna()].mean()),
            }
        ]
    )


def estimated_line(table: pd.DataFrame) -> str:
    """The table in words."""
    return (
        f"The search and the controls sum {table['words'].max():,} words of the vocabulary, which hold at least "
        f"{table['share'].min():.1%} of the unsteered probability, and estimate the rest. On {table['prompts'].sum()} "
        f"test prompts, under the {table['plans'].max()} plans of the methods, an option's log-likelihood is off by "
        f"{np.sqrt((table['rms'] ** 2).mean()):.3f} nats in the root mean square, and {table['flips'].mean():.2%} of "
        "the choices differ. What is reported of a method is exact."
    )
