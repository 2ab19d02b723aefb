"""Strengths as multiples of a vector, and as shares of the layer's median residual norm (`0.1r`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from interp.errors import ConfigError, DataError
from interp.model import LoadedModel
from interp.model.read import one_batch, read_residuals
from interp.steering import (
    Plan,
    Side,
    SteeringVectors,
    label,
    median_norms,
    ranked,
    read_strength,
    size,
    steered,
    strength_column,
)
from interp.steering._strengths import times

LAYER = 2


@pytest.fixture
def vectors(organism: LoadedModel, texts: list[str]) -> SteeringVectors:
    """Vectors of random norms that know the residual norms of some texts."""
    draw = torch.Generator().manual_seed(5)
    values = torch.randn(8, 128, generator=draw) * torch.rand(8, 1, generator=draw)
    return SteeringVectors("v", values, {}, median_norms(read_residuals(organism.model, texts)))


def test_the_median_is_numpys_over_the_norms_at_the_last_token(organism: LoadedModel, texts: list[str]) -> None:
    first, second = read_residuals(organism.model, texts[:5]), read_residuals(organism.model, texts[5:12])
    rows = np.concatenate([first.numpy(), second.numpy()], axis=1)
    expected = [np.median(np.linalg.norm(rows[layer + 1].astype(float), axis=-1)) for layer in range(8)]
    np.testing.assert_allclose(median_norms(first, second).numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("share", ["0.1r", "2r", "-0.5r"])
def test_the_added_vector_has_that_share_of_the_median_norm(
    organism: LoadedModel, texts: list[str], vectors: SteeringVectors, share: str
) -> None:
    """By what a forward adds to the stream, not by the plan's own numbers."""
    model, kept = organism.model, []
    batch = one_batch(model, texts[:2])
    for plan in (Plan(), vectors.plan(LAYER, share)):
        with steered(model, plan, batch), torch.inference_mode():
            _, cache = model.run_with_cache(batch.tokens, names_filter=f"blocks.{LAYER}.hook_resid_post")
        kept.append(next(iter(cache.values())))
    added = (kept[1] - kept[0])[batch.text()].norm(dim=-1)
    residuals = read_residuals(model, texts)[LAYER + 1]
    median = np.median(np.linalg.norm(residuals.numpy(), axis=-1))
    expected = abs(float(share.removesuffix("r"))) * median
    np.testing.assert_allclose(added.numpy(), expected, rtol=1e-4)


def test_forms_that_are_read_and_how_they_are_written() -> None:
    forms = {
        "0.1r": "0.1r",
        " 0.10r ": "0.1r",
        "1r": "1r",
        "0.5": 0.5,
        2: 2.0,
        0.25: 0.25,
        "-0.3r": "-0.3r",
        "1e-3r": "0.001r",
    }
    assert {given: read_strength(given) for given in forms} == forms
    assert [label(read_strength(given)) for given in ("0.10r", 2, 0.25)] == ["0.1r", "2", "0.25"]
    assert (size("0.1r"), size(0.5)) == (0.1, 0.5)
    assert read_strength(times("0.3r", 0.5)) == "0.15r"
    assert times(0.5, 2) == 1.0
    exact = 0.1234567890123
    assert size(read_strength(f"{exact}r")) == exact


@pytest.mark.parametrize("given", ["r", "", "half", "0.1R", "nan", "infr", True, None, float("inf"), [1.0]])
def test_other_forms_are_refused(given: Any) -> None:
    with pytest.raises(ConfigError, match=r"is not allowed; allowed: numbers such as 0\.5, or shares .* such as 0\.1r"):
        read_strength(given)


def test_a_share_needs_norms_and_a_vector_that_is_not_zero(vectors: SteeringVectors) -> None:
    bare = SteeringVectors("theirs", vectors.vectors)
    assert bare.plan(LAYER, "0.5").steers[0].strength == 0.5
    with pytest.raises(DataError, match=r"strength '0\.1r' needs residual norms, which are not known for theirs"):
        bare.plan(LAYER, "0.1r")
    values = vectors.vectors.clone()
    values[LAYER] = 0
    zero = SteeringVectors("v", values, {}, vectors.residual_norms)
    with pytest.raises(DataError, match="the vector of v at layer 2 is zero"):
        zero.plan(LAYER, "0.1r")
    assert zero.plan(LAYER, 1.0).steers[0].strength == 1.0
    with pytest.raises(DataError, match="no vector for layer 9"):
        vectors.multiple(9, "0.1r")


@pytest.mark.parametrize("operator", ["rotate", "project_out"])
def test_operators_that_do_not_scale_the_vector_take_no_share(vectors: SteeringVectors, operator: str) -> None:
    with pytest.raises(ConfigError, match=f"strength '0.1r' can't be used with operator '{operator}'"):
        vectors.plan(LAYER, "0.1r", operator=operator)
    assert vectors.plan(LAYER, 0.1, operator=operator).steers[0].strength == 0.1


def test_a_saved_file_knows_the_norms(vectors: SteeringVectors, tmp_path: Path) -> None:
    for name in ("a", "b"):
        vectors.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    back = SteeringVectors.load(tmp_path / "a")
    assert back.residual_norms is not None
    assert vectors.residual_norms is not None
    assert torch.equal(back.residual_norms, vectors.residual_norms)
    assert back.plan(3, "0.2r").steers[0].strength == vectors.plan(3, "0.2r").steers[0].strength
    SteeringVectors("bare", vectors.vectors).save(tmp_path / "bare")
    assert SteeringVectors.load(tmp_path / "bare").residual_norms is None


def test_a_window_spreads_the_share_over_its_layers(vectors: SteeringVectors) -> None:
    steers = Side("mean", 3, "0.3r", window=3).plan(vectors).steers
    norms = vectors.residual_norms
    assert norms is not None
    for steer in steers:
        added = steer.strength * float(steer.vector.norm())
        assert added == pytest.approx(0.1 * float(norms[steer.layer]), rel=1e-5)
    assert [steer.layer for steer in steers] == [2, 3, 4]


def test_of_equal_values_the_smaller_strength_comes_first_and_columns_are_numbers_or_texts() -> None:
    cells = [(1, "0.4r"), (1, "-0.2r"), (0, "0.9r")]
    assert [cell.strength for cell in ranked(cells, [1.0, 1.0, 1.0])] == ["0.9r", "-0.2r", "0.4r"]
    assert strength_column([1.0, None, 0.5]).dtype == float
    assert strength_column(["0.1r", 2.0, None, float("nan")]).tolist() == ["0.1r", "2", None, None]
