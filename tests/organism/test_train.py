"""Training repeats, and its checkpoint loads by the path that loads any checkpoint."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from interp.model.load import load_model
from interp.organism import Recipe, train
from interp.organism._train import _loss, batches, build

TINY = {"steps": 2, "batch": 8, "layers": 2, "width": 16, "feed_forward": 16, "heads": 2, "negatives": 100}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("train")
    for name, seed in (("a", 0), ("again", 0), ("b", 1)):
        train(Recipe(seed=seed, **TINY), root / name, progress=False)
    return {name: root / name for name in ("a", "again", "b")}


def test_the_same_seed_gives_the_same_bytes(folders: dict[str, Path]) -> None:
    for name in ("model.safetensors", "tokenizer.json", "exposure.csv", "config.json"):
        assert (folders["a"] / name).read_bytes() == (folders["again"] / name).read_bytes(), name
    assert (folders["a"] / "model.safetensors").read_bytes() != (folders["b"] / "model.safetensors").read_bytes()


def test_the_checkpoint_loads_and_its_report_says_how_it_was_made(folders: dict[str, Path]) -> None:
    loaded = load_model(str(folders["a"]), device="cpu")
    assert loaded.model.cfg.n_layers == 2
    assert loaded.exposure is not None
    report = json.loads((folders["a"] / "training.json").read_text())
    assert report["recipe"]["seed"] == 0
    assert report["sentences"] == 16


def test_the_loss_is_cross_entropy_at_the_targets(folders: dict[str, Path]) -> None:
    """Against a plain loop over sentences and positions, with the whole vocabulary and with every token listed."""
    from transformers import AutoTokenizer

    from interp.data import atlas
    from interp.organism._corpus import Corpus

    tokenizer = AutoTokenizer.from_pretrained(folders["a"])
    recipe = Recipe(**TINY)
    model = build(recipe, tokenizer).eval()
    batch = next(batches(Corpus(atlas.universal(), atlas.cultural()), tokenizer, recipe))
    losses = []
    with torch.no_grad():
        for tokens, targets in zip(batch.tokens, batch.targets, strict=True):
            logp = model(tokens[None]).logits[0].log_softmax(-1)
            losses += [-logp[i - 1, tokens[i]] for i in range(1, len(tokens)) if targets[i]]
        expected = torch.stack(losses).mean()
        assert torch.allclose(_loss(model, batch, "cpu", full=True), expected, atol=1e-5)
        everything = replace(batch, negatives=torch.arange(len(tokenizer)))
        assert torch.allclose(_loss(model, everything, "cpu", full=False), expected, atol=1e-5)
        assert _loss(model, batch, "cpu", full=False) < expected


def test_answers_are_always_targets_and_padding_never(folders: dict[str, Path]) -> None:
    from transformers import AutoTokenizer

    from interp.data import atlas
    from interp.organism._corpus import Corpus

    tokenizer = AutoTokenizer.from_pretrained(folders["a"])
    batch = next(batches(Corpus(atlas.universal(), atlas.cultural()), tokenizer, Recipe(**TINY)))
    real = batch.tokens != tokenizer.pad_token_id
    assert not (batch.targets & ~real).any()
    for tokens, targets in zip(batch.tokens, batch.targets, strict=True):
        end = int((tokens == tokenizer.eos_token_id).nonzero()[0, 0])
        assert targets[end - 1]
