"""The logit lens on options: TransformerLens' own lens, and the model's own logits at the end."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformer_lens.tools.analysis import logit_lens

from interp.data import Prompt
from interp.model import LoadedModel
from interp.model.attribution import option_lens
from interp.model.read import Tokens
from interp.steering import Plan, Steer

PROMPTS = [
    Prompt("a", "en", "The capital of France is", (" Paris", " Rome", " Lima")),
    Prompt("b", "en", "In Greece people eat", (" olives", " rice")),
]


def by_hand(model: LoadedModel) -> np.ndarray:
    """The same by TransformerLens, one prompt after another, from its accumulated residual stream."""
    tokens, columns = Tokens(model.model), []
    for prompt in PROMPTS:
        context, endings = tokens.split(prompt.text, prompt.continuations)
        targets = [ids[0] for ids in endings]
        result = logit_lens(
            model.model, torch.tensor([context]), positions=-1, targets=targets, return_type="logits", incl_mid=False
        )
        columns.append(result.values.squeeze(1).float().cpu().numpy())
    return np.concatenate(columns, axis=-1)


@pytest.mark.parametrize("tiny_folder", ["llama", "gemma2", "gemma3", "qwen2", "gpt2", "gpt_neox"], indirect=True)
def test_it_is_transformer_lenss_lens(tiny: LoadedModel) -> None:
    ours, theirs = option_lens(tiny.model, PROMPTS), by_hand(tiny)
    assert ours.shape == (tiny.model.cfg.n_layers + 1, 5) == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-4
    assert np.abs(np.diff(ours, axis=0)).max() > 1e-3


def test_rows_do_not_depend_on_the_batch(organism: LoadedModel) -> None:
    alone = option_lens(organism, PROMPTS, batch_size=1)
    assert np.abs(option_lens(organism, PROMPTS) - alone).max() <= 1e-4
    assert np.abs(option_lens(organism, PROMPTS[::-1])[:, 2:] - alone[:, :3]).max() <= 1e-4


def test_a_plan_moves_the_layers_from_its_own_on(organism: LoadedModel) -> None:
    vector = torch.ones(organism.model.cfg.d_model)
    plan = Plan((Steer(3, vector, positions="last"),))
    moved = np.abs(option_lens(organism, PROMPTS, hooks=plan.hooks) - option_lens(organism, PROMPTS)).max(axis=1)
    assert (moved[:4] <= 1e-5).all()
    assert (moved[4:] > 1e-3).all()
