"""Processing is seen in a model, is part of its fingerprint, and binds the vectors fitted on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from interp.data import Prompt
from interp.errors import ModelError
from interp.model.load import load_model, processing_of
from interp.steering import Plan, Steer, SteeringVectors, steered
from interp.steering.engine import score
from tests.conftest import write_tiny

STEPS = ("fold_ln", "center_writing_weights", "center_unembed")


def with_norms(architecture: str, folder: Path) -> str:
    """A tiny model whose norms are not the identity."""
    from safetensors.torch import load_file, save_file

    write_tiny(architecture, folder)
    weights = load_file(folder / "model.safetensors")
    torch.manual_seed(5)
    moved = {k: v + 0.3 * torch.randn_like(v) if v.ndim == 1 else v for k, v in weights.items()}
    save_file(moved, folder / "model.safetensors", metadata={"format": "pt"})
    return str(folder)


def processed(folder: str, **settings: bool) -> Any:
    bridge: Any = load_model(folder, device="cpu").model
    bridge.enable_compatibility_mode(disable_warnings=True, **settings)
    return bridge


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> str:
    return with_norms("gpt2", tmp_path_factory.mktemp("gpt2"))


@pytest.mark.parametrize("left_out", [None, *STEPS])
def test_steps_are_read_off_the_weights(gpt2: str, left_out: str | None) -> None:
    found = processing_of(processed(gpt2, **({} if left_out is None else {left_out: False})))
    assert found == ",".join(step for step in STEPS if step != left_out)


def test_no_step_at_all(gpt2: str) -> None:
    assert load_model(gpt2, device="cpu").processing == "none"
    assert processing_of(processed(gpt2, no_processing=True)) == "none"


def test_models_with_rms_norms_are_folded_and_not_centred(tmp_path: Path) -> None:
    """A mean taken out of the stream would change an RMS norm."""
    found = processing_of(processed(with_norms("llama", tmp_path / "llama")))
    assert found == "fold_ln,center_unembed"
    found = processing_of(processed(with_norms("gemma3", tmp_path / "gemma3")))
    assert found.startswith("fold_ln")
    assert "center_writing_weights" not in found


class Config:
    normalization_type = "LNPre"


class Folded:
    """What of a HookedTransformer says how it was processed."""

    cfg = Config()

    def __init__(self, centred: bool) -> None:
        weights = torch.randn(96, 80, generator=torch.Generator().manual_seed(0))
        self.W_E = weights - weights.mean(dim=1, keepdim=True) if centred else weights
        self.W_U = self.W_E.T


def test_a_hooked_transformer_says_it_in_its_config() -> None:
    assert processing_of(Folded(True)) == "fold_ln,center_writing_weights"  # type: ignore[arg-type]
    assert processing_of(Folded(False)) == "fold_ln"  # type: ignore[arg-type]


def test_processing_is_part_of_the_fingerprint(gpt2: str) -> None:
    plain, folded = load_model(gpt2, device="cpu"), load_model(processed(gpt2))
    assert folded.processing == ",".join(STEPS)
    assert folded.fingerprint != plain.fingerprint
    assert folded.described()["processing"] == folded.processing


def test_vectors_refuse_another_processing(gpt2: str, tmp_path: Path) -> None:
    """Also after a file, in a sum of plans, in scoring and in the context manager; unknown provenance is let through."""
    plain, folded = load_model(gpt2, device="cpu"), load_model(processed(gpt2))
    vectors = SteeringVectors("v", torch.randn(3, 32), {"processing": plain.processing})
    vectors.save(tmp_path / "v.safetensors")
    plan = Plan((Steer(0, torch.ones(32)),)) + SteeringVectors.load(tmp_path / "v.safetensors").plan(1)
    prompts = [Prompt("a", "en", "Where?", (" here",))]
    assert score(plain.model, prompts, [plan]).logp.shape == (1, 1)
    message = "fitted on a model with processing 'none', but this model has 'fold_ln,center_writing_weights"
    for engine in ("replay", "reference"):
        with pytest.raises(ModelError, match=message):
            score(folded.model, prompts, [Plan(), plan], engine=engine)
    with pytest.raises(ModelError, match=message), steered(folded.model, plan):
        pass
    assert score(folded.model, prompts, [SteeringVectors("w", torch.randn(3, 32)).plan(1)]).logp.shape == (1, 1)
