"""Published settings are the defaults; values that make no sense are refused in one line."""

from __future__ import annotations

from typing import Any

import pytest

from interp.alignment import settings_for
from interp.errors import ConfigError


def test_midalign_as_published() -> None:
    found = settings_for("midalign")
    assert (found.rank, found.alpha, found.dropout) == (8, 16, 0.1)
    assert (found.lr, found.schedule, found.warmup, found.batch, found.accumulation) == (
        5e-4,
        "inverse_sqrt",
        0.03,
        32,
        4,
    )
    assert (found.temperature, found.layer) == (0.1, None)
    assert found.published_targets == ("q", "k", "v", "o", "gate", "up", "down")


def test_clo_trains_attention_alone() -> None:
    assert settings_for("clo").published_targets == ("q", "k", "v", "o")


def test_none_means_the_default() -> None:
    assert settings_for("clo", lr=None, beta=0.2) == settings_for("clo", beta=0.2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"method": "sft"}, "method 'sft' is unknown; allowed: instruct, midalign, clo"),
        ({"rate": 1}, "setting 'rate' is unknown"),
        ({"schedule": "cosine"}, "schedule 'cosine' is unknown; allowed: inverse_sqrt, linear, constant"),
        ({"targets": ("q", "x")}, "target 'x' is unknown; allowed: q, k, v, o, gate, up, down"),
        ({"steps": 0}, "steps 0 is not allowed; allowed: whole numbers from 1"),
        ({"seed": -1}, "seed -1 is not allowed"),
        ({"rank": 1.5}, "rank 1.5 is not allowed"),
        ({"lr": 0.0}, "lr 0.0 is not allowed; allowed: numbers above 0"),
        ({"lr": float("nan")}, "lr nan is not allowed"),
        ({"warmup": 1.1}, "warmup 1.1 is not allowed"),
        ({"dropout": 1.0}, "dropout 1.0 is not allowed"),
        ({"mix": -0.1}, "mix -0.1 is not allowed; allowed: 0 to 1"),
        ({"keep_weight": -1.0}, "keep_weight -1.0 is not allowed"),
        ({"batch": 1}, "with batch 1, midalign has no negatives"),
    ],
)
def test_values_that_are_not_allowed(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings_for(**({"method": "midalign"} | given))
