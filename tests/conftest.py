"""Models for the whole suite: the organism, and tiny random ones that speak with its tokenizer."""

from __future__ import annotations

import json
import os
import shutil
from functools import cache
from pathlib import Path

import pytest

from interp.model import LoadedModel
from interp.model.load import load_model, organism_folder

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two workers: more threads would only wait for each other

TESTS = Path(__file__).parent
ARCHITECTURES = (
    "llama", "mistral", "gemma2", "gemma3", "gemma3_images", "qwen2", "qwen3", "gpt2", "mgpt", "gpt_neox", "bloom",
    "cohere", "phi", "olmo2",
)  # fmt: skip
LONG = ("study", "ablation", "serve", "known_answer", "parity")
"""Folders with files that make whole runs: first, so that no worker is left with one at the end."""

WINDOW = 6
"""The sliding window of those that have one: shorter than every prompt."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folders = [*LONG, *sorted({item.path.parts[len(TESTS.parts)] for item in items} - {*LONG})]
    items.sort(key=lambda item: folders.index(item.path.parts[len(TESTS.parts)]))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real files of published datasets, which lie beside the project and are not part of it."""
    folder = TESTS.parents[1] / "shared" / "data"
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
        "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 256,
    }  # fmt: skip
    kinds = {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"], "sliding_window": WINDOW}
    if architecture == "gpt2":
        return transformers.GPT2Config(**shared, n_embd=32, n_layer=3, n_head=4, n_positions=128)
    if architecture == "mgpt":  # as ai-forever/mGPT has it: special tokens that its tokenizer does not share
        odd = shared | {"bos_token_id": 256, "eos_token_id": 256, "pad_token_id": None}
        more = {"n_positions": 160, "n_ctx": 160, "n_inner": None, "gradient_checkpointing": False}
        return transformers.GPT2Config(**odd, n_embd=32, n_layer=3, n_head=4, **more)
    if architecture == "bloom":
        return transformers.BloomConfig(**shared, hidden_size=32, n_layer=3, n_head=4)
    if architecture == "gemma3_images":
        return transformers.Gemma3Config(
            text_config=shared | sizes | kinds,
            vision_config={
                "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
                "image_size": 28, "patch_size": 14,
            },
            mm_tokens_per_image=4, image_token_index=vocabulary - 1, boi_token_index=vocabulary - 2,
            eoi_token_index=vocabulary - 3,
        )  # fmt: skip
    if architecture in ("gpt_neox", "cohere", "phi", "olmo2", "qwen2"):
        del sizes["head_dim"]
    if architecture in ("gpt_neox", "phi"):
        del sizes["num_key_value_heads"]
    more = {"gemma2": kinds | {"query_pre_attn_scalar": 8}, "gemma3": kinds, "mistral": {"sliding_window": WINDOW}}
    name = {
        "llama": "LlamaConfig", "gemma2": "Gemma2Config", "gemma3": "Gemma3TextConfig", "qwen3": "Qwen3Config",
        "mistral": "MistralConfig", "gpt_neox": "GPTNeoXConfig", "cohere": "CohereConfig", "qwen2": "Qwen2Config",
        "phi": "PhiConfig", "olmo2": "Olmo2Config",
    }[architecture]  # fmt: skip
    return getattr(transformers, name)(**shared, **sizes, **more.get(architecture, {}))


@cache
def vocabulary() -> int:
    """How many tokens the organism's tokenizer has."""
    from transformers import AutoTokenizer

    return len(AutoTokenizer.from_pretrained(organism_folder()))


def write_model(config, folder: Path) -> Path:
    """A random model of a configuration with the organism's tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).float().save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(organism_folder() / name, folder / name)
    return folder


def write_tiny(architecture: str, folder: Path) -> Path:
    """A random model of an architecture with the organism's tokenizer, written as published ones are."""
    write_model(tiny_config(architecture, vocabulary()), folder)
    if architecture == "gemma3_images":
        _as_gemma_publishes_it(folder)
    if architecture == "qwen2":
        _bytes_as_qwen_has_them(folder)
    return folder


def _as_gemma_publishes_it(folder: Path) -> None:
    """Gemma's own names of the vision tower's weights, and the files of its processor."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    renamed = {key.replace("vision_tower.", "vision_tower.vision_model.", 1): value for key, value in weights.items()}
    save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})
    processor = {"processor_class": "Gemma3Processor", "image_seq_length": 4}
    (folder / "processor_config.json").write_text(json.dumps(processor))
    images = {
        "image_processor_type": "Gemma3ImageProcessor",
        "processor_class": "Gemma3Processor",
        "size": {"height": 28, "width": 28},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(images))


def _bytes_as_qwen_has_them(folder: Path) -> None:
    """A byte-level tokenizer: Transformers reads every tokenizer of this family as one, whatever its file says."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    from interp.data import atlas

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special, alphabet = ["<pad>", "<s>", "</s>", "<|endoftext|>"], pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=3000, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    items = atlas.universal().items[::50]
    tokenizer.train_from_iterator([item.question(code) for item in items for code in item.questions], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    told = {"tokenizer_class": "Qwen2Tokenizer", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": None}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))


@pytest.fixture(scope="session", params=ARCHITECTURES)
def tiny_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> LoadedModel:
    return load_model(str(tiny_folder), device="cpu")


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """Prompts of several lengths and scripts."""
    from interp.data import atlas, question_text

    items = atlas.universal().items[::211]
    return [question_text(item.question(code), code) for item in items for code in ("en", "es", "zh", "fa")]
