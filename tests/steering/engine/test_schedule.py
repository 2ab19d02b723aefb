"""Steers are told apart by what they do, not by where their numbers lie in memory."""

from __future__ import annotations

import torch

from interp.steering import Plan, Steer
from interp.steering.engine._schedule import numbered


def test_steers_of_equal_values_share_a_number() -> None:
    both = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    vector, column = both[0], both.T.contiguous().T[0]
    same = [vector, vector.clone(), column, vector.double().float()]
    plans = [Plan((Steer(2, one, 0.5),)) for one in same]
    others = [Steer(2, both[1], 0.5), Steer(1, vector, 0.5), Steer(2, vector, 0.25), Steer(2, vector, 0.5, "rotate"),
              Steer(2, vector, 0.5, positions="last"), Steer(2, -vector, 0.5)]  # fmt: skip
    keys = {plan.place: plan.key(2) for plan in numbered([*plans, *(Plan((steer,)) for steer in others)])}
    assert len({keys[place] for place in range(len(same))}) == 1
    assert len(set(keys.values())) == 1 + len(others)


def test_memory_that_is_used_again_is_another_vector() -> None:
    vector = torch.ones(6)
    first = Plan((Steer(0, vector.clone()),))
    second = Plan((Steer(0, vector.mul_(2)),))
    assert len({plan.key(0) for plan in numbered([first, second])}) == 2
