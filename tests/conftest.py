"""Models for the whole suite: the organism, and tiny random ones that speak with its tokenizer."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from interp.model.loading import LoadedModel, load_model, organism_folder

ARCHITECTURES = ("llama", "gemma2", "gemma3", "qwen3", "mistral", "gpt2", "gpt_neox", "bloom", "cohere")
WINDOW = 6
"""The sliding window of those that have one: shorter than every prompt."""


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real files of published datasets, which lie beside the project and are not part of it."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data, the real evaluation files beside the project")
    return folder


@pytest.fixture(scope="session")
def organism() -> LoadedModel:
    return load_model("organism", device="cpu")


def tiny_config(architecture: str, vocabulary: int):
    import transformers

    shared = {
        "vocab_size": vocabulary, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
        "initializer_range": 0.2,  # ten times the usual: every block and its attention must matter
    }  # fmt: skip
    sizes = {
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 128,
    }  # fmt: skip
    kinds = {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"], "sliding_window": WINDOW}
    if architecture == "gpt2":
        return transformers.GPT2Config(**shared, n_embd=32, n_layer=3, n_head=4, n_positions=128)
    if architecture == "bloom":
        return transformers.BloomConfig(**shared, hidden_size=32, n_layer=3, n_head=4)
    if architecture in ("gpt_neox", "cohere"):
        del sizes["head_dim"]
    if architecture == "gpt_neox":
        del sizes["num_key_value_heads"]
    more = {"gemma2": kinds | {"query_pre_attn_scalar": 8}, "gemma3": kinds, "mistral": {"sliding_window": WINDOW}}
    name = {
        "llama": "LlamaConfig", "gemma2": "Gemma2Config", "gemma3": "Gemma3TextConfig", "qwen3": "Qwen3Config",
        "mistral": "MistralConfig", "gpt_neox": "GPTNeoXConfig", "cohere": "CohereConfig",
    }[architecture]  # fmt: skip
    return getattr(transformers, name)(**shared, **sizes, **more.get(architecture, {}))


@pytest.fixture(scope="session", params=ARCHITECTURES)
def tiny_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(organism_folder())
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(tiny_config(request.param, len(tokenizer)))
    folder = tmp_path_factory.mktemp(request.param)
    model.float().save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(organism_folder() / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> LoadedModel:
    return load_model(str(tiny_folder), device="cpu")


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """Prompts of several lengths and scripts."""
    from interp.data import atlas
    from interp.data.prompts import question_text

    items = atlas.universal().items[::211]
    return [question_text(item.question(code), code) for item in items for code in ("en", "es", "zh", "fa")]
