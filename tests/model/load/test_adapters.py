"""LoRA adapters: the merged model is the adapted one; what doesn't fit is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from interp.errors import ModelError
from interp.model.load import load_model
from interp.model.load._adapters import CONFIG, WEIGHTS
from tests.conftest import write_tiny

pytest.importorskip("peft")

TARGETS = {
    "llama": ["q_proj", "v_proj", "down_proj"],
    "gpt2": ["c_attn", "c_fc"],
    "gemma3_images": r".*language_model.*q_proj",
}


def adapted(folder: Path, out: Path, targets: Any, rank: int = 4) -> Any:
    """A random adapter of a checkpoint, saved; returns PEFT's own model."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
    torch.manual_seed(3)
    model = get_peft_model(base, LoraConfig(r=rank, target_modules=targets, init_lora_weights=False))
    model.save_pretrained(out)
    return model.eval()


@pytest.mark.parametrize("architecture", TARGETS)
def test_merged_logits_are_the_adapters_own(architecture: str, tmp_path: Path) -> None:
    folder = write_tiny(architecture, tmp_path / "base")
    oracle = adapted(folder, tmp_path / "lora", TARGETS[architecture])
    merged = load_model(str(folder), device="cpu", adapter=tmp_path / "lora")
    plain = load_model(str(folder), device="cpu")
    tokens = torch.randint(3, 3000, (2, 20), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = oracle(tokens).logits
        assert (merged.model(tokens) - expected).abs().max() <= 1e-4
        assert (plain.model(tokens) - expected).abs().max() > 1e-2
    assert merged.adapter == "lora"
    assert merged.fingerprint != plain.fingerprint
    assert not any("lora" in key for key in merged.model.state_dict())
    assert all(parameter.requires_grad for parameter in merged.model.original_model.parameters())


def test_an_adapter_of_the_language_model_alone(tmp_path: Path) -> None:
    """Trained on Gemma 3's text class, where modules have other names than in the class that is published."""
    from peft import LoraConfig, get_peft_model

    folder = write_tiny("gemma3_images", tmp_path / "base")
    text = load_model(str(folder), device="cpu").model.original_model
    plain = load_model(str(folder), device="cpu").model
    torch.manual_seed(3)
    unwrapped = type(text)(text.config)
    get_peft_model(unwrapped, LoraConfig(r=2, target_modules=["o_proj"], init_lora_weights=False)).save_pretrained(
        tmp_path / "lora"
    )
    merged = load_model(str(folder), device="cpu", adapter=tmp_path / "lora").model
    moved = {key for key, value in merged.state_dict().items() if not torch.equal(value, plain.state_dict()[key])}
    assert len(moved) == 3
    assert all(".attn.o." in key for key in moved)


def test_another_base_is_refused_with_both_names(tmp_path: Path) -> None:
    llama, gpt2 = write_tiny("llama", tmp_path / "llama"), write_tiny("gpt2", tmp_path / "gpt2")
    adapted(llama, tmp_path / "lora", TARGETS["llama"])
    with pytest.raises(
        ModelError, match=r"adapter 'lora' does not fit model '.*gpt2': it has no model.layers.0.*"
    ) as caught:
        load_model(str(gpt2), device="cpu", adapter=tmp_path / "lora")
    assert f"the model it was trained on ({llama})" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_size_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = write_tiny("llama", tmp_path / "llama")
    adapted(folder, tmp_path / "lora", ["q_proj"])
    weights = load_file(tmp_path / "lora" / WEIGHTS)
    wider = {k: torch.cat([v, v], dim=1) if "lora_A" in k else v for k, v in weights.items()}
    save_file(wider, tmp_path / "lora" / WEIGHTS)
    with pytest.raises(ModelError, match=r"q_proj is \[32, 32\], the adapter's A.weight \[4, 64\]"):
        load_model(str(folder), device="cpu", adapter=tmp_path / "lora")


def test_a_part_that_is_missing_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = write_tiny("llama", tmp_path / "llama")
    adapted(folder, tmp_path / "lora", ["q_proj"])
    weights = load_file(tmp_path / "lora" / WEIGHTS)
    save_file(dict(list(weights.items())[1:]), tmp_path / "lora" / WEIGHTS)
    with pytest.raises(ModelError, match=r"does not fit .*missing adapter keys"):
        load_model(str(folder), device="cpu", adapter=tmp_path / "lora")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "does not exist"),
        ({}, f"has no {CONFIG}"),
        ({CONFIG: "{}", "adapter_model.bin": ""}, "pickled ones"),
        ({CONFIG: "{", WEIGHTS: ""}, "can't be read"),
        ({CONFIG: "[]", WEIGHTS: ""}, "can't be read"),
        ({CONFIG: json.dumps({"peft_type": "IA3"}), WEIGHTS: ""}, "is an adapter of the kind IA3; allowed: LORA"),
        ({CONFIG: json.dumps({"peft_type": "LORA"}), WEIGHTS: "x"}, "can't be read"),
    ],
)
def test_a_folder_that_is_no_adapter(files: dict[str, str] | None, message: str, tmp_path: Path) -> None:
    folder = tmp_path / "lora"
    if files is not None:
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
    with pytest.raises(ModelError, match=message):
        load_model("organism", device="cpu", adapter=folder)


def test_without_peft(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interp.model.load._adapters.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"needs the package peft; to do: pip install 'translocal\[align\]'"):
        load_model("organism", device="cpu", adapter="somewhere")
