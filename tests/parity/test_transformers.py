"""Transformers' own logits are the oracle of everything that is read from a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from interp.data import Prompt
from interp.model import LoadedModel
from interp.model.load import load_model, organism_folder
from interp.model.read import read_residuals
from interp.steering.engine import score
from tests.conftest import write_tiny


def reference(folder: Path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    return model, AutoTokenizer.from_pretrained(folder)


def check_logits(loaded: LoadedModel, folder: Path, texts: list[str]) -> None:
    oracle, tokenizer = reference(folder)
    with torch.inference_mode():
        for text in texts:
            tokens = torch.tensor([tokenizer(text)["input_ids"]])
            expected = oracle(tokens).logits
            assert torch.allclose(loaded.model(tokens, return_type="logits"), expected, atol=1e-4)


def check_scores(loaded: LoadedModel, folder: Path, texts: list[str]) -> None:
    oracle, tokenizer = reference(folder)
    endings = (" París", " 서울 123", " the old capital of nowhere")
    prompts = [Prompt(str(i), "en", text, endings) for i, text in enumerate(texts)]
    found = score(loaded.model, prompts, batch_size=5)
    with torch.inference_mode():
        for number, prompt in enumerate(prompts):
            start = len(tokenizer(prompt.text)["input_ids"])
            for ending, value, count in zip(endings, found.of(number), found.tokens[3 * number :], strict=False):
                tokens = torch.tensor([tokenizer(prompt.text + ending)["input_ids"]])
                logp = oracle(tokens).logits[0, start - 1 : -1].double().log_softmax(-1)
                expected = logp.gather(-1, tokens[0, start:, None]).sum()
                assert value == pytest.approx(float(expected), abs=1e-4)
                assert count == tokens.shape[1] - start


def check_residuals(loaded: LoadedModel, folder: Path, texts: list[str]) -> None:
    oracle, tokenizer = reference(folder)
    found = read_residuals(loaded.model, texts, batch_size=3)
    with torch.inference_mode():
        for i, text in enumerate(texts):
            tokens = torch.tensor([tokenizer(text)["input_ids"]])
            hidden = oracle(tokens, output_hidden_states=True).hidden_states
            expected = torch.stack([h[0, -1] for h in hidden[:-1]])  # the last one has passed the final norm
            assert torch.allclose(found[:-1, i], expected, atol=1e-4)


def test_tiny_logits(tiny: LoadedModel, tiny_folder: Path, texts: list[str]) -> None:
    check_logits(tiny, tiny_folder, texts[:6])


def test_tiny_scores(tiny: LoadedModel, tiny_folder: Path, texts: list[str]) -> None:
    check_scores(tiny, tiny_folder, texts[:6])


def test_tiny_residuals(tiny: LoadedModel, tiny_folder: Path, texts: list[str]) -> None:
    check_residuals(tiny, tiny_folder, texts[:6])


def test_organism(organism: LoadedModel, texts: list[str]) -> None:
    check_logits(organism, organism_folder(), texts)
    check_scores(organism, organism_folder(), texts)
    check_residuals(organism, organism_folder(), texts)


def test_prompts_are_longer_than_gemmas_window(tiny_folder: Path, texts: list[str]) -> None:
    _, tokenizer = reference(tiny_folder)
    assert max(len(tokenizer(text)["input_ids"]) for text in texts[:6]) > 8


def test_fingerprint_follows_the_weights(tmp_path: Path) -> None:
    folder = write_tiny("llama", tmp_path / "first")
    first = load_model(str(folder), device="cpu").fingerprint
    assert load_model(str(folder), device="cpu").fingerprint == first
    oracle, tokenizer = reference(folder)
    oracle.get_input_embeddings().weight.data.view(-1)[0] += 1
    oracle.save_pretrained(tmp_path / "second")
    tokenizer.save_pretrained(tmp_path / "second")
    assert load_model(str(tmp_path / "second"), device="cpu").fingerprint != first


def test_scores_are_float32(organism: LoadedModel, texts: list[str]) -> None:
    assert score(organism.model, [Prompt("a", "en", texts[0], (" x",))]).logp.dtype == np.float32
