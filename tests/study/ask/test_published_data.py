"""Runs on published data and on a chat model: the path that a large model takes."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from interp.model.load import organism_folder
from interp.progress import Bars
from interp.study.ask import prepare
from interp.study.config import RunConfig
from interp.study.run import run

SMALL = {
    "limit": 40, "languages": ("el",), "strengths": (1.0,), "design": "exhaustive", "draws": 4, "bootstrap_draws": 200,
    "attribution_items": 4,
}  # fmt: skip
CHAT = (
    "{{ bos_token }}{% for m in messages %}<start>{{ m['role'] }}\n{{ m['content'] }}<end>\n{% endfor %}"
    "{% if add_generation_prompt %}<start>model\n{% endif %}"
)


@pytest.fixture(scope="module")
def chat_gemma(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Gemma 3 whose tokenizer has a chat template."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, Gemma3TextConfig

    folder = tmp_path_factory.mktemp("chat-gemma")
    tokenizer = AutoTokenizer.from_pretrained(organism_folder())
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = Gemma3TextConfig(
        vocab_size=len(tokenizer), pad_token_id=0, bos_token_id=1, eos_token_id=2, hidden_size=32, intermediate_size=48,
        num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, head_dim=8, max_position_embeddings=512,
        sliding_window=16, layer_types=["sliding_attention"] * 3 + ["full_attention"], initializer_range=0.1,
    )  # fmt: skip
    AutoModelForCausalLM.from_config(config).float().save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_the_organism_runs_on_bmlama_and_blend(shared_data: Path, tmp_path: Path) -> None:
    folder = run(
        RunConfig(
            universal="bmlama", cultural="blend", parallel="ntrex", data_dir=str(shared_data), out=str(tmp_path / "r"),
            **SMALL,
        ),
        Bars(quiet=True),
    ).folder  # fmt: skip
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["data"]["universal"]["name"] == "bmlama"
    assert set(manifest["data"]["cultural"]["languages"]) == {"en", "el", "es"}  # es lends a third language
    plane = pd.read_csv(folder / "plane.csv")
    macro = plane[plane["language"] == "macro"].set_index("method")
    assert {"base", "en", "loc", "surgical", "nonfactual_en", "wrong_culture", "placebo_cue"} <= set(macro.index)
    assert (
        macro[["transfer", "localization", "explicit_localization", "us_bias"]]
        .loc[["base", "surgical"]]
        .notna()
        .all(None)
    )
    left_out = pd.read_csv(folder / "left_out.csv")
    assert "el" in set(left_out["where"].str[:2]) | set(left_out["where"].str.split().explode())


@pytest.mark.slow
def test_a_chat_model_runs_on_published_data(shared_data: Path, chat_gemma: Path, tmp_path: Path) -> None:
    folder = run(
        RunConfig(
            model=str(chat_gemma), universal="bmlama", cultural="blend", parallel="ntrex", data_dir=str(shared_data),
            out=str(tmp_path / "r"), **SMALL,
        ),
        Bars(quiet=True),
    ).folder  # fmt: skip
    assert json.loads((folder / "manifest.json").read_text())["template"] == "chat"
    assert (folder / "attribution.csv").stat().st_size > 0


def test_every_prompt_of_a_chat_model_goes_through_its_template(chat_gemma: Path) -> None:
    study = prepare(RunConfig(model=str(chat_gemma), **SMALL))
    tasks = [*study.universal_tasks("el", "dev"), *study.cultural_tasks("el", "dev", "explicit")]
    for task in tasks:
        assert task.prompt.text.startswith("<s><start>user\n")
        assert task.prompt.text.endswith("Απάντηση:<end>\n<start>model\n")
        assert not any(ending.startswith(" ") for ending in task.prompt.continuations)
    first = study.universal_items("fit")[0].question("el")
    seen: list[str] = []
    tokens = study.tokens

    class Spy:
        def __call__(self, text: str) -> tuple[int, ...]:
            seen.append(text)
            return tokens(text)

        prompt = __call__

    study.__dict__["tokens"] = Spy()
    study.read(study.universal_texts("el", "fit"))
    study.read(study.sentences("el", "fit"))
    study.read(study.cultural_texts("el", "fit", "placebo"))
    assert any(first in text for text in seen)
    assert all(text.startswith("<s><start>user\n") and text.endswith("<end>\n<start>model\n") for text in seen)
    assert all(tokens(text).count(study.loaded.model.tokenizer.bos_token_id) == 1 for text in seen)


def test_worked_examples_need_a_dataset_that_has_them(tmp_path: Path) -> None:
    from interp.errors import DataError

    with pytest.raises(DataError, match="--shots 2000: dataset 'atlas' has"):
        prepare(RunConfig(shots=2000, **SMALL))
