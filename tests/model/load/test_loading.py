"""Objects as they are, settings that don't go together, several devices, incomplete checkpoints."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from interp.data import Prompt
from interp.errors import ModelError, Notice
from interp.model import LoadedModel
from interp.model.load import _placement as placement
from interp.model.load import load_model, place
from interp.steering.engine import replay_of, score
from tests.conftest import write_tiny


def test_a_bridge_is_taken_as_it_is(organism: LoadedModel) -> None:
    taken = load_model(organism.model, device="cpu", dtype="float32")
    assert taken.model is organism.model
    assert (taken.name, taken.fingerprint) == (organism.name, organism.fingerprint)
    assert taken.described() == organism.described()
    assert taken.exposure is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dtype": "bfloat16"}, "dtype 'bfloat16' was requested, but the model has float32"),
        ({"device": "cuda"}, "device 'cuda' was requested, but the model has cpu"),
        ({"dtype": "int8"}, "dtype 'int8' is unknown"),
        ({"n_devices": 2}, "n_devices 2 can't be applied to a model that is already loaded"),
        ({"device_map": "auto"}, "device_map 'auto' can't be applied"),
        ({"quantization": "4bit"}, "quantization '4bit' can't be applied"),
        ({"adapter": "x"}, "adapter 'x' can't be applied"),
        ({"revision": "main"}, "revision 'main' can't be applied"),
    ],
)
def test_an_object_is_not_changed(organism: LoadedModel, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_model(organism.model, **settings)


def test_what_can_not_be_hooked(organism: LoadedModel) -> None:
    with pytest.raises(ModelError, match="is not a model with hooks; allowed: a name, a folder, a TransformerBridge"):
        load_model(organism.model.original_model)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"quantization": "2bit"}, "quantization '2bit' is unknown; allowed: 4bit, 8bit"),
        ({"n_devices": 0}, "n_devices 0 is not allowed"),
        ({"n_devices": 2, "device_map": "auto"}, "n_devices and device_map both"),
        ({"device": "cpu", "device_map": "auto"}, "device 'cpu' is a single device, but device_map places"),
        ({"device": "cpu", "n_devices": 2}, "device 'cpu' is a single device, but n_devices places"),
        ({"device_map": {"": "disk"}}, "device_map puts weights on disk"),
        ({"n_devices": 99}, "n_devices 99 needs as many GPUs; allowed: .* here"),
        ({"revision": "main"}, "revision 'main' can't be applied to the folder"),
        ({"adapter": "x", "quantization": "4bit"}, "bitsandbytes|NVIDIA GPU|without loss"),
    ],
)
def test_settings_that_do_not_go_together(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_model("organism", **settings)


def test_quantization_needs_its_package_and_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(placement, "find_spec", lambda name: None)
    with pytest.raises(
        ModelError, match=r"needs the package bitsandbytes; to do: pip install 'translocal\[quantize\]'"
    ):
        load_model("organism", quantization="4bit")
    monkeypatch.setattr(placement, "find_spec", lambda name: object())
    with pytest.raises(ModelError, match="needs an NVIDIA GPU"):
        load_model("organism", quantization="8bit")


def test_several_gpus_by_number_or_map(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert place("auto", "auto", 3, None, None).devices == ["cuda:0", "cuda:1", "cuda:2"]
    assert place("auto", "auto", None, "balanced", None).devices == [f"cuda:{i}" for i in range(4)]
    placed = place("auto", "auto", None, {"model.embed_tokens": 1, "model.layers": "cuda:2", "lm_head": 1}, None)
    assert placed.devices == ["cuda:1", "cuda:2"]
    assert placed.dtype == "bfloat16"
    assert place("auto", "auto", None, {"": "cpu"}, None).dtype == "float32"
    assert place("cuda:1", "auto", None, None, None).devices == ["cuda:1"]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("architecture", ["llama", "gemma3_images"])
def test_a_device_map_of_one_device(architecture: str, whole: bool, tmp_path: Path, texts: list[str]) -> None:
    """Dispatched by accelerate, in one piece or part by part: the same scores, and replay steps it."""
    folder = write_tiny(architecture, tmp_path)
    inside = "model.language_model" if architecture == "gemma3_images" else "model"
    parts = ["embed_tokens", "layers.0", "layers.1", "layers.2", "norm", "rotary_emb"]
    device_map = {f"{inside}.{part}": "cpu" for part in parts} | {"lm_head": "cpu"}
    if architecture == "gemma3_images":
        device_map |= {"model.vision_tower": "cpu", "model.multi_modal_projector": "cpu"}
    mapped = load_model(str(folder), device_map={"": "cpu"} if whole else device_map)
    plain = load_model(str(folder), device="cpu")
    assert mapped.fingerprint == plain.fingerprint
    prompts = [Prompt(str(i), "en", text, (" a b", " c")) for i, text in enumerate(texts[:5])]
    expected = score(plain.model, prompts, engine="reference").logp
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        assert replay_of(mapped.model) is not None
        assert abs(score(mapped.model, prompts).logp - expected).max() <= 1e-4


def test_only_the_language_model_of_gemma_is_kept(tmp_path: Path) -> None:
    """As 4B and 12B ship: nothing of the images is held, and nothing is looked for to process them."""
    loaded = load_model(str(write_tiny("gemma3_images", tmp_path)), device="cpu")
    assert type(loaded.model.original_model).__name__ == "Gemma3ForCausalLM"
    assert not any("vision" in name or "multi_modal" in name for name, _ in loaded.model.original_model.named_modules())
    assert not getattr(loaded.model.cfg, "is_multimodal", False)
    assert getattr(loaded.model, "processor", None) is None


def test_a_checkpoint_without_some_of_its_weights(tmp_path: Path) -> None:
    """Transformers would draw them at random."""
    folder = write_tiny("llama", tmp_path)
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 of its weights, such as model\.layers\.1\.mlp\.up_proj\.weight"):
        load_model(str(folder), device="cpu")


def test_code_in_a_checkpoint_is_never_run(tmp_path: Path) -> None:
    import json

    folder = write_tiny("llama", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(ModelError, match="could not be loaded"):
        load_model(str(folder), device="cpu")
    assert not (tmp_path / "ran").exists()
