"""Scores depend on the prompt, its options and the plan, and on nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interp.data import Prompt
from interp.model import LoadedModel
from interp.steering import Plan, Steer
from interp.steering.engine import score
from interp.steering.engine._engine import ENGINES

pytestmark = pytest.mark.parametrize("engine", ENGINES)


def prompts(texts: list[str]) -> list[Prompt]:
    return [Prompt(str(i), "en", text, (" París", " 82", " one two three")) for i, text in enumerate(texts)]


def plan(model, positions: str = "all", operator: str = "add", strength: float = 2.0) -> Plan:
    generator = torch.Generator().manual_seed(3)
    vector = torch.randn(model.cfg.d_model, generator=generator)
    return Plan((Steer(1, vector, strength, operator, positions),))


def values(model, asked: list[Prompt], *plans: Plan, **settings) -> np.ndarray:
    return score(model, asked, plans or (Plan(),), **settings).logp


@pytest.mark.parametrize("positions", ["all", "last"])
def test_batch_size_and_neighbours_do_not_matter(
    organism: LoadedModel, texts: list[str], positions: str, engine: str
) -> None:
    model, steering = organism.model, plan(organism.model, positions)
    alone = np.concatenate([values(model, [p], steering, engine=engine) for p in prompts(texts)], axis=1)
    for size in (1, 3, 64):
        together = values(model, prompts(texts), steering, engine=engine, batch_size=size)
        assert np.abs(together - alone).max() < 1e-4


def test_neither_the_budget_nor_other_plans_matter(organism: LoadedModel, texts: list[str], engine: str) -> None:
    model, steering = organism.model, plan(organism.model)
    alone = values(model, prompts(texts), steering, engine=engine)[0]
    others = [plan(model, positions, strength=float(s)) for positions in ("all", "last") for s in range(1, 6)]
    for memory in ("1MB", "20MB", "8GiB"):
        together = values(model, prompts(texts), *others, steering, engine=engine, memory=memory)
        assert np.abs(together[-1] - alone).max() < 1e-4


def test_order_does_not_matter(organism: LoadedModel, texts: list[str], engine: str) -> None:
    asked, steering = prompts(texts), plan(organism.model)
    forward = score(organism.model, asked, [steering], engine=engine)
    backward = score(organism.model, asked[::-1], [steering], engine=engine)
    for i in range(len(asked)):
        assert np.abs(forward.of(i) - backward.of(len(asked) - 1 - i)).max() < 1e-4


def test_tokenizers_padding_side_does_not_matter(organism: LoadedModel, texts: list[str], engine: str) -> None:
    before = values(organism.model, prompts(texts), plan(organism.model), engine=engine)
    tokenizer = organism.model.tokenizer
    side = tokenizer.padding_side
    try:
        tokenizer.padding_side = "left" if side == "right" else "right"
        after = values(organism.model, prompts(texts), plan(organism.model), engine=engine)
    finally:
        tokenizer.padding_side = side
    assert np.array_equal(before, after)


def test_steering_at_all_positions_equals_a_change_of_the_stream(
    organism: LoadedModel, texts: list[str], engine: str
) -> None:
    """An oracle without our hooks: Transformers' own block output, changed by a forward hook of torch."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from interp.model.load import organism_folder

    oracle = AutoModelForCausalLM.from_pretrained(organism_folder(), dtype=torch.float32, attn_implementation="eager")
    tokenizer = AutoTokenizer.from_pretrained(organism_folder())
    steering = plan(organism.model)
    vector = steering.steers[0].vector
    prompt = prompts(texts)[0]
    found = values(organism.model, [prompt], steering, plan(organism.model, "last"), engine=engine)
    for number, last_only in enumerate((False, True)):
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
        assert found[number, 2] == pytest.approx(expected, abs=1e-3)


def test_hooks_are_gone_afterwards(organism: LoadedModel, texts: list[str], engine: str) -> None:
    before = values(organism.model, prompts(texts), engine=engine)
    steered = values(organism.model, prompts(texts), plan(organism.model), engine=engine)
    assert np.abs(steered - before).max() > 0.1
    assert np.array_equal(values(organism.model, prompts(texts), engine=engine), before)


def test_an_option_without_tokens_is_refused(organism: LoadedModel, texts: list[str], engine: str) -> None:
    with pytest.raises(ValueError, match="adds no token"):
        score(organism.model, [Prompt("a", "en", texts[0], ("",))], engine=engine)


@pytest.mark.parametrize(
    ("layer", "width", "message"),
    [(8, 128, "layer 8 is out of range"), (-1, 128, "layer -1 is out"), (0, 5, "the vector has width 5")],
)
def test_plans_that_do_not_fit_are_refused(
    organism: LoadedModel, texts: list[str], layer: int, width: int, message: str, engine: str
) -> None:
    with pytest.raises(ValueError, match=message):
        score(organism.model, prompts(texts), [Plan((Steer(layer, torch.ones(width)),))], engine=engine)


def test_no_prompts_and_no_plans(organism: LoadedModel, texts: list[str], engine: str) -> None:
    assert score(organism.model, [], engine=engine).logp.shape == (1, 0)
    assert score(organism.model, prompts(texts), [], engine=engine).logp.shape == (0, 3 * len(texts))
