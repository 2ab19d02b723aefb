"""Operators against their definitions."""

from __future__ import annotations

import math

import pytest
import torch

from interp.steering import OPERATORS, Steer
from interp.steering._operators import add, add_keep_norm, project_out, rotate, set_projection

h = torch.randn(4, 5, 16, generator=torch.Generator().manual_seed(0))
v = torch.randn(16, generator=torch.Generator().manual_seed(1))


def test_add() -> None:
    assert torch.allclose(add(h, v, 0.5), h + 0.5 * v)


def test_add_keep_norm_keeps_the_norm_and_the_direction_of_the_sum() -> None:
    moved = add_keep_norm(h, v, 3.0)
    assert torch.allclose(moved.norm(dim=-1), h.norm(dim=-1), atol=1e-5)
    assert torch.allclose(torch.cosine_similarity(moved, h + 3 * v, dim=-1), torch.ones(4, 5), atol=1e-5)


def test_project_out_leaves_nothing_along_v_and_all_across() -> None:
    gone = project_out(h, v, 1.0)
    assert torch.allclose(gone @ v, torch.zeros(4, 5), atol=1e-4)
    across = v.roll(1) - (v.roll(1) @ v) / (v @ v) * v
    assert torch.allclose(gone @ across, h @ across, atol=1e-4)


def test_set_projection_sets_it() -> None:
    assert torch.allclose(set_projection(h, v, 1.0) @ v / v.norm(), v.norm().expand(4, 5), atol=1e-4)


def test_rotate_turns_by_the_angle_and_keeps_the_norm() -> None:
    turned = rotate(h, v, 0.3)
    assert torch.allclose(turned.norm(dim=-1), h.norm(dim=-1), atol=1e-5)
    assert torch.allclose(torch.cosine_similarity(turned, h, dim=-1), torch.full((4, 5), math.cos(0.3)), atol=1e-5)
    assert bool(
        (
            torch.cosine_similarity(turned, v.expand_as(h), dim=-1) > torch.cosine_similarity(h, v.expand_as(h), dim=-1)
        ).all()
    )


@pytest.mark.parametrize("name", [n for n in OPERATORS if n != "set_projection"])
def test_strength_zero_is_no_steer(name: str) -> None:
    assert torch.allclose(OPERATORS[name](h, v, 0.0), h, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"operator": "ad"}, "operator 'ad'"),
        ({"positions": "first"}, "positions 'first'"),
        ({"vector": torch.full((4,), math.nan)}, "finite"),
    ],
)
def test_bad_steers_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Steer(**({"layer": 0, "vector": torch.ones(4)} | change))
