"""Formatting of estimates: a number with its interval, and never `nan` in a sentence."""

from __future__ import annotations

import math

MISSING = "not measured"


def estimate(value: float, lo: float = math.nan, hi: float = math.nan, *, signed: bool = False, digits: int = 3) -> str:
    """An estimate as `0.480 [0.451, 0.512]`; without bounds the number alone; `MISSING` for a missing value."""
    form = f"{'+' if signed else ''}.{digits}f"
    if math.isnan(value):
        return MISSING
    if math.isnan(lo) or math.isnan(hi):
        return f"{value:{form}}"
    return f"{value:{form}} [{lo:{form}}, {hi:{form}}]"
