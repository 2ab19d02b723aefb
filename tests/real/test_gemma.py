"""A real model from a GGUF file: its tokens, Transformers' logits, and replay on its weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from interp.model import LoadedModel
from interp.model.load import outline
from interp.model.read import Tokens, read_residuals
from interp.steering import Plan, Steer
from interp.steering.engine import replay_of, score
from tests.real.conftest import LANGUAGES, atlas_tasks

pytestmark = pytest.mark.real

FINGERPRINT = "4865d7110828a657"
SENTENCES = ("The capital of France is", "프랑스의 수도는", "La capital de Francia es", "Ibu kota Prancis adalah")


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("The capital of France is", (2, 818, 5279, 529, 7001, 563)),
        ("프랑스의 수도는", (2, 238561, 239474, 124197, 79301, 237170)),
    ],
    ids=["en", "ko"],
)
def test_tokens_are_the_models_own(gemma: LoadedModel, text: str, ids: tuple[int, ...]) -> None:
    assert Tokens(gemma.model).prompt(text) == ids
    assert gemma.model.to_tokens(text).tolist() == [list(ids)]


def test_what_the_manifest_says(gemma: LoadedModel) -> None:
    """The fingerprint is of the weights as they are computed with: the same on every machine."""
    said = gemma.described()
    assert (said["name"], said["gguf"]) == ("gemma-3-270m-q4_k_m.gguf", "Q4_K_M, dequantised to float32")
    assert (said["in_front"], said["behind"]) == ("<bos>", "")
    assert said["fingerprint"] == FINGERPRINT


def test_the_outline_has_the_sizes_of_the_loaded_model(gemma: LoadedModel, gguf_file: Path) -> None:
    shape, cfg = outline(str(gguf_file), "float32").shape, gemma.model.cfg
    assert (
        (shape.n_layers, shape.d_model, shape.d_vocab) == (cfg.n_layers, cfg.d_model, cfg.d_vocab) == (18, 640, 262144)
    )
    assert shape.parameters == sum(weight.numel() for weight in gemma.model.original_model.parameters())


def test_logits_are_those_of_transformers_reading_the_same_file(gemma: LoadedModel, gguf_file: Path) -> None:
    """Float32, within 1e-3: logits reach 30. Transformers reads configuration and tokenizer itself, too."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = {"pretrained_model_name_or_path": gguf_file.parent, "gguf_file": gguf_file.name}
    plain = AutoModelForCausalLM.from_pretrained(**place, dtype=torch.float32, attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(**place)
    for text in SENTENCES:
        ids = tokenizer(text, return_tensors="pt").input_ids
        assert tuple(ids[0].tolist()) == Tokens(gemma.model).prompt(text)
        with torch.inference_mode():
            theirs, ours = plain(ids).logits, gemma.model(ids, return_type="logits")
        assert float((theirs - ours).abs().max()) <= 1e-3


@pytest.mark.parametrize("positions", ["text", "last"])
def test_replay_is_the_reference(gemma: LoadedModel, positions: str) -> None:
    """Two steers with the norm of a tenth of the residual stream's, on real options in four languages."""
    prompts = [task.prompt for code in LANGUAGES for task in atlas_tasks(code, 2)]
    middle = read_residuals(gemma.model, [prompt.text for prompt in prompts], layers=[4, 15])
    generator = torch.Generator().manual_seed(0)
    steers = []
    for layer, residuals in zip((4, 15), middle, strict=True):
        norm = 0.1 * float(np.median(np.linalg.norm(np.asarray(residuals), axis=-1)))
        vector = torch.nn.functional.normalize(torch.randn(640, generator=generator), dim=0) * norm
        steers.append(Steer(layer, vector, positions=positions))
    plans = [Plan(), Plan((steers[0],)), Plan(tuple(steers))]
    assert replay_of(gemma.model) is not None
    replayed, reference = (score(gemma.model, prompts, plans, engine=engine).logp for engine in ("replay", "reference"))
    assert np.abs(reference[1:] - reference[0]).max() > 0.1
    assert np.abs(replayed - reference).max() <= 1e-3
