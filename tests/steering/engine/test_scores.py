"""Normalisations of a log-likelihood."""

from __future__ import annotations

import numpy as np
import pytest

from interp.steering.engine import Scores


def test_normalisations() -> None:
    scores = Scores(np.array([[-4.0, -6.0]]), np.array([2.0, 1.0]), np.array([8.0, 3.0]), np.array([0, 2]))
    assert scores.normalised("sum").tolist() == [[-4.0, -6.0]]
    assert scores.normalised("mean").tolist() == [[-2.0, -6.0]]
    assert scores.normalised("bytes").tolist() == [[-0.5, -2.0]]
    with pytest.raises(ValueError, match="needs the options' scores after the neutral prompt"):
        scores.normalised("pmi")
    with pytest.raises(ValueError, match="allowed: bytes, sum, mean"):
        scores.normalised("letters")


def test_of_gives_one_prompts_options() -> None:
    scores = Scores(np.arange(10.0).reshape(2, 5), np.ones(5), np.ones(5), np.array([0, 2, 5]))
    assert scores.of(1, plan=1).tolist() == [7.0, 8.0, 9.0]
