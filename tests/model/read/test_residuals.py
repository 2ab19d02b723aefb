"""Residuals at a position: the same whatever the batch, no further than the layers asked for, also as moments."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interp.model import LoadedModel
from interp.model.read import Tokens, read_residuals, residual_moments
from interp.model.read._residuals import MomentsFitter


@pytest.mark.parametrize("position", [-1, -2, 0, 3, "mean"])
def test_a_position_is_the_one_of_transformers_hidden_states(organism: LoadedModel, texts: list[str], position) -> None:
    from transformers import AutoModelForCausalLM

    from interp.model.load import organism_folder

    oracle = AutoModelForCausalLM.from_pretrained(organism_folder(), dtype=torch.float32, attn_implementation="eager")
    tokens = Tokens(organism.model)
    found = read_residuals(organism.model, texts, layers=[2, -1], position=position, batch_size=4)
    for i, text in enumerate(texts):
        with torch.inference_mode():
            hidden = oracle(torch.tensor([tokens(text)]), output_hidden_states=True).hidden_states
        for row, layer in ((0, 3), (1, 0)):
            stream = hidden[layer][0]
            expected = stream.mean(dim=0) if position == "mean" else stream[position]
            assert torch.allclose(found[row, i], expected, atol=1e-4)


def test_the_batch_does_not_matter(organism: LoadedModel, texts: list[str]) -> None:
    together = read_residuals(organism.model, texts)
    for settings in ({"batch_size": 1}, {"batch_size": 3}, {"memory": "1MB"}):
        assert torch.allclose(read_residuals(organism.model, texts, **settings), together, atol=1e-4)
    backward = read_residuals(organism.model, texts[::-1])
    assert torch.allclose(backward.flip(1), together, atol=1e-4)


def test_nothing_runs_behind_the_last_layer_asked_for(organism: LoadedModel, texts: list[str]) -> None:
    ran = []
    handles = [
        block.register_forward_hook(lambda *_, layer=layer: ran.append(layer))
        for layer, block in enumerate(organism.model.blocks)
    ]
    handles.append(organism.model.unembed.register_forward_hook(lambda *_: ran.append("unembed")))
    try:
        read_residuals(organism.model, texts, layers=[1, 3])
        assert max(ran) <= 3
        ran.clear()
        read_residuals(organism.model, texts)
        assert "unembed" not in ran
    finally:
        for handle in handles:
            handle.remove()


def test_hooks_of_the_users_stay_in_force(organism: LoadedModel, texts: list[str]) -> None:
    plain = read_residuals(organism.model, texts)
    with organism.model.hooks(fwd_hooks=[("blocks.2.hook_resid_post", lambda stream, hook: stream + 1.0)]):
        moved = read_residuals(organism.model, texts)
    assert torch.equal(moved[:3], plain[:3])
    assert torch.allclose(moved[3], plain[3] + 1.0, atol=1e-5)
    assert torch.equal(read_residuals(organism.model, texts), plain)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": [8]}, r"layers \[8\] are not allowed; allowed: different layers from -1 to 7"),
        ({"layers": []}, "are not allowed"),
        ({"layers": [1, 1]}, "different layers"),
        ({"position": "first"}, "position 'first' is unknown"),
        ({"position": -99}, "so it has no position -99"),
        ({"position": 99}, "so it has no position 99"),
    ],
)
def test_what_is_not_there_is_named(organism: LoadedModel, texts: list[str], settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_residuals(organism.model, texts, **settings)


def test_moments_are_those_of_all_texts(organism: LoadedModel, texts: list[str]) -> None:
    whole = read_residuals(organism.model, texts, layers=[0, 5]).double().numpy()
    moments = residual_moments(organism.model, texts, layers=[0, 5], batch_size=3)
    assert moments.layers == (0, 5)
    assert moments.count == len(texts)
    np.testing.assert_allclose(moments.mean, whole.mean(axis=1), atol=1e-5)
    for row in range(2):
        np.testing.assert_allclose(moments.covariance[row], np.cov(whole[row].T), atol=1e-4)


@pytest.mark.parametrize("parts", [(1, 1, 998), (500, 500), (7, 993)])
def test_moments_stay_exact_far_from_zero(parts: tuple[int, ...]) -> None:
    """A mean of 1e6 with a spread of 1: sums of squares would have lost it."""
    rows = np.random.default_rng(0).standard_normal((2, 1000, 4)) + 1e6
    fitter = MomentsFitter((0, 1), 4)
    start = 0
    for size in parts:
        fitter.update(rows[:, start : start + size])
        start += size
    found = fitter.result()
    for layer in range(2):
        np.testing.assert_allclose(found.covariance[layer], np.cov(rows[layer].T), rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(found.mean[layer], rows[layer].mean(axis=0), rtol=1e-14)


def test_moments_need_two_texts(organism: LoadedModel, texts: list[str]) -> None:
    with pytest.raises(ValueError, match="at least 2 texts, got 1"):
        residual_moments(organism.model, texts[:1])
