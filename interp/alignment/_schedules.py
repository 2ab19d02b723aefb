"""Learning rates over a run, as shares of the highest."""

from __future__ import annotations

import math

from interp.alignment._settings import Settings


def rate_at(step: int, settings: Settings) -> float:
    """The rate of a step (0-based) over the highest: a linear rise, then as the schedule says.

    As Transformers' `get_inverse_sqrt_schedule` (its time scale is the warm-up), `get_linear_schedule_with_warmup` and
    `get_constant_schedule_with_warmup`, but a step sooner: no step has a rate of 0.
    """
    rise = math.ceil(settings.warmup * settings.steps)
    done = step + 1
    if done <= rise:
        return done / rise
    if settings.schedule == "inverse_sqrt":
        return math.sqrt(max(1, rise) / done)
    if settings.schedule == "linear":
        return (settings.steps + 1 - done) / (settings.steps + 1 - rise)
    return 1.0
