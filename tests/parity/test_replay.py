"""Replay against the reference, over architectures: the same log-likelihoods, and replay itself ran."""

from __future__ import annotations

import warnings
from itertools import product

import numpy as np
import pytest
import torch

from interp.data import Prompt
from interp.errors import Notice
from interp.model import HookedModel, LoadedModel
from interp.model.load import load_model
from interp.model.read import Tokens
from interp.steering import OPERATORS, POSITIONS, Plan, Steer
from interp.steering.engine import replay_of, score

LIMIT = 1e-4
BFLOAT16_LIMIT = 0.1
"""bfloat16 keeps 8 bits, and the engines add in another order: log-likelihoods of -10 are good to some hundredths."""

ENDINGS = (" París", " 서울 123", " the old capital of nowhere", " the old house", " the old capital")


@pytest.fixture
def prompts(texts: list[str]) -> list[Prompt]:
    """Ragged prompts, some behind shared examples; options of one and of several tokens that begin alike."""
    shots = " ".join(texts[:2])
    ragged = [Prompt(str(i), "en", text, ENDINGS) for i, text in enumerate(texts[:9])]
    return ragged + [Prompt(f"shot {i}", "en", f"{shots} {text}", ENDINGS[:3]) for i, text in enumerate(texts[2:8])]


def plans_for(model: HookedModel) -> list[Plan]:
    """No steer; every operator at all positions; several steers in one plan, also in one layer and mixed; last block."""
    generator = torch.Generator().manual_seed(1)
    vectors = torch.randn(6, model.cfg.d_model, generator=generator)
    plans = [Plan()]
    for number, (operator, positions) in enumerate(product(OPERATORS, POSITIONS)):
        layer = number % (model.cfg.n_layers - 1)
        plans.append(Plan((Steer(layer, vectors[number % 6], (0.4, 1.3)[number % 2], operator, positions),)))
    first, second = Steer(0, vectors[0], 0.8), Steer(1, vectors[1], -0.6, "add_keep_norm")
    late, later = Steer(1, vectors[2], 0.9, "add", "last"), Steer(2, vectors[3], 1.1, "add", "last")
    plans += [
        Plan((first, second)), Plan((second, first)), Plan((late, later)), Plan((first, later)), Plan((late, second)),
        Plan((first, late, later)), Plan((Steer(2, vectors[4], 0.7),)), Plan((first, Steer(0, vectors[5], 0.5))),
        Plan((later, Steer(2, vectors[5], 0.5, "rotate", "last"))),
    ]  # fmt: skip
    return plans


def replayed(model: HookedModel, asked: list[Prompt], plans: list[Plan], **settings) -> np.ndarray:
    """Scores of replay itself: a fallback to the reference would be an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        assert replay_of(model) is not None
        return score(model, asked, plans, **settings).logp


def both(model: HookedModel, asked: list[Prompt], plans: list[Plan], **settings) -> tuple[np.ndarray, np.ndarray]:
    return replayed(model, asked, plans, **settings), score(model, asked, plans, engine="reference").logp


def test_tiny_models(tiny: LoadedModel, prompts: list[Prompt]) -> None:
    plans = plans_for(tiny.model)
    expected = score(tiny.model, prompts, plans, engine="reference").logp
    for batch_size in (3, 64):
        found = replayed(tiny.model, prompts, plans, batch_size=batch_size)
        assert np.abs(found - expected).max() <= LIMIT
    found = replayed(tiny.model, prompts, plans[::4], batch_size=1)
    assert np.abs(found - expected[::4]).max() <= LIMIT
    moved = np.abs(expected[1:] - expected[0]).max(axis=1)
    assert moved.min() > 100 * LIMIT, "a plan that changes nothing proves nothing"


def test_prompts_are_longer_than_the_window(tiny: LoadedModel, prompts: list[Prompt]) -> None:
    from tests.conftest import WINDOW

    if getattr(tiny.model.original_model.config, "sliding_window", None) != WINDOW:
        pytest.skip("no sliding window")
    tokens = Tokens(tiny.model)
    assert min(len(tokens(prompt.text)) for prompt in prompts) > WINDOW


def test_padding_side(tiny: LoadedModel, prompts: list[Prompt]) -> None:
    tokenizer = tiny.model.tokenizer
    before = tokenizer.padding_side
    try:
        for side in ("left", "right"):
            tokenizer.padding_side = side
            found, expected = both(tiny.model, prompts, plans_for(tiny.model)[:8])
            assert np.abs(found - expected).max() <= LIMIT
    finally:
        tokenizer.padding_side = before


def test_organism_also_within_a_small_budget(organism: LoadedModel, prompts: list[Prompt]) -> None:
    plans = plans_for(organism.model)
    found, expected = both(organism.model, prompts, plans)
    assert np.abs(found - expected).max() <= LIMIT
    assert np.abs(replayed(organism.model, prompts, plans, memory="3MB") - expected).max() <= LIMIT


def test_bfloat16(tiny_folder, prompts: list[Prompt]) -> None:
    model = load_model(str(tiny_folder), device="cpu", dtype="bfloat16").model
    found, expected = both(model, prompts[::2], plans_for(model)[::3])
    assert np.abs(found - expected).max() <= BFLOAT16_LIMIT


def test_bfloat16_choices(prompts: list[Prompt]) -> None:
    """On a trained model, whose options differ by more than rounding, both engines choose alike."""
    from interp.data import atlas, everything, universal_tasks

    model = load_model("organism", device="cpu", dtype="bfloat16").model
    asked = [task.prompt for task in universal_tasks(atlas.universal(), "es", "dev", everything)]
    plans = [Plan(), Plan((Steer(3, torch.randn(128, generator=torch.Generator().manual_seed(2)), 1.0),))]
    outcomes = [score(model, asked, plans, engine=engine) for engine in ("replay", "reference")]
    assert replay_of(model) is not None
    choices = [
        np.array([[int(s.of(i, plan).argmax()) for i in range(len(asked))] for plan in range(2)]) for s in outcomes
    ]
    assert (choices[0] == choices[1]).mean() >= 0.99
