"""Scores depend on the prompt, its options and the plan, and on nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interp.data.prompts import Prompt
from interp.model.loading import LoadedModel
from interp.steering.plans import Plan, Steer
from interp.steering.scoring import OptionScores, score


def prompts(texts: list[str]) -> list[Prompt]:
    return [Prompt(str(i), "en", text, (" París", " 82", " one two three")) for i, text in enumerate(texts)]


def plan(model, positions: str = "all", operator: str = "add", strength: float = 2.0) -> Plan:
    generator = torch.Generator().manual_seed(3)
    vector = torch.randn(model.cfg.d_model, generator=generator)
    return Plan((Steer(1, vector, strength, operator, positions),))


def values(scores: list[OptionScores]) -> np.ndarray:
    return np.stack([s.logp for s in scores])


@pytest.mark.parametrize("positions", ["all", "last"])
def test_batch_size_and_neighbours_do_not_matter(organism: LoadedModel, texts: list[str], positions: str) -> None:
    model, steering = organism.model, plan(organism.model, positions)
    alone = np.concatenate([values(score(model, [p], steering, batch_size=1)) for p in prompts(texts)])
    for size in (1, 3, 64):
        assert np.abs(values(score(model, prompts(texts), steering, batch_size=size)) - alone).max() < 1e-4


def test_order_does_not_matter(organism: LoadedModel, texts: list[str]) -> None:
    forward = values(score(organism.model, prompts(texts), plan(organism.model)))
    backward = values(score(organism.model, prompts(texts)[::-1], plan(organism.model)))
    assert np.abs(forward - backward[::-1]).max() < 1e-4


def test_tokenizers_padding_side_does_not_matter(organism: LoadedModel, texts: list[str]) -> None:
    before = values(score(organism.model, prompts(texts), plan(organism.model)))
    tokenizer = organism.model.tokenizer
    side = tokenizer.padding_side
    try:
        tokenizer.padding_side = "left" if side == "right" else "right"
        after = values(score(organism.model, prompts(texts), plan(organism.model)))
    finally:
        tokenizer.padding_side = side
    assert np.array_equal(before, after)


def test_steering_at_all_positions_equals_a_change_of_the_stream(organism: LoadedModel, texts: list[str]) -> None:
    """An oracle without our hooks: Transformers' own block output, changed by a forward hook of torch."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from interp.model.loading import organism_folder

    oracle = AutoModelForCausalLM.from_pretrained(organism_folder(), dtype=torch.float32, attn_implementation="eager")
    tokenizer = AutoTokenizer.from_pretrained(organism_folder())
    vector = plan(organism.model).steers[0].vector
    prompt = prompts(texts)[0]
    scores = score(organism.model, [prompt], plan(organism.model))[0]
    for last_only in (False, True):
        start = len(tokenizer(prompt.text)["input_ids"])

        def hook(module, args, output, start=start, last_only=last_only):
            hidden = output[0] if isinstance(output, tuple) else output
            hidden = hidden.clone()
            hidden[:, (start - 1 if last_only else 0) :] += 2.0 * vector
            return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

        handle = oracle.model.layers[1].register_forward_hook(hook)
        tokens = torch.tensor([tokenizer(prompt.text + " one two three")["input_ids"]])
        with torch.inference_mode():
            logp = oracle(tokens).logits[0, start - 1 : -1].log_softmax(-1)
        handle.remove()
        expected = float(logp.gather(-1, tokens[0, start:, None]).sum())
        found = scores if not last_only else score(organism.model, [prompt], plan(organism.model, "last"))[0]
        assert found.logp[2] == pytest.approx(expected, abs=1e-4)


def test_hooks_are_gone_afterwards(organism: LoadedModel, texts: list[str]) -> None:
    before = values(score(organism.model, prompts(texts)))
    steered = values(score(organism.model, prompts(texts), plan(organism.model)))
    assert np.abs(before - steered).max() > 0.1
    assert np.array_equal(values(score(organism.model, prompts(texts))), before)


def test_an_empty_plan_changes_nothing(organism: LoadedModel, texts: list[str]) -> None:
    assert np.array_equal(
        values(score(organism.model, prompts(texts), Plan())), values(score(organism.model, prompts(texts)))
    )


def test_normalisations() -> None:
    scores = OptionScores(np.array([-4.0, -6.0]), np.array([2.0, 1.0]), np.array([8.0, 3.0]))
    assert scores.normalised("sum").tolist() == [-4.0, -6.0]
    assert scores.normalised("mean").tolist() == [-2.0, -6.0]
    assert scores.normalised("bytes").tolist() == [-0.5, -2.0]
    with pytest.raises(ValueError, match="allowed: bytes, sum, mean"):
        scores.normalised("letters")


def test_a_continuation_must_add_a_token(organism: LoadedModel, texts: list[str]) -> None:
    with pytest.raises(ValueError, match="adds no token"):
        score(organism.model, [Prompt("a", "en", texts[0], ("",))])


@pytest.mark.parametrize(("layer", "width", "message"), [(99, 0, "layer 99 is out of range"), (0, 1, "width")])
def test_plans_that_do_not_fit_are_refused(
    organism: LoadedModel, texts: list[str], layer: int, width: int, message: str
) -> None:
    vector = torch.zeros(organism.model.cfg.d_model + width)
    with pytest.raises(ValueError, match=message):
        score(organism.model, prompts(texts), Plan((Steer(layer, vector),)))
