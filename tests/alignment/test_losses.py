"""Losses against values worked out by hand, in numpy, and by the libraries that define them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from interp.alignment._losses import (
    answer_logp,
    before_answers,
    clo,
    cross_entropy,
    dpo,
    info_nce,
    mean_pool,
    projection_shift,
    token_logp,
)


def test_answers_are_predicted_one_position_earlier() -> None:
    answer = torch.tensor([[False, False, True, True, False], [False, True, False, False, False]])
    assert before_answers(answer).tolist() == [[False, True, True, False, False], [True, False, False, False, False]]


def test_cross_entropy_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)], [math.log(4.0), 0.0]])
    logp = token_logp(logits, torch.tensor([1, 1]))
    assert logp.tolist() == pytest.approx([math.log(3 / 4), math.log(1 / 5)], abs=1e-6)
    assert cross_entropy(logp).item() == pytest.approx(-(math.log(3 / 4) + math.log(1 / 5)) / 2, abs=1e-6)
    rows = torch.tensor([0, 2, 2])
    assert answer_logp(torch.tensor([1.0, 2.0, 3.0]), rows, 4).tolist() == [1.0, 0.0, 5.0, 0.0]


def test_no_answer_tokens_are_an_error() -> None:
    with pytest.raises(ValueError, match="without answer tokens"):
        cross_entropy(torch.empty(0))


@pytest.mark.parametrize("padding", [0.0, 1e6, math.nan, math.inf])
def test_padding_never_enters_a_mean(padding: float) -> None:
    residual = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [padding, padding]], [[5.0, 7.0], [padding] * 2, [padding] * 2]])
    real = torch.tensor([[True, True, False], [True, False, False]])
    assert mean_pool(residual, real).tolist() == [[2.0, 4.0], [5.0, 7.0]]


def test_info_nce_by_hand() -> None:
    """Anchors at right angles, candidates turned by 60 degrees: cosines are 1/2 with one's own, sqrt(3)/2 else."""
    half, most = 0.5, math.sqrt(3) / 2
    anchors = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    candidates = torch.tensor([[half, most], [most, half]]) * 7
    expected = -math.log(math.exp(half / 0.1) / (math.exp(half / 0.1) + math.exp(most / 0.1)))
    assert info_nce(anchors, candidates, 0.1).item() == pytest.approx(expected, rel=1e-5)


def test_info_nce_against_sklearn() -> None:
    from sklearn.metrics import log_loss
    from sklearn.metrics.pairwise import cosine_similarity

    rng = np.random.default_rng(0)
    anchors, candidates = rng.normal(size=(2, 9, 5))
    scaled = np.exp(cosine_similarity(anchors, candidates) / 0.1)
    expected = log_loss(np.arange(9), scaled / scaled.sum(axis=1, keepdims=True))
    own = info_nce(torch.tensor(anchors), torch.tensor(candidates), 0.1).item()
    assert own == pytest.approx(expected, rel=1e-6)
    turned = info_nce(torch.tensor(candidates), torch.tensor(anchors), 0.1).item()
    assert abs(turned - own) > 1e-3  # it goes from x to English, not both ways


def test_info_nce_needs_a_negative() -> None:
    with pytest.raises(ValueError, match="at least 2 pairs, got 1"):
        info_nce(torch.ones(1, 3), torch.ones(1, 3), 0.1)


def test_dpo_by_hand() -> None:
    chosen, rejected = torch.tensor([-1.0, -2.0]), torch.tensor([-3.0, -1.0])
    reference_chosen, reference_rejected = torch.tensor([-1.5, -2.0]), torch.tensor([-2.5, -2.0])
    margins = (0.5 - (-0.5), 0.0 - 1.0)
    expected = sum(math.log(1 + math.exp(-0.2 * margin)) for margin in margins) / 2
    found = dpo(chosen, rejected, reference_chosen, reference_rejected, beta=0.2)
    assert found.item() == pytest.approx(expected, rel=1e-6)
    same = dpo(chosen, rejected, chosen, rejected, beta=0.2)
    assert same.item() == pytest.approx(math.log(2), rel=1e-6)


def test_clo_mixes() -> None:
    assert clo(torch.tensor(2.0), torch.tensor(1.0), 0.25).item() == pytest.approx(0.25 * 2 + 0.75 * 1)


def test_projection_shift_by_hand() -> None:
    """One vector of length 2: a move of 3 along it is 1.5 of it; what is orthogonal or padding does not count."""
    base = torch.zeros(1, 3, 2)
    moved = torch.tensor([[[3.0, 9.0], [0.0, -4.0], [100.0, 100.0]]])
    real = torch.tensor([[True, True, False]])
    vectors = torch.tensor([[2.0, 0.0]])
    assert projection_shift(moved, base, vectors, real).item() == pytest.approx((1.5**2 + 0) / 2)
    both = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    assert projection_shift(moved, base, both, real).item() == pytest.approx((1.5**2 + 81 + 0 + 16) / 4)
