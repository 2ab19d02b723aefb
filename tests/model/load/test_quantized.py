"""Quantized models are scored and replayed; on a CPU, where bitsandbytes runs too (`load_model` asks for a GPU)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from interp.data import Prompt
from interp.model.attribution import cue_attribution
from interp.model.load import Placement, find_model
from interp.model.load._booting import boot
from interp.steering.engine import replay_of, score
from tests.conftest import write_tiny

pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")

APART = 0.5
"""What replay allows of half precision; in 8 bits rounding depends on the other rows of the batch."""


@pytest.mark.parametrize("quantization", ["4bit", "8bit"])
def test_a_quantized_model(quantization: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, LlamaConfig

    folder = write_tiny("llama", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    wide = LlamaConfig(**config | {"hidden_size": 128, "intermediate_size": 256, "head_dim": 32})
    AutoModelForCausalLM.from_config(wide).save_pretrained(folder)
    placement = Placement("cpu", "bfloat16", None, {"": "cpu"}, quantization)
    model = boot(find_model(str(folder)), "tiny", placement, None)
    kind = {"4bit": "Linear4bit", "8bit": "Linear8bitLt"}[quantization]
    found = [type(module).__name__ for module in model.original_model.modules()]  # type: ignore[attr-defined]
    assert found.count(kind) == 3 * 7
    # Before any scoring: on a CPU, 4-bit weights that were used without gradients are repacked and have none from then on.
    effects = cue_attribution(model, ["Where is it?"], ["Where was it?"], ["What is this?"], [5], [7])
    assert effects.values.std() > 0
    assert replay_of(model) is not None
    prompts = [Prompt("a", "en", "Where is it?", (" here", " there now"))]
    replayed, plain = (score(model, prompts, engine=engine).logp for engine in ("replay", "reference"))
    assert torch.isfinite(torch.tensor(replayed)).all()
    assert abs(replayed - plain).max() <= APART
