"""What steers, on the command line: `--plan FILE`, or `--vectors FILE --layer N`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.errors import ConfigError, DataError

if TYPE_CHECKING:
    from interp.steering.plans import Positions
    from interp.steering.saved import SavedPlans
    from interp.steering.vectors import SteeringVectors


@dataclass(frozen=True)
class Bare:
    """Vectors without a plan, and how they are applied."""

    vectors: SteeringVectors
    layer: int
    strength: float
    operator: str
    positions: Positions


def read_steering(
    plan: Path | None,
    vectors: Path | None,
    layer: int | None,
    strength: float | None,
    operator: str | None,
    positions: str | None,
    for_plans: Mapping[str, Any],
) -> SavedPlans | Bare | None:
    """What is given; None where nothing steers. for_plans: options that only a plan.json can meet, by flag.

    Raises ConfigError for options that don't go together and values that are not allowed, DataError for files that
    can't be read and a layer that there is no vector for.
    """
    if strength is not None and strength != strength:
        raise ConfigError("--strength nan is not allowed", allowed="numbers")
    for_vectors = {"--layer": layer, "--operator": operator, "--positions": positions}
    if plan is not None and vectors is not None:
        raise ConfigError("--plan and --vectors don't go together", allowed="one of them")
    _only(for_vectors, "--vectors", vectors is not None)
    _only(for_plans, "--plan", plan is not None)
    if plan is not None:
        from interp.steering.saved import load_plans

        return load_plans(plan)
    _only({"--strength": strength}, "--plan or --vectors", vectors is not None)
    if vectors is None:
        return None
    if layer is None:
        raise ConfigError("--vectors needs a layer", remedy="say after which block they are added: --layer N, from 0")
    from interp.steering.foreign import read_vectors
    from interp.steering.operators import OPERATORS
    from interp.steering.plans import POSITIONS

    chosen, where = operator or "add", positions or "all"
    if chosen not in OPERATORS:
        raise ConfigError(f"operator {chosen!r} is unknown", allowed=", ".join(OPERATORS))
    if where not in POSITIONS:
        raise ConfigError(f"positions {where!r} are unknown", allowed=", ".join(POSITIONS))
    bare = Bare(read_vectors(vectors, layer=layer), layer, 1.0 if strength is None else strength, chosen, where)  # type: ignore[arg-type]
    if layer not in bare.vectors.layers:
        raise DataError(
            f"{vectors} has no vector for layer {layer}", allowed=f"--layer {', '.join(map(str, bare.vectors.layers))}"
        )
    return bare


def _only(options: Mapping[str, Any], owner: str, there: bool) -> None:
    for flag, value in options.items():
        if value is not None and not there:
            raise ConfigError(f"{flag} {value} makes no sense without {owner}", remedy=f"pass {owner}, or leave it out")
