"""What is not a causal language model, and tokenizers that are larger than the embedding: refused before weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import transformers
from transformers import AutoTokenizer

from interp.errors import ModelError
from interp.model.load import (
    check_language_model,
    check_vocabulary,
    load_model,
    organism_folder,
    outline,
    transformers_model,
)
from interp.model.read import Tokens
from tests.conftest import tiny_config, vocabulary, write_model, write_tiny

KINDS = [
    (transformers.T5Config(), "encoder-decoder model (t5)"),
    (transformers.BartConfig(), "encoder-decoder model (bart)"),
    (transformers.WhisperConfig(), "encoder-decoder model (whisper)"),
    (transformers.BertConfig(), "an encoder (bert)"),
    (transformers.XLMRobertaConfig(), "an encoder (xlm-roberta)"),
    (transformers.CLIPConfig(), "no causal language model of type clip"),
    (transformers.ViTConfig(), "no causal language model of type vit"),
    (transformers.Wav2Vec2Config(), "no causal language model of type wav2vec2"),
    (transformers.LlavaConfig(), "no causal language model of type llava"),
    (transformers.LlamaConfig(architectures=["LlamaForSequenceClassification"]), "of a LlamaForSequenceClassification"),
]


@pytest.mark.parametrize(("config", "reason"), KINDS, ids=lambda each: getattr(each, "model_type", ""))
def test_other_kinds_are_refused_by_configuration_alone(config: Any, reason: str, tmp_path: Path) -> None:
    """Also by `--dry-run`, from a folder and from the Hub's configuration, and before weights are read."""
    with pytest.raises(ModelError) as refused:
        check_language_model(config, "x")
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)
    config.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"never read")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"processor_class": "SomeProcessor"}))
    for load in (load_model, lambda name: outline(name, "float32")):
        with pytest.raises(ModelError) as refused:
            load(str(tmp_path))
        assert reason in str(refused.value)


def test_of_a_repository_the_configuration_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interp.model.load._outline.local_place", lambda source, revision: None)
    monkeypatch.setattr("interp.model.load._outline._on_hub", lambda source, revision: (False, "c" * 40, 0, None))
    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", lambda *_, **__: transformers.WhisperConfig())
    with pytest.raises(ModelError, match="model 'org/ears' is not a causal language model: it is an encoder-decoder"):
        outline("org/ears", "float32")


@pytest.mark.parametrize("architecture", ["llama", "gemma3_images", "mgpt"])
def test_causal_language_models_pass(architecture: str) -> None:
    check_language_model(tiny_config(architecture, 300), "x")
    check_language_model(transformers.GPT2Config(architectures=["GPT2LMHeadModel"]), "x")
    check_language_model(transformers.BertConfig(is_decoder=True), "x")


def test_a_class_that_transformer_lens_does_not_wrap(tmp_path: Path) -> None:
    folder = write_model(transformers.BioGptConfig(
        vocab_size=vocabulary(), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
        max_position_embeddings=64,
    ), tmp_path)  # fmt: skip
    with pytest.raises(ModelError, match="is a BioGptForCausalLM, which TransformerLens does not support"):
        load_model(str(folder), device="cpu")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A model whose embedding has 40 rows fewer than its tokenizer has tokens."""
    return write_model(tiny_config("llama", vocabulary() - 40), tmp_path / "small")


def test_a_tokenizer_larger_than_the_embedding(small: Path) -> None:
    from interp.alignment import load_trainable

    rows = vocabulary() - 40
    for load in (
        lambda: load_model(str(small), device="cpu"),
        lambda: outline(str(small), "float32"),
        lambda: load_trainable(str(small), device="cpu"),
    ):
        with pytest.raises(
            ModelError, match=f"has id {rows + 39}, but the embedding has {rows} rows; allowed: ids from 0"
        ):
            load()


def with_tokens(folder: Path, tokens: list[str], *, special: bool, template: str | None = None) -> Path:
    """A tiny Llama with tokens that were added to its tokenizer alone."""
    write_tiny("llama", folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(tokens, special_tokens=special)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return folder


def test_added_tokens_count(tmp_path: Path) -> None:
    folder = with_tokens(tmp_path, ["kimchi", "pozole"], special=False)
    with pytest.raises(ModelError, match="token 'pozole' has id"):
        load_model(str(folder), device="cpu")


def test_special_tokens_of_the_chat_template_count(tmp_path: Path) -> None:
    folder = with_tokens(tmp_path, ["<|turn|>"], special=True, template="{{ '<|turn|>' }}{{ messages[0]['content'] }}")
    with pytest.raises(ModelError, match=r"token '<\|turn\|>' has id"):
        load_model(str(folder), device="cpu")


def test_a_special_token_that_nothing_writes_is_refused_in_a_text_alone(tmp_path: Path) -> None:
    """Gemma 3 of text alone: a token for images has the first id behind the embedding."""
    folder = with_tokens(tmp_path, ["<image_soft_token>"], special=True)
    model = load_model(str(folder), device="cpu").model
    outline(str(folder), "float32")
    tokens = Tokens(model)
    assert tokens("a plain text")
    with pytest.raises(ModelError, match=r"'<image_soft_token>' .*, which the model's embedding does not cover"):
        tokens("a text with <image_soft_token> in it")


def test_a_padded_embedding_is_fine(tmp_path: Path) -> None:
    write_model(tiny_config("llama", vocabulary() + 64), tmp_path)
    assert load_model(str(tmp_path), device="cpu").model.cfg.d_vocab == vocabulary() + 64
    check_vocabulary(AutoTokenizer.from_pretrained(organism_folder()), vocabulary() + 64, "x")


def test_the_kind_is_said_before_the_weights_are_read(tmp_path: Path) -> None:
    from interp.model.load import Placement, find_model

    folder = write_tiny("llama", tmp_path / "model")
    config = json.loads((folder / "config.json").read_text()) | {"architectures": ["LlamaForTokenClassification"]}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="LlamaForTokenClassification, which has no language-model head"):
        transformers_model(find_model(str(folder)), "x", Placement("cpu", "float32", None, None, None))
