"""Scores under each normalisation, and the objective on dev, against plain loops over tasks and options."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from interp.data import OptionMark, Prompt, Task, atlas, everything, language, rotations, universal_tasks
from interp.model.read import Template, Tokens
from interp.steering import Plan, Steer
from interp.steering.engine import Scores, score
from interp.study.ask import confidence, score_tasks
from interp.study.config import RunConfig


def test_confidence_is_a_softmax_over_the_tasks_own_options() -> None:
    draws = np.random.default_rng(0)
    tasks = []
    for number, size in enumerate((4, 3, 5)):
        marks = tuple(
            OptionMark(str(i), "right" if i == 1 else "wrong", frozenset({"en"} if i == 2 else {"es"}), i, i != 2)
            for i in range(size)
        )
        prompt = Prompt(str(number), "es", "?", tuple(mark.text for mark in marks))
        tasks.append(Task("universal", "none", str(number), prompt, marks))
    starts = np.array([0, 4, 7, 12])
    scores = Scores(
        draws.normal(-9, 3, (2, 12)).astype(np.float32), np.ones(12), draws.integers(1, 9, 12) * 1.0, starts
    )
    found = confidence(tasks, scores, "right", "bytes")
    for plan in range(2):
        for t, task in enumerate(tasks):
            own = [i for i, mark in enumerate(task.marks) if "es" in mark.languages]
            weights = {i: np.exp(float(scores.of(t, plan)[i]) / scores.bytes[starts[t] + i]) for i in own}
            assert np.isclose(found[plan, t], weights[1] / sum(weights.values()))


def study_of(organism, normalisation: str) -> SimpleNamespace:
    return SimpleNamespace(
        config=RunConfig(normalisation=normalisation), loaded=organism, tokens=Tokens(organism.model),
        template=Template(), examples=lambda code: "", passes={},
    )  # fmt: skip


def logp(organism, text: str, ending: str) -> float:
    """Log-likelihood of an ending behind a text, plainly."""
    tokens = Tokens(organism.model)
    context, (rest,) = tokens.split(text, [ending])
    with torch.inference_mode():
        logits = organism.model(torch.tensor([[*context, *rest]]), return_type="logits")[0].float().log_softmax(-1)
    return sum(float(logits[len(context) - 1 + i, token]) for i, token in enumerate(rest))


@pytest.fixture(scope="module")
def mixed_tasks() -> list[Task]:
    dataset = atlas.universal()
    return [
        *universal_tasks(dataset, "el", "dev", everything)[:3],
        *universal_tasks(dataset, "zh", "dev", everything)[:2],
    ]


def test_letters_are_the_mean_over_rotations(organism, mixed_tasks: list[Task]) -> None:
    scores = score_tasks(study_of(organism, "letter"), mixed_tasks, [Plan()])
    for t, task in enumerate(mixed_tasks):
        rows = [[logp(organism, p.text, ending) for ending in p.continuations] for p in rotations(task)]
        assert np.allclose(scores.of(t), np.mean(rows, axis=0), atol=1e-4)
        assert np.allclose(scores.normalised("letter")[0, scores.starts[t] : scores.starts[t + 1]], scores.of(t))


def test_pmi_takes_off_what_the_neutral_prompt_gives_under_the_same_plan(organism, mixed_tasks: list[Task]) -> None:
    plan = Plan((Steer(3, torch.randn(organism.model.cfg.d_model, generator=torch.Generator().manual_seed(0))),))
    scores = score_tasks(study_of(organism, "pmi"), mixed_tasks, [Plan(), plan])
    plain = score(organism.model, [task.prompt for task in mixed_tasks], [Plan(), plan])
    for t, task in enumerate(mixed_tasks):
        code = task.prompt.language
        neutral = score(
            organism.model, [Prompt("n", code, language(code).answer, task.prompt.continuations)], [Plan(), plan]
        )
        for p in range(2):
            own = slice(scores.starts[t], scores.starts[t + 1])
            assert np.allclose(scores.normalised("pmi")[p, own], plain.of(t, p) - neutral.of(0, p), atol=1e-4)
            assert np.allclose(scores.of(t, p), plain.of(t, p), atol=1e-4)
    expected = logp(organism, mixed_tasks[0].prompt.text, mixed_tasks[0].prompt.continuations[0])
    expected -= logp(organism, "Απάντηση:", mixed_tasks[0].prompt.continuations[0])
    assert np.isclose(scores.normalised("pmi")[0, 0], expected, atol=1e-4)


def test_a_sentence_is_scored_whole_with_the_option_in_its_blank(organism, mixed_tasks: list[Task]) -> None:
    asked, plain = replace(mixed_tasks[0], sentence="Το <mask> είναι εδώ."), mixed_tasks[1]
    scores = score_tasks(study_of(organism, "sentence"), [asked, plain], [Plan()])
    for i, mark in enumerate(asked.marks):
        assert np.isclose(scores.of(0)[i], logp(organism, "", f"Το {mark.text} είναι εδώ."), atol=1e-4)
    for i, ending in enumerate(plain.prompt.continuations):
        assert np.isclose(scores.of(1)[i], logp(organism, plain.prompt.text, ending), atol=1e-4)
    assert np.allclose(scores.normalised("sentence"), scores.logp / scores.tokens)
