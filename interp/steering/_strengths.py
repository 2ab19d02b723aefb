"""Strengths: multiples of a vector (`1.5`), or shares of the layer's median residual norm (`0.1r`)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from interp.errors import ConfigError

Strength = float | str
"""A number multiplies the vector. A text such as `0.1r` gives it 0.1 times the layer's median residual norm."""

SHARE = "r"
SCALING = ("add", "add_keep_norm", "set_projection")
"""Operators whose strength multiplies the vector; `rotate` takes an angle, `project_out` a share of the component."""


def read_strength(value: object) -> Strength:
    """A strength in the form that is used everywhere; raises ConfigError for anything else."""
    text = value.strip() if isinstance(value, str) else value
    try:
        if isinstance(text, bool) or not isinstance(text, (str, int, float)):
            raise ValueError
        number = float(text.removesuffix(SHARE) if isinstance(text, str) else text)
        if not math.isfinite(number):
            raise ValueError
    except ValueError:
        raise ConfigError(
            f"strength {value!r} is not allowed",
            allowed="numbers such as 0.5, or shares of the layer's median residual norm such as 0.1r",
        ) from None
    return f"{_short(number)}{SHARE}" if isinstance(text, str) and text.endswith(SHARE) else number


def is_share(strength: Strength) -> bool:
    """Whether a strength is a share of the residual norm."""
    return isinstance(strength, str)


def size(strength: Strength) -> float:
    """A strength's number, without its unit."""
    return float(strength.removesuffix(SHARE)) if isinstance(strength, str) else float(strength)


def times(strength: Strength, factor: float) -> Strength:
    """A strength times a number, in the same unit."""
    return f"{size(strength) * factor!r}{SHARE}" if is_share(strength) else size(strength) * factor


def label(strength: Strength) -> str:
    """A strength as it is written."""
    return strength if isinstance(strength, str) else f"{strength:g}"


def check_scaling(operator: str, strengths: Sequence[Strength]) -> None:
    """Raise ConfigError for a share of the residual norm with an operator that is not one of SCALING."""
    shares = [strength for strength in strengths if is_share(strength)]
    if shares and operator not in SCALING:
        raise ConfigError(
            f"strength {shares[0]!r} can't be used with operator {operator!r}",
            allowed=f"shares of the residual norm with {', '.join(SCALING)}",
            remedy="pass a number: rotate takes an angle in radians, project_out a share of the component",
        )


def _short(number: float) -> str:
    text = f"{number:g}"
    return text if float(text) == number else repr(number)
