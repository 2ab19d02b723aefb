"""Plans: several steers, each at its own layer, and the hooks that apply them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float

from interp.errors import ModelError
from interp.model import HookedModel, NamedHook, resid_post
from interp.model.load import processing_of
from interp.model.read import Batch
from interp.steering._operators import OPERATORS
from interp.steering._positions import POSITIONS, TEXT, Positions


@dataclass(frozen=True, eq=False)
class Steer:
    """One vector at one layer: `operator(h, vector, strength)` on the residual stream after block `layer`.

    positions: `text` (every token except padding and the special tokens in front of the prompt), `last` (the last
    prompt token and every later one) or `all` (every token except padding, BOS too). BOS is an attention sink with an
    unusual norm, so steering it damages a model more than steering its text. processing: how the model was processed in
    which the vector was fitted (see `processing_of`); empty if unknown.
    """

    layer: int
    vector: Float[torch.Tensor, "d_model"] = field(repr=False)
    strength: float = 1.0
    operator: str = "add"
    positions: Positions = TEXT
    processing: str = ""

    def __post_init__(self) -> None:
        if self.operator not in OPERATORS:
            raise ValueError(f"operator {self.operator!r} is unknown; allowed: {', '.join(OPERATORS)}")
        if self.positions not in POSITIONS:
            raise ValueError(f"positions {self.positions!r} is unknown; allowed: {', '.join(POSITIONS)}")
        if self.vector.ndim != 1 or not bool(torch.isfinite(self.vector).all()):
            raise ValueError(f"a steering vector must be finite and of shape [d_model], got {tuple(self.vector.shape)}")

    def __call__(self, residual: Float[torch.Tensor, "*rows d_model"]) -> Float[torch.Tensor, "*rows d_model"]:
        """The steered stream, computed in float32 and returned in the stream's own dtype."""
        vector = self.vector.to(residual.device, torch.float32)
        return OPERATORS[self.operator](residual.float(), vector, self.strength).to(residual.dtype)


@dataclass(frozen=True, eq=False)
class Plan:
    """Several steers applied together. A plan without steers leaves the model unchanged."""

    steers: tuple[Steer, ...] = ()

    def __add__(self, other: Plan) -> Plan:
        return Plan(self.steers + other.steers)

    def scaled(self, factor: float) -> Plan:
        """The plan with every strength times `factor`."""
        return Plan(tuple(replace(steer, strength=factor * steer.strength) for steer in self.steers))

    def at(self, positions: Positions) -> Plan:
        """The plan with every steer at `positions`."""
        return Plan(tuple(replace(steer, positions=positions) for steer in self.steers))

    def hooks(self, batch: Batch | None = None) -> list[NamedHook]:
        """Forward hooks for a batch (`interp.model.read.one_batch` makes one of texts).

        Without a batch only positions `all` can be steered, and the result is correct only without padding. Raises
        ValueError for other positions, and for `text` if the batch does not count the special tokens in front.
        """
        return [(resid_post(steer.layer), _hook(steer, batch)) for steer in self.steers]


def _hook(steer: Steer, batch: Batch | None) -> Any:
    if batch is None and steer.positions != "all":
        raise ValueError(
            f"positions {steer.positions!r} needs the batch, to know where each prompt begins and ends; pass "
            "one_batch(model, texts), or steer at positions 'all'"
        )
    mask = None if batch is None else batch.at(steer.positions)

    def hook(residual: torch.Tensor, hook: Any) -> torch.Tensor:
        moved = steer(residual)
        return moved if mask is None else torch.where(mask[..., None].to(moved.device), moved, residual)

    return hook


@contextmanager
def steered(model: HookedModel, plan: Plan, batch: Batch | None = None) -> Iterator[HookedModel]:
    """Context manager that steers a model with a plan. Its hooks are removed at the end, also after an error.

    Raises what `check_plan` and `Plan.hooks` raise.
    """
    check_plan(model, plan)
    with model.hooks(fwd_hooks=plan.hooks(batch)):  # type: ignore[attr-defined]
        yield model


def check_plan(model: HookedModel, plan: Plan) -> None:
    """Raise ValueError for a layer or a width that the model doesn't have, ModelError for another processing."""
    for processing in {steer.processing for steer in plan.steers} - {""}:
        if processing != (here := processing_of(model)):
            raise ModelError(
                f"the vector was fitted on a model with processing {processing!r}, but this model has {here!r}",
                allowed="the same folding and centring of weights for fitting and steering",
                remedy="fit the vector again on this model, or load the model in the same way as for fitting",
            )
    for steer in plan.steers:
        if not 0 <= steer.layer < model.cfg.n_layers:
            raise ValueError(f"layer {steer.layer} is out of range; allowed: 0 to {model.cfg.n_layers - 1}")
        if steer.vector.shape[0] != model.cfg.d_model:
            raise ValueError(f"the vector has width {steer.vector.shape[0]}; the model's is {model.cfg.d_model}")


def check_fits(model: HookedModel, plan: Plan) -> None:
    """Like `check_plan`, for a plan given by a user: a layer or a width that the model lacks is also a ModelError."""
    try:
        check_plan(model, plan)
    except ValueError as error:
        raise ModelError(
            f"the plan does not fit the model: {error}", remedy="pass the model that the plan was made for"
        ) from error
