"""Forwards that skip what a loss doesn't need give what whole forwards give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from interp.alignment._encoding import answers, collate
from interp.alignment._losses import cross_entropy
from interp.model.load import load_model
from interp.model.read import Tokens
from tests.conftest import ARCHITECTURES

pytest.importorskip("peft")
pytestmark = pytest.mark.filterwarnings("ignore::interp.errors.Notice")

PAIRS = [("What is the capital of Greece? Answer:", " Athens"), ("Where?", " Here it is, my friend"), ("¿Qué?", " Sí")]


def shaken(adapted: Any) -> Any:
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in adapted.trainable().values():
            weight.add_(0.1 * torch.randn_like(weight))
    adapted.model.eval()
    return adapted


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_answers_and_residuals(architecture: str, adapted_of: Callable[..., Any]) -> None:
    """The loss is Transformers' own with labels on the answers; residuals are its hidden states."""
    adapted, encoder = adapted_of(architecture)
    shaken(adapted)
    batch = encoder.answered(PAIRS)
    labels = torch.where(answers(batch), batch.tokens, -100)
    with torch.no_grad():
        whole = adapted.model(
            input_ids=batch.tokens, attention_mask=batch.real.long(), labels=labels, output_hidden_states=True
        )
        found = adapted.answers(batch)
        residuals = adapted.residuals(batch, [0, 1])
    assert cross_entropy(found.logp).item() == pytest.approx(whole.loss.item(), abs=2e-6)
    each = whole.logits.log_softmax(-1)[:, :-1].gather(2, batch.tokens[:, 1:, None])[..., 0]
    each = torch.where(answers(batch)[:, 1:], each, 0.0).sum(dim=1)
    assert torch.allclose(found.per_row(), each, atol=1e-5)
    for layer, residual in residuals.items():
        assert torch.equal(residual[batch.real], whole.hidden_states[layer + 1][batch.real])


def test_rows_do_not_see_each_other(adapted_of: Callable[..., Any]) -> None:
    """A row's log-probability and pooled residual are the same alone and beside longer ones."""
    adapted, encoder = adapted_of("gemma3")
    shaken(adapted)
    with torch.no_grad():
        together = adapted.answers(encoder.answered(PAIRS)).per_row()
        alone = [adapted.answers(encoder.answered([pair])).per_row()[0] for pair in PAIRS]
    assert torch.allclose(together, torch.stack(alone), atol=1e-5)


def test_the_base_is_the_model_without_adapter(adapted_of: Callable[..., Any], tiny_checkpoint: Any) -> None:
    from transformers import AutoModelForCausalLM

    adapted, encoder = adapted_of("gpt2")  # its own dropout must be off as well
    shaken(adapted).model.train()
    batch = encoder.answered(PAIRS)
    with adapted.as_base():
        found = adapted.answers(batch)
        assert not torch.is_grad_enabled()
    assert adapted.model.training
    base = AutoModelForCausalLM.from_pretrained(tiny_checkpoint("gpt2"), attn_implementation="eager").eval()
    with torch.no_grad():
        logits = base(input_ids=batch.tokens, attention_mask=batch.real.long()).logits.log_softmax(-1)
    wanted = logits[:, :-1].gather(2, batch.tokens[:, 1:, None])[..., 0][answers(batch)[:, 1:]]
    assert torch.allclose(found.logp, wanted, atol=1e-5)
    assert not torch.allclose(adapted.answers(batch).logp, wanted, atol=1e-2)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "qwen3"])
def test_tokens_are_those_that_scoring_reads(
    architecture: str, adapted_of: Callable[..., Any], tiny_checkpoint: Callable[[str], Path]
) -> None:
    _, encoder = adapted_of(architecture)
    tokens = Tokens(load_model(str(tiny_checkpoint(architecture)), device="cpu").model)
    batch = encoder.answered(PAIRS)
    plain = encoder.texts([prompt for prompt, _ in PAIRS])
    for row, (prompt, answer) in enumerate(PAIRS):
        before, (after,) = tokens.split(prompt, [answer])
        ids = batch.tokens[row][batch.real[row]].tolist()
        assert ids == [*before, *after, 2]
        assert batch.last[row] == len(before) - 1
        assert plain.tokens[row][plain.real[row]].tolist() == list(before)


def test_collating_keeps_the_order() -> None:
    batch = collate([(1, 2), (3, 4, 5), (6,)], [1, 2, 1], "cpu")
    assert batch.tokens.tolist() == [[1, 2, 0], [3, 4, 5], [6, 0, 0]]
    assert batch.real.tolist() == [[True, True, False], [True, True, True], [True, False, False]]
    assert batch.last.tolist() == [0, 1, 0]
    assert answers(batch).tolist() == [[False, True, False], [False, False, True], [False, False, False]]
