"""One vector's part of a plan."""

from __future__ import annotations

import torch

from interp.steering import Side, SteeringVectors

VECTORS = SteeringVectors("v", torch.eye(6))


def test_a_window_spreads_the_strength_over_its_layers() -> None:
    plan = Side("mean", 2, 1.5, window=3).plan(VECTORS)
    assert [(steer.layer, steer.strength) for steer in plan.steers] == [(1, 0.5), (2, 0.5), (3, 0.5)]
    assert all(torch.equal(steer.vector, VECTORS.vectors[steer.layer]) for steer in plan.steers)


def test_a_window_is_cut_at_the_first_block_and_before_the_last() -> None:
    assert [steer.layer for steer in Side("mean", 0, 1.0, window=3).plan(VECTORS).steers] == [0, 1]
    plan = Side("mean", 4, 1.0, window=5).plan(VECTORS)
    assert [steer.layer for steer in plan.steers] == [2, 3, 4]
    assert sum(steer.strength for steer in plan.steers) == 1.0


def test_operator_and_positions_reach_the_steer() -> None:
    [steer] = Side("mean", 1, 1.0, "rotate", "last").plan(VECTORS).steers
    assert (steer.operator, steer.positions) == ("rotate", "last")
