"""Fitters against scikit-learn and numpy, and on streams with a planted direction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.covariance import ledoit_wolf
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from interp.steering import FITTERS, difference, orthogonal
from interp.steering._fitters import lda, mean, pca, probe

L, N, D = 3, 60, 8


def cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cosine_similarity(a, b, dim=-1)


@pytest.fixture
def planted() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Target, source and the shift between them; pairs share what they are about."""
    generator = torch.Generator().manual_seed(3)
    topic = torch.randn(1 + L, N, D, generator=generator)
    shift = torch.randn(1 + L, 1, D, generator=generator)
    noise = 0.1 * torch.randn(2, 1 + L, N, D, generator=generator)
    return topic + shift + noise[0], topic + noise[1], shift[1:, 0]


@pytest.mark.parametrize("name", ["mean", "pca"])
def test_a_planted_shift_is_found_with_its_length(name: str, planted) -> None:
    target, source, shift = planted
    assert (cosine(FITTERS[name](target, source), shift) > 0.999).all()


@pytest.mark.parametrize("name", list(FITTERS))
def test_every_fitter_points_from_source_to_target_and_is_as_long_as_the_mean(name: str, planted) -> None:
    target, source, _ = planted
    found, plain = FITTERS[name](target, source), difference(target, source)
    assert torch.allclose(found.norm(dim=-1), plain.norm(dim=-1), rtol=1e-5)
    assert ((found * plain).sum(dim=-1) > 0).all()
    assert torch.allclose(FITTERS[name](source, target), -found, atol=1e-4)


def test_pca_is_the_first_axis_of_the_uncentred_differences(planted) -> None:
    target, source, _ = planted
    for layer, found in enumerate(pca(target, source), start=1):
        gap = (target - source)[layer].double().numpy()
        values, axes = np.linalg.eigh(gap.T @ gap)
        assert abs(float(cosine(found, torch.from_numpy(axes[:, values.argmax()]).float()))) > 1 - 1e-5


def test_lda_is_the_shrunk_covariance_inverted_on_the_difference(planted) -> None:
    target, source, _ = planted
    found = lda(target, source)
    for layer in range(L):
        a, b = (x[layer + 1].double().numpy() for x in (target, source))
        scaled = [(x - x.mean(axis=0)) for x in (a, b)]
        within = np.zeros((D, D))
        for part in scaled:  # the rule is applied to standardised features of each class, as scikit-learn does
            size = part.std(axis=0)
            within += 0.5 * size[:, None] * ledoit_wolf(part / size)[0] * size[None, :]
        expected = np.linalg.solve(within, a.mean(axis=0) - b.mean(axis=0))
        assert float(cosine(found[layer], torch.from_numpy(expected).float())) > 0.9999


def test_the_probes_normal_is_in_the_streams_units(planted) -> None:
    target, source, _ = planted
    scale = torch.tensor([1.0, 10.0, 1.0, 1.0, 0.1, 1.0, 1.0, 1.0])
    target, source = target * scale, source * scale
    found = probe(target, source)
    for layer in range(L):
        x = np.concatenate([source[layer + 1].numpy(), target[layer + 1].numpy()])
        scaler = StandardScaler().fit(x)
        fitted = LogisticRegression(max_iter=2000).fit(scaler.transform(x), np.repeat([0, 1], N))
        expected = torch.from_numpy(fitted.coef_[0] / scaler.scale_).float()
        assert float(cosine(found[layer], expected)) > 0.999


def test_mean_is_the_difference(planted) -> None:
    target, source, _ = planted
    assert torch.equal(mean(target, source), difference(target, source))


def test_orthogonal_takes_away_the_shared_part_and_nothing_else() -> None:
    generator = torch.Generator().manual_seed(0)
    v, u = torch.randn(2, L, D, generator=generator)
    found = orthogonal(v, u)
    assert (cosine(found, u).abs() < 1e-6).all()
    assert (cosine(v - found, u).abs() > 1 - 1e-6).all()
    assert torch.allclose(orthogonal(v, torch.zeros(L, D)), v)
