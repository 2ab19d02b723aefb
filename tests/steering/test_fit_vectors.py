"""The short way from texts to vectors and scores, against the steps that it takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import interp
from interp.model import LoadedModel
from interp.model.load import processing_of
from interp.steering import FITTERS, difference, median_norms


@pytest.mark.parametrize("fitter", list(FITTERS))
def test_vectors_are_those_of_the_steps_and_say_how_they_were_made(organism: LoadedModel, fitter: str) -> None:
    facts = interp.load_universal("atlas", limit=60)
    english, korean = interp.texts(facts, "en"), interp.texts(facts, "ko")
    found = interp.fit_vectors(organism, english, korean, fitter=fitter, name="en:ko")
    ends, starts = (interp.read_residuals(organism.model, texts) for texts in (english, korean))
    assert torch.equal(found.vectors, FITTERS[fitter](ends, starts))
    if fitter == "mean":
        assert torch.equal(found.vectors, difference(ends, starts))
    assert found.residual_norms is not None
    assert torch.equal(found.residual_norms, median_norms(starts))
    assert found.provenance == {
        "fitter": fitter, "n": len(english), "position": "last prompt token", "model": organism.name,
        "fingerprint": organism.fingerprint, "processing": processing_of(organism.model),
    }  # fmt: skip


def test_scores_as_a_frame(organism: LoadedModel) -> None:
    facts = interp.load_universal("atlas", limit=60)
    prompts = interp.prompts(facts, "ko", "dev")
    vectors = interp.fit_vectors(organism, interp.texts(facts, "en"), interp.texts(facts, "ko"))
    scores = interp.score(organism, prompts, [interp.Plan(), vectors.plan(2, 0.5)])
    table = scores.frame()
    assert len(table) == scores.logp.size == 2 * sum(len(prompt.continuations) for prompt in prompts)
    for number, prompt in enumerate(prompts):
        for plan in (0, 1):
            rows = table[(table["plan"] == plan) & (table["item"] == prompt.item)]
            np.testing.assert_array_equal(rows["logp"], scores.of(number, plan))
            assert list(rows["option"]) == [ending.strip() for ending in prompt.continuations]
    assert (table["language"] == "ko").all()


def test_what_does_not_go_is_told(organism: LoadedModel) -> None:
    with pytest.raises(ValueError, match=r"fitter 'median' is unknown; allowed: mean, pca, lda, probe"):
        interp.fit_vectors(organism, ["a"], ["b"], fitter="median")
    with pytest.raises(ValueError, match="must be parallel, got 1 and 2 texts"):
        interp.fit_vectors(organism, ["a"], ["b", "c"])


def test_cultural_prompts_are_those_of_the_own_culture() -> None:
    customs = interp.load_cultural("atlas")
    prompts = interp.prompts(customs, "el", "test")
    assert prompts
    assert {prompt.language for prompt in prompts} == {"el"}
    assert len(interp.texts(customs, "el", "test")) >= len(prompts)
