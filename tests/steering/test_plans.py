"""The context manager for plans, and which positions a steer touches."""

from __future__ import annotations

import pytest
import torch

from interp.model import LoadedModel
from interp.model.read import batches, one_batch
from interp.steering import Plan, Steer, steered


def test_hooks_leave_with_the_block_also_by_an_error(organism: LoadedModel) -> None:
    model = organism.model
    batch = one_batch(model, ["What is the capital of France?"])
    tokens = batch.tokens
    plan = Plan((Steer(2, torch.full((model.cfg.d_model,), 3.0)),))
    before = model(tokens, return_type="logits")
    with steered(model, plan, batch):
        assert not torch.allclose(model(tokens, return_type="logits"), before)
    assert torch.equal(model(tokens, return_type="logits"), before)
    with pytest.raises(RuntimeError, match="mine"), steered(model, plan, batch):
        raise RuntimeError("mine")
    assert torch.equal(model(tokens, return_type="logits"), before)


@pytest.mark.parametrize("positions", ["all", "text", "last"])
def test_padding_and_earlier_positions_are_left_alone(organism: LoadedModel, positions: str) -> None:
    model = organism.model
    (batch,) = batches([[5, 6, 7], [5, 6, 7, 8, 9, 10]], [2, 4], 2, fronts=[0, 3])
    plan = Plan((Steer(1, torch.ones(model.cfg.d_model), 1.0, "add", positions),))
    seen = {}

    def keep(name):
        return lambda residual, hook: seen.__setitem__(name, residual.clone())

    name = "blocks.1.hook_resid_post"
    model.run_with_hooks(batch.tokens, return_type=None, fwd_hooks=[(name, keep("plain"))])
    model.run_with_hooks(batch.tokens, return_type=None, fwd_hooks=[*plan.hooks(batch), (name, keep("steered"))])
    moved = (seen["steered"] - seen["plain"]).abs().amax(-1) > 0.5
    expected = {
        "all": [[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]],
        "text": [[0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0]],
        "last": [[0, 0, 0, 1, 1, 1], [0, 1, 1, 0, 0, 0]],
    }[positions]
    assert moved.int().tolist() == expected


def test_plans_add_up() -> None:
    a, b = Steer(0, torch.ones(4)), Steer(1, torch.ones(4))
    assert (Plan((a,)) + Plan((b,))).steers == (a, b)
