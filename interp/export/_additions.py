"""What most other tools can express of a plan: a vector per layer, added at every position."""

from __future__ import annotations

import torch
from jaxtyping import Float

from interp.errors import ConfigError
from interp.model.load import RAW
from interp.steering import Plan

Additions = dict[int, Float[torch.Tensor, "d_model"]]
"""Layer -> what is added to the residual stream after that block, in float32."""


def additions(plan: Plan, form: str, *, first: int = 0) -> Additions:
    """The vectors that a plan adds, times their strengths. Several at one layer are summed.

    They act on every token. A plan at positions `text` leaves the special tokens in front alone, and is taken all the
    same: `interp.export.everywhere` measures what that changes. first: the first layer that the form has a place for.
    Raises ConfigError, which says what can't be expressed in `form`: another operator than `add`, positions `last`, an
    earlier layer, vectors of a processed model, and a plan that adds no vector.
    """
    added: Additions = {}
    for steer in plan.steers:
        if steer.operator != "add":
            _refuse(
                form,
                f"operator {steer.operator!r} at layer {steer.layer}, because its effect depends on the stream",
                "operator add",
            )
        if steer.positions == "last":
            what = f"positions 'last' at layer {steer.layer}, because the export steers the whole prompt"
            _refuse(form, what, "positions text or all")
        if steer.processing not in ("", RAW):
            _refuse(form, f"a vector of a model with processing {steer.processing!r}", "models loaded unprocessed")
        if steer.layer < first:
            _refuse(form, f"a vector after block {steer.layer}", f"layers from {first}")
        addition = steer.strength * steer.vector.float()
        added[steer.layer] = added[steer.layer] + addition if steer.layer in added else addition
    if not added:
        _refuse(form, "a plan that adds no vector", "plans that add a vector")
    return dict(sorted(added.items()))


def _refuse(form: str, what: str, allowed: str) -> None:
    raise ConfigError(
        f"{form} can't express this plan: {what}", allowed=allowed,
        remedy="export the plan itself (--to plan), or make another plan with interp run --positions text",
    )  # fmt: skip
