"""Settings of plans, and the space that a search draws from."""

from __future__ import annotations

import torch

from interp.steering.search import SearchSpace, Setting, Side
from interp.steering.vectors import SteeringVectors

VECTORS = SteeringVectors("v", torch.eye(6))
SPACE = SearchSpace(layers=(0, 1, 2), strengths=(0.5, 1.0))


def test_the_factorial_has_every_side_once() -> None:
    assert len(set(SPACE.sides("en"))) == len(SPACE.sides("en")) == 4 * 3 * 2 * 3 * 2 * 2
    assert len(SPACE.sides("loc")) == 5 * 3 * 2 * 3 * 2 * 2
    assert {side.fitter for side in SPACE.sides("loc")} - {side.fitter for side in SPACE.sides("en")} == {"contrast"}


def test_a_draw_begins_with_the_plain_grid_and_a_larger_one_has_the_smaller_ones() -> None:
    few, more = SPACE.drawn("en", 20, seed=1), SPACE.drawn("en", 60, seed=1)
    assert few[:6] == [Side("mean", layer, strength) for layer in (0, 1, 2) for strength in (0.5, 1.0)]
    assert few == more[:20]
    assert len(set(more)) == 60
    assert SPACE.drawn("en", 60, seed=1) == more != SPACE.drawn("en", 60, seed=2)
    assert len(SPACE.drawn("en", 10_000, seed=1)) == len(SPACE.sides("en"))


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


def test_variants_are_the_seven_other_ways_of_a_pair() -> None:
    side = Side("mean", 1, 1.0)
    pair = Setting(side, side)
    assert len(set(pair.variants())) == 7
    assert pair not in pair.variants()
    assert Setting(en=side).variants() == [] == Setting().variants()


def test_a_setting_is_a_row_of_plain_values() -> None:
    row = Setting(loc=Side("pca", 3, 2.0)).described()
    assert row["en_layer"] is None
    assert row["loc_layer"] == 3
    assert row["loc_fitter"] == "pca"
    assert row["orthogonal"] is False
