"""Vectors from residuals that plain Transformers gives are those that are fitted here, layer by layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import interp
from interp.errors import DataError, TranslocalError
from interp.model import LoadedModel
from interp.model.read import Tokens
from interp.steering import FITTERS, vectors_from

TEXTS = ["Which city is the capital of France?", "What is red?", "Name a metal.", "Where is Peru?", "Who was first?"]
OTHERS = ["¿Qué ciudad es la capital de Francia?", "¿Qué es rojo?", "Nombra un metal.", "¿Dónde?", "¿Quién fue?"]


def hidden_states(folder: Path, prompts: list[tuple[int, ...]]) -> torch.Tensor:
    """Transformers' own, at the last token of each prompt: [layer + 1, prompt, d_model]."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.inference_mode():
        found = [model(torch.tensor([ids]), output_hidden_states=True).hidden_states for ids in prompts]
    return torch.stack([torch.stack([state[0, -1] for state in states]) for states in found], dim=1)


@pytest.mark.parametrize("fitter", list(FITTERS))
def test_transformers_hidden_states(tiny: LoadedModel, tiny_folder: Path, fitter: str) -> None:
    tokens, n_layers = Tokens(tiny.model), int(tiny.model.cfg.n_layers)
    expected = interp.fit_vectors(tiny, TEXTS, OTHERS, fitter=fitter)
    target, source = (hidden_states(tiny_folder, [tokens(text) for text in texts]) for texts in (TEXTS, OTHERS))
    found = vectors_from(target, source, n_layers=n_layers, rows="hidden_states", fitter=fitter)
    assert found.layers == tuple(range(n_layers - 1))
    torch.testing.assert_close(found.vectors[:-1], expected.vectors[:-1], rtol=1e-3, atol=1e-4)
    with pytest.raises(TranslocalError, match=f"no vector for layer {n_layers - 1}"):
        found.plan(n_layers - 1)
    assert found.residual_norms is not None
    assert expected.residual_norms is not None
    torch.testing.assert_close(found.residual_norms[:-1], expected.residual_norms[:-1], rtol=1e-4, atol=1e-4)


def test_blocks_with_and_without_the_embedding(tmp_path: Path) -> None:
    draw = torch.Generator().manual_seed(0)
    target, source = torch.randn(2, 5, 7, 6, generator=draw)
    whole = vectors_from(target, source, n_layers=4, rows="embedding+blocks")
    torch.testing.assert_close(whole.vectors, (target - source).mean(dim=1)[1:])
    blocks = vectors_from(target[1:].numpy(), source[1:].numpy(), n_layers=4, rows="blocks")
    torch.testing.assert_close(blocks.vectors, whole.vectors)
    save_file({"resid": target.contiguous()}, tmp_path / "t.safetensors")
    save_file({"anything": source.contiguous()}, tmp_path / "s.safetensors")
    read = vectors_from(
        tmp_path / "t.safetensors", str(tmp_path / "s.safetensors"), n_layers=4, rows="embedding+blocks"
    )
    torch.testing.assert_close(read.vectors, whole.vectors)


def test_what_is_not_allowed(tmp_path: Path) -> None:
    five = np.ones((5, 3, 2), dtype=np.float32)
    with pytest.raises(DataError, match=r"5 rows; rows='blocks' of 4 blocks are 4; allowed: rows='embedding\+blocks'"):
        vectors_from(five, five, n_layers=4, rows="blocks")
    with pytest.raises(DataError, match="rows='hidden_states' of 5 blocks are 6; allowed: rows='blocks' for 5 rows"):
        vectors_from(five, five, n_layers=5, rows="hidden_states")
    with pytest.raises(DataError, match="allowed: 9 or 10 rows"):
        vectors_from(five, five, n_layers=9, rows="blocks")
    with pytest.raises(DataError, match="not parallel"):
        vectors_from(five, five[:, :2], n_layers=5, rows="blocks")
    with pytest.raises(DataError, match="not finite"):
        vectors_from(five * np.nan, five, n_layers=5, rows="blocks")
    with pytest.raises(DataError, match=r"shape \[5, 3\]"):
        vectors_from(five[:, :, 0], five, n_layers=5, rows="blocks")
    with pytest.raises(TranslocalError, match=r"rows 'block' is unknown.*did you mean 'blocks'"):
        vectors_from(five, five, n_layers=5, rows="block")  # type: ignore[arg-type]
    save_file({"a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "two.safetensors")
    with pytest.raises(DataError, match="has the tensors a, b; allowed: one tensor"):
        vectors_from(tmp_path / "two.safetensors", five, n_layers=5, rows="blocks")
    (tmp_path / "x.npy").write_bytes(b"none")
    with pytest.raises(DataError, match="can't be read as safetensors"):
        vectors_from(tmp_path / "x.npy", five, n_layers=5, rows="blocks")


def test_tensors_may_be_of_a_narrow_type_or_carry_gradients() -> None:
    draw = torch.Generator().manual_seed(1)
    target, source = torch.randn(2, 4, 7, 6, generator=draw)
    expected = vectors_from(target, source, n_layers=4, rows="blocks").vectors
    live = vectors_from(target.requires_grad_(), source, n_layers=4, rows="blocks").vectors
    torch.testing.assert_close(live, expected)
    narrow = vectors_from(target.bfloat16(), source.bfloat16(), n_layers=4, rows="blocks").vectors
    torch.testing.assert_close(narrow, expected, rtol=0.05, atol=0.05)
