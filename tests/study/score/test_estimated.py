"""What a run tells of its estimated normalisers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from interp.model import LoadedModel
from interp.model.load import load_model
from interp.model.read import Tokens
from interp.progress import unsaid
from interp.steering import Plan, Steer
from interp.steering.engine import bounded_normaliser
from interp.study.ask import ScoreTables, Study, estimated_line, estimated_table, prepare, score_tasks, scored_prompts
from interp.study.ask._score import SAMPLE
from interp.study.config import RunConfig
from interp.study.score import Prompts, score_plans_in


@pytest.fixture(scope="module")
def study(organism: LoadedModel) -> Study:
    return prepare(RunConfig(languages=("es",), limit=60, design="small"), organism)


@pytest.fixture(scope="module")
def plans(study: Study) -> dict[str, Plan]:
    vector = torch.randn(study.loaded.model.cfg.d_model, generator=torch.Generator().manual_seed(0))
    return {"en": Plan((Steer(2, vector, 1.0),)), "loc": Plan((Steer(4, vector, -1.0),))}


def told(study: Study, plans: dict[str, Plan], most_words: int, **changed: float) -> pd.DataFrame:
    tasks = [*study.universal_tasks("es", "test", full=True), *study.cultural_tasks("es", "test", full=True)]
    exact = ScoreTables(tasks, score_tasks(study, tasks, list(plans.values()))).tables(list(plans))
    normaliser = bounded_normaliser(
        study.loaded.model, scored_prompts(study, tasks), mass=1.0, most_words=most_words, sample=8
    )
    for column, value in changed.items():
        exact[column] = exact[column] + np.where(np.arange(len(exact)) % 2, value, -value)
    return estimated_table(study, tasks, plans, exact, normaliser, "es")


def test_all_words_are_exact(study: Study, plans: dict[str, Plan]) -> None:
    row = told(study, plans, 10**6).iloc[0]
    assert (row["prompts"], row["plans"], row["language"]) == (SAMPLE, 2, "es")
    assert row["share"] == pytest.approx(1.0, abs=1e-6)
    assert row["largest"] < 1e-4
    assert row["flips"] == 0


def test_few_words_are_off_by_what_is_told(study: Study, plans: dict[str, Plan]) -> None:
    row = told(study, plans, 4).iloc[0]
    assert 1e-4 < row["rms"] <= row["largest"]
    assert row["share"] < 1


def test_differences_and_flips_are_those_that_were_planted(study: Study, plans: dict[str, Plan]) -> None:
    row = told(study, plans, 10**6, logp=50.0).iloc[0]
    assert row["rms"] == pytest.approx(50.0, rel=1e-3)
    assert row["flips"] > 0.2


def test_the_line_has_the_worst_share_and_the_mean_of_flips(study: Study, plans: dict[str, Plan]) -> None:
    rows = pd.concat([told(study, plans, 4).assign(share=share, flips=flips, words=words)
                      for share, flips, words in ((0.98, 0.0, 1234), (0.95, 0.02, 1000))])  # fmt: skip
    line = estimated_line(rows)
    assert "1,234 words" in line
    assert "at least 95.0%" in line
    assert "1.00% of the choices" in line


def test_a_prompt_that_exact_scores_lack_is_an_error(study: Study, plans: dict[str, Plan]) -> None:
    tasks = study.universal_tasks("es", "test")
    exact = ScoreTables(tasks, score_tasks(study, tasks, list(plans.values()))).tables(list(plans))
    normaliser = bounded_normaliser(study.loaded.model, scored_prompts(study, tasks), mass=1.0, sample=8)
    twice = pd.concat([exact, exact])
    with pytest.raises(pd.errors.MergeError):
        estimated_table(study, tasks, plans, twice, normaliser, "es")


def test_a_study_that_sums_all_words_has_no_rows(study: Study) -> None:
    assert not study.design.bounded  # the embedded model's vocabulary is small
    assert Prompts.of(replace(study)).normaliser("es") is None


def test_prompts_that_another_model_scores_have_a_normaliser_of_its_own(
    study: Study, plans: dict[str, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interp.study.ask._study.MANY_WORDS", 0)
    prompts, other = Prompts.of(replace(study)), load_model(study.config.model, device="cpu")
    assert prompts.normaliser("es") is not None
    trained = replace(prompts, study=replace(prompts.study, loaded=other, tokens=Tokens(other.model)))
    assert trained.normaliser("es") is not prompts.normaliser("es")
    scored = {"loc": {"es": plans["loc"]}, "wrong_culture": {"es": plans["en"]}}  # the control is estimated
    for own in (prompts, trained):
        assert set(score_plans_in(own, scored, "es", unsaid)["method"]) == set(scored)
