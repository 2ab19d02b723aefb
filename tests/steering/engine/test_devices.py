"""A model spread over GPUs, on a machine without any: fake tensors keep the rules of devices, without data."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from interp.model.read import Batch
from interp.model.read._residuals import _picked
from interp.model.step import Places, Unembedding
from interp.model.step._blocks import Blocks
from interp.steering import POSITIONS, Plan, Steer
from interp.steering.engine._forest import Reads
from interp.steering.engine._scoring import _keep_endings
from interp.steering.engine._walk import Answers, Stream

HOME, FAR = "cuda:0", "cuda:1"
PLANS = [Plan((Steer(0, torch.ones(4), positions=positions),)) for positions in POSITIONS]


@pytest.fixture
def fake() -> Any:
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        yield mode


@pytest.fixture
def batch(fake: Any) -> Batch:
    return Batch(
        (0, 1),
        torch.zeros(2, 6, dtype=torch.long, device=HOME),
        torch.ones(2, 6, dtype=torch.bool, device=HOME),
        torch.ones(2, dtype=torch.long, device=HOME),
        torch.ones(2, dtype=torch.long, device=HOME),
    )


def test_the_fake_refuses_what_gpus_refuse(fake: Any) -> None:
    with pytest.raises(RuntimeError, match="same device"):
        torch.where(torch.ones(2, device=HOME) > 0, torch.ones(2, device=FAR), torch.ones(2, device=FAR))


def test_hooks_of_plans_and_of_reading(batch: Batch) -> None:
    residual = torch.zeros(2, 6, 4, device=FAR)
    for plan in PLANS:
        ((_, hook),) = plan.hooks(batch)
        assert str(hook(residual, hook=None).device) == FAR
    assert str(_keep_endings(batch, 2)(residual, hook=None).device) == FAR
    for position in (-1, 0, "mean"):
        assert str(_picked(residual, batch, position).device) == FAR


def test_streams_of_replay(fake: Any) -> None:
    stream = Stream(torch.zeros(2, 6, 4, device=FAR), torch.zeros(1, 3, 4, device=FAR))
    tips = stream.at(torch.zeros(2, 3, dtype=torch.long, device=HOME))
    assert tuple(tips.nodes.shape) == (2, 3, 4)
    assert str(tips.nodes.device) == FAR


def test_arguments_of_blocks(fake: Any) -> None:
    """What Transformers made on one GPU is gathered at places that live on another."""
    long = {"dtype": torch.long, "device": HOME}
    places = Places(9, torch.zeros(2, 4, **long), torch.zeros(2, 7, **long), torch.zeros(2, 4, 7, device=HOME) > 0)
    blocks = Blocks.__new__(Blocks)
    for plain, shape in (
        (torch.zeros(1, 1, 9, 9, device=FAR), (4, 1, 4, 7)),
        (torch.zeros(1, 9, 8, device=FAR), (4, 4, 8)),
        (torch.zeros(3, 1, 9, device=FAR), (12, 1, 7)),
        (torch.zeros(1, 9, **long | {"device": FAR}), (4, 4)),
    ):
        found = blocks._argument(plain, places, None, 2)  # type: ignore[arg-type]
        assert tuple(found.shape) == shape
        assert str(found.device) == HOME


def test_the_unembedding_may_be_elsewhere_than_the_last_block(fake: Any) -> None:
    linear = torch.nn.Linear(4, 50, device=HOME)
    model: Any = SimpleNamespace(
        ln_final=torch.nn.Identity(),
        unembed=SimpleNamespace(original_component=linear),
        original_model=SimpleNamespace(config=SimpleNamespace(get_text_config=SimpleNamespace)),
    )
    unembedding = Unembedding(model)
    index = torch.zeros(3, dtype=torch.long, device=FAR)
    found = unembedding.log_likelihood(torch.zeros(5, 4, device=FAR), index, index)
    assert str(found.device) == HOME
    long = {"dtype": torch.long, "device": HOME}
    reads = Reads(*(torch.zeros(3, **long) for _ in range(4)), None, None)  # type: ignore[arg-type]
    answers = Answers(unembedding, 1, 1)
    answers.take((SimpleNamespace(reads=reads), [([0], torch.zeros(2, 3, 4, device=FAR))]))  # type: ignore[arg-type]
    assert str(answers._waiting[0][2].device) == FAR
