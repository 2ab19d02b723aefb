"""The goals of a search, on gains whose best is known."""

from __future__ import annotations

import numpy as np
import pytest

from interp.errors import ConfigError
from interp.steering import Goal
from interp.steering._goals import balanced

T, LOC = np.array([0.10, 0.02, 0.05, -0.01, 0.0]), np.array([-0.05, 0.02, 0.04, 0.30, 0.0])


def best(goal: Goal) -> int:
    return int(goal.rank(T, LOC).argmax())


def test_balanced_is_the_harmonic_mean_of_two_gains() -> None:
    assert balanced(np.array(0.1), np.array(0.3)) == pytest.approx(0.15)
    assert balanced(np.array(0.02), np.array(0.02)) == pytest.approx(0.02)


def test_balanced_is_the_smaller_gain_where_one_is_none_and_has_no_jump_there() -> None:
    assert balanced(np.array(0.2), np.array(-0.1)) == pytest.approx(-0.1)
    assert balanced(np.array(0.2), np.array(0.0)) == 0
    assert balanced(np.array(0.2), np.array(1e-9)) == pytest.approx(0, abs=1e-8)


def test_each_goal_has_its_own_best() -> None:
    assert best(Goal("balanced")) == 2
    assert best(Goal("pareto")) == 2
    assert best(Goal("transfer", max_erasure=0.01)) == 2
    assert best(Goal("transfer", max_erasure=0.06)) == 0
    assert best(Goal("localization", max_loss=0.02)) == 3
    assert best(Goal("localization", max_loss=0.0)) == 2


def test_where_nothing_is_allowed_the_least_trespass_is_first() -> None:
    goal = Goal("transfer", max_erasure=0.0)
    lost = np.array([-0.3, -0.1, -0.2])
    assert not goal.allowed(np.ones(3), lost).any()
    assert goal.rank(np.ones(3), lost).argmax() == 1
    assert goal.rank(np.ones(3), lost).max() < goal.rank(np.array(-1.0), np.array(0.0))


def test_a_bound_holds_for_the_gains_it_is_given() -> None:
    """Ranked by cautious gains, bounded by plain ones: caution alone is no trespass."""
    goal, caution = Goal("transfer", max_erasure=0.01), 0.02
    transfer, localization = np.array([0.05, 0.01]), np.array([0.0, 0.015])
    ranked = goal.rank(transfer - caution, localization - caution, (transfer, localization))
    assert ranked.argmax() == 0
    assert ranked == pytest.approx(transfer - caution)
    assert goal.rank(transfer - caution, localization - caution).argmax() == 1
    assert goal.rank(transfer, localization, (transfer, np.array([-0.02, 0.0]))).argmax() == 1


def test_odd_goals_are_refused() -> None:
    with pytest.raises(ConfigError, match="goal 'both' is unknown; allowed: balanced"):
        Goal("both")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="max_erasure"):
        Goal("transfer", max_erasure=-0.1)
