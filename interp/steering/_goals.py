"""What a search looks for: a rule over the gains in transfer and in localization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from interp.errors import ConfigError

Kind = Literal["balanced", "transfer", "localization", "pareto"]
KINDS: tuple[Kind, ...] = ("balanced", "transfer", "localization", "pareto")

Gains = Float[np.ndarray, "*cells"]


@dataclass(frozen=True)
class Goal:
    """The rule that chooses a plan by its gains, which are differences from the unsteered model.

    balanced: the harmonic mean of both gains, or the smaller gain if one isn't positive. transfer: the gain in
    transfer, among plans that lose at most `max_erasure` of localization. localization: the gain in localization, among
    plans that lose at most `max_loss` of transfer. pareto: the whole Pareto front, of which `balanced` picks one plan.
    Raises ConfigError for an unknown kind or a bound outside 0 to 1.
    """

    kind: Kind = "balanced"
    max_erasure: float = 0.01
    max_loss: float = 0.01

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"goal {self.kind!r} is unknown", allowed=", ".join(KINDS))
        for name in ("max_erasure", "max_loss"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} {getattr(self, name)!r} is not allowed", allowed="a share from 0 to 1")

    def objective(self, transfer: Gains, localization: Gains) -> Gains:
        """The quantity to maximise."""
        if self.kind == "transfer":
            return np.asarray(transfer, dtype=np.float64)
        if self.kind == "localization":
            return np.asarray(localization, dtype=np.float64)
        return balanced(transfer, localization)

    def allowed(self, transfer: Gains, localization: Gains) -> Bool[np.ndarray, "*cells"]:
        """Whether a plan keeps within the bound."""
        if self.kind == "transfer":
            return np.asarray(localization) >= -self.max_erasure
        if self.kind == "localization":
            return np.asarray(transfer) >= -self.max_loss
        return np.ones(np.broadcast(transfer, localization).shape, dtype=bool)

    def rank(self, transfer: Gains, localization: Gains, bounded: tuple[Gains, Gains] | None = None) -> Gains:
        """`objective` where a plan is allowed; elsewhere below all that are, the least trespass first.

        bounded: the gains in transfer and in localization that the bound holds for, where they aren't those ranked.
        """
        value = self.objective(transfer, localization)
        held = bounded or (transfer, localization)
        lost = held[1] if self.kind == "transfer" else held[0]
        return np.where(self.allowed(*held), value, -10.0 + np.asarray(lost))

    @property
    def told(self) -> str:
        """The rule in words."""
        return {
            "balanced": "harmonic mean of both gains",
            "transfer": f"gain in transfer, with a loss of localization of at most {self.max_erasure:g}",
            "localization": f"gain in localization, with a loss of transfer of at most {self.max_loss:g}",
            "pareto": "Pareto front; a single plan is picked by the harmonic mean of both gains",
        }[self.kind]


def balanced(transfer: Gains, localization: Gains) -> Gains:
    """Harmonic mean of two gains; the smaller where one of them isn't positive. Our definition."""
    a, b = np.asarray(transfer, dtype=np.float64), np.asarray(localization, dtype=np.float64)
    positive = (a > 0) & (b > 0)
    total = np.where(positive, a + b, 1.0)
    return np.where(positive, 2 * a * b / total, np.minimum(a, b))
