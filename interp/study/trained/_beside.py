"""Everything that is found in trained models beside the base: steering on top, locating, and what was lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from interp.names import BASE
from interp.plane import Cells
from interp.progress import Stages
from interp.study.ask import Study
from interp.study.fit import FitResiduals, Vectors
from interp.study.folder import Outcomes, save_plans, save_vectors, write_csv
from interp.study.locate import (
    Located,
    comparison_lines,
    locate,
    locate_steps,
    onset_comparison,
    signal_table,
    trained_lines,
)
from interp.study.score import (
    Checks,
    Prompts,
    english_scores,
    generated_answers,
    generated_steps,
    plans_of,
    score_sentences,
)
from interp.study.trained._erasure import erasure_table
from interp.study.trained._local_answers import LocalAnswers, local_answer_steps, read_local_answers, with_probe
from interp.study.trained._mechanism import mechanism_steps, mechanism_table
from interp.study.trained._trained import Member, OnTop, groups, steered


class Beside:
    """Collects what is found in one trained model after another; the base's study, vectors and `located` are given."""

    def __init__(
        self, study: Study, fit: FitResiduals, vectors: Vectors, located: Located, prompts: Prompts, checks: Checks
    ) -> None:
        self.study, self.fit, self.vectors, self.prompts, self.checks = study, fit, vectors, prompts, checks
        self.members: list[Member] = []
        self._located = {BASE: located}
        self._answers: dict[str, LocalAnswers] = {}
        self._mechanism: list[pd.DataFrame] = []

    def add(self, one: Member, kept: Outcomes, folder: Path, stages: Stages) -> Sequence[pd.DataFrame]:
        """Everything about one model; its own tables go into `folder`. Gives its generated answers, if any are made."""
        if BASE not in self._answers:
            with stages.stage("answers in base", local_answer_steps(self.study)) as advance:
                self._answers[BASE] = read_local_answers(self.study, advance)
        folder.mkdir(parents=True)
        found = steered(self.study, one, stages)
        languages, rows = len(self.study.languages), 1 + len(found.chosen)
        with stages.stage(f"scoring {one.name}", 1 + 2 * languages * rows) as advance:
            english = english_scores(found.study, advance)
            self.checks.add_model(english.assign(method=one.name))
            plans = plans_of(found.study, found.vectors, found.chosen)
            sentences = score_sentences(found.study, plans, advance)
            self.checks.add_sentences(sentences.assign(method=sentences["method"].map(found.row)))
            for row, table in found.scored(self.prompts, advance):
                kept.add(row, table)
                self.checks.add(table, english)
        said = []
        if self.study.config.generate:
            with stages.stage(f"generating {one.name}", generated_steps(found.study, rows)) as advance:
                answers = generated_answers(found.study, found.vectors, found.chosen, advance)
            said.append(answers.assign(method=answers["method"].map(found.row)))
        with stages.stage(f"locating {one.name}", locate_steps(found.study)) as advance:
            located = locate(found.study, found.fit, advance)
        with stages.stage(f"answers in {one.name}", local_answer_steps(found.study)) as advance:
            self._answers[one.name] = read_local_answers(found.study, advance)
        with stages.stage(f"mechanism {one.name}", mechanism_steps(self.study)) as advance:
            make = partial(mechanism_table, self.study, found.study, self.vectors, one.name, self.fit, advance)
            self._mechanism.append(found.study.parts.frame("mechanism", make))
        self._write_own(folder, found, located)
        self._located[one.name] = located
        self.members.append(one)
        return said

    def _write_own(self, folder: Path, found: OnTop, located: Located) -> None:
        (folder / "vectors").mkdir()
        save_vectors(folder, found.vectors)
        save_plans(folder, found.study, found.vectors, found.chosen)
        located.write(folder)
        write_csv(folder / "layers.csv", located.layers)

    def write(self, folder: Path, cells: Cells, contrasts: pd.DataFrame) -> list[str]:
        """The tables that compare all models, and what they say in words."""
        config, others = self.study.config, {n: one for n, one in self._located.items() if n != BASE}
        members = groups(config)
        signals = signal_table(self._located[BASE], others, config.bootstrap_draws, config.seed)
        lost = with_probe(
            erasure_table(cells, members, config.seed), self._answers[BASE],
            {name: answers for name, answers in self._answers.items() if name != BASE},
            self.study.resampling, members,
        )  # fmt: skip
        moved = pd.concat(self._mechanism, ignore_index=True)
        write_csv(folder / "signals.csv", signals)
        write_csv(folder / "trained_onsets.csv", onset_comparison(self._located))
        write_csv(folder / "erasure.csv", lost)
        write_csv(folder / "mechanism.csv", moved)
        return [*trained_lines(contrasts, list(members)), *comparison_lines(signals, list(others))]

    def described(self) -> Mapping[str, Any]:
        """What a manifest states about every model."""
        return {one.name: one.described() for one in self.members}
