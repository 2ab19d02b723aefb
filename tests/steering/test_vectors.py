"""Fitters against their definitions, and vector files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from interp.errors import DataError
from interp.steering import SteeringVectors, difference, language_contrast, layer_grid, ranked, rescaled, sign_shuffled

L, N, D = 4, 30, 8
generator = torch.Generator().manual_seed(0)


def noise(n: int = N) -> torch.Tensor:
    return torch.randn(1 + L, n, D, generator=generator)


def test_difference_is_the_mean_of_the_pairs_without_the_embedding_row() -> None:
    source, shift = noise(), torch.randn(1 + L, 1, D, generator=generator)
    assert torch.allclose(difference(source + shift, source), shift[1:, 0], atol=1e-5)


def test_difference_refuses_texts_that_are_not_parallel() -> None:
    with pytest.raises(ValueError, match="not parallel"):
        difference(noise(3), noise(4))


def test_language_contrast_keeps_what_is_cultural_alone() -> None:
    """A language's own offset cancels; what it has on cultural items only remains."""
    offset, culture = torch.randn(D, generator=generator), torch.randn(D, generator=generator)
    zero = torch.zeros(1 + L, N, D)
    found = language_contrast(zero + offset + culture, [zero, zero], zero + offset, [zero, zero])
    assert torch.allclose(found, culture.expand(L, D), atol=1e-6)


def test_shuffled_labels_lose_the_direction() -> None:
    source = noise(4000)
    shift = torch.zeros(D)
    shift[0] = 5.0
    shuffled = sign_shuffled(source + shift, source, torch.Generator().manual_seed(1))
    assert shuffled.norm(dim=-1).max() < 0.5


def test_rescaled_takes_direction_from_one_and_norm_from_the_other() -> None:
    a, b = noise()[1:, 0], noise()[1:, 1]
    made = rescaled(a, b)
    assert torch.allclose(made.norm(dim=-1), b.norm(dim=-1), atol=1e-5)
    assert torch.allclose(torch.cosine_similarity(made, a), torch.ones(L), atol=1e-5)


def test_vectors_survive_a_file_with_their_provenance(tmp_path: Path) -> None:
    vectors = SteeringVectors("en:ko", noise()[1:, 0], {"language": "ko", "n": 30})
    vectors.save(tmp_path / "v.safetensors")
    read = SteeringVectors.load(tmp_path / "v.safetensors")
    assert torch.equal(read.vectors, vectors.vectors)
    assert (read.name, read.provenance) == ("en:ko", {"language": "ko", "n": 30})


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "v.safetensors").write_bytes(b"nothing of the sort")
    with pytest.raises(DataError, match="does not hold steering vectors"):
        SteeringVectors.load(tmp_path / "v.safetensors")


def test_cells_rank_by_value_then_by_the_gentler_plan() -> None:
    cells = [(layer, strength) for layer in layer_grid(L) for strength in (2.0, 1.0)]
    found = ranked(cells, [float(layer == 1) for layer, _ in cells])
    assert [(c.layer, c.strength) for c in found[:3]] == [(1, 1.0), (1, 2.0), (0, 1.0)]
    assert len(found) == (L - 1) * 2


def test_the_last_block_is_in_no_grid() -> None:
    assert layer_grid(8) == (0, 1, 2, 3, 4, 5, 6)


def test_a_file_of_vectors_repeats_byte_for_byte(tmp_path: Path) -> None:
    """Several entries of metadata would be in another order now and then."""
    provenance = {"language": "el", "n": 3, "fitter": "mean"}
    bytes_of = set()
    for number in range(12):
        SteeringVectors("en:el", torch.ones(2, 3), provenance).save(tmp_path / f"{number}.safetensors")
        bytes_of.add((tmp_path / f"{number}.safetensors").read_bytes())
    assert len(bytes_of) == 1
    assert SteeringVectors.load(tmp_path / "0.safetensors").provenance == provenance
