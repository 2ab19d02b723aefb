"""The trainer: deterministic, stops and goes on to the same result, refuses what is not finite."""

from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from interp.alignment import Settings, TrainingData, settings_for
from interp.alignment._checkpoints import MOMENTS, STATE, WEIGHTS, load_state, save_state
from interp.alignment._objectives import Losses, objective_for
from interp.alignment._schedules import rate_at
from interp.alignment._trainer import Stopped, train
from interp.errors import ModelError, OutputError

pytest.importorskip("peft")

SMALL = {"steps": 6, "batch": 4, "accumulation": 2, "save_every": 2, "lr": 5e-3}
Make = Callable[[], tuple[Any, Any]]


@pytest.fixture
def make(adapted_of: Callable[..., Any], small_data: TrainingData) -> Callable[..., tuple[Any, Any]]:
    """A fresh model of a method's settings, and its objective."""

    def fresh(settings: Settings) -> tuple[Any, Any]:
        adapted, encoder = adapted_of("llama", settings.method)
        return adapted, objective_for(settings, small_data, encoder)

    return fresh


def weights(adapted: Any) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in adapted.trainable().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("method", ["instruct", "midalign", "clo"])
def test_a_killed_run_goes_on_to_the_same_result(method: str, make: Any, tmp_path: Path) -> None:
    layer = {"layer": 0} if method == "midalign" else {}
    settings = settings_for(method, **(SMALL | layer))
    whole, objective = make(settings)
    begun = weights(whole)
    curve = train(whole, objective, settings, tmp_path / "whole").curve
    assert [row["step"] for row in curve] == [1, 2, 3, 4, 5, 6]
    assert not same(weights(whole), begun)

    class Killed(Exception):
        pass

    calls = []

    def kill(text: str, amount: float) -> None:
        calls.append(text)
        if len(calls) == 5:
            raise Killed

    cut, objective = make(settings)
    with pytest.raises(Killed):
        train(cut, objective, settings, tmp_path / "cut", kill)
    again, objective = make(settings)
    seen: list[float] = []
    resumed = train(again, objective, settings, tmp_path / "cut", lambda text, amount: seen.append(amount))
    assert seen == [4, 1, 1]  # step 5 was done but not saved
    assert same(weights(again), weights(whole))
    assert (resumed.curve, resumed.steps_here) == (curve, 2)


def test_seeds(make: Any, tmp_path: Path) -> None:
    found = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        settings = settings_for("instruct", **(SMALL | {"seed": seed, "steps": 2}))
        adapted, objective = make(settings)
        train(adapted, objective, settings, tmp_path / name)
        found.append(weights(adapted))
    assert same(found[0], found[1])
    assert not same(found[0], found[2])


def test_training_leaves_the_random_state_alone(make: Any, tmp_path: Path) -> None:
    settings = settings_for("instruct", **(SMALL | {"steps": 1}))
    adapted, objective = make(settings)
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)
    train(adapted, objective, settings, tmp_path)
    assert torch.equal(torch.rand(3), expected)


def test_the_loss_goes_down(make: Any, tmp_path: Path) -> None:
    settings = settings_for("instruct", steps=30, batch=8, accumulation=1, lr=2e-2, dropout=0.0)
    adapted, objective = make(settings)
    curve = train(adapted, objective, settings, tmp_path).curve
    assert sum(row["loss"] for row in curve[-5:]) < 0.8 * sum(row["loss"] for row in curve[:5])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_wish_to_stop_saves_and_goes_on(number: int, make: Any, tmp_path: Path) -> None:
    settings = settings_for("instruct", **(SMALL | {"save_every": 100}))
    adapted, objective = make(settings)
    before = signal.getsignal(number)

    def stop(text: str, amount: float) -> None:
        os.kill(os.getpid(), number)

    with pytest.raises(Stopped, match="stopped after 1 steps"):
        train(adapted, objective, settings, tmp_path, stop)
    assert signal.getsignal(number) == before
    (state,) = tmp_path.iterdir()
    assert json.loads((state / STATE).read_text())["step"] == 1
    again, objective = make(settings)
    assert len(train(again, objective, settings, tmp_path).curve) == 6


class Breaking:
    """An objective whose loss breaks at a step, or whose gradient does."""

    def __init__(self, inner: Any, step: int, gradient: bool) -> None:
        self.inner, self.step, self.gradient = inner, step, gradient

    def __call__(self, model: Any, step: int, part: int) -> Losses:
        found = self.inner(model, step, part)
        if step != self.step or part != 1:
            return found
        first = next(iter(model.trainable().values()))
        broken = (first.sum() * 0).sqrt() if self.gradient else first.sum() * math.nan
        return Losses(found.total + broken, found.parts, found.keys)


@pytest.mark.parametrize(("gradient", "said"), [(False, "the loss is nan"), (True, "the gradient's norm is nan")])
def test_what_is_not_finite_stops(gradient: bool, said: str, make: Any, tmp_path: Path) -> None:
    settings = settings_for("instruct", **(SMALL | {"save_every": 100}))
    adapted, objective = make(settings)
    good, other = make(settings)
    train(good, other, settings_for("instruct", **(SMALL | {"steps": 3, "warmup": 0.06})), tmp_path / "good")
    with pytest.raises(ModelError, match=rf"{said} on the batch .*atlas/.* in step 4: .*3 steps are saved") as caught:
        train(adapted, Breaking(objective, 3, gradient), settings, tmp_path / "bad")
    assert "\n" not in str(caught.value)
    assert same(weights(adapted), weights(good))
    (state,) = (tmp_path / "bad").iterdir()
    assert state.name == "step-0000003"
    restored, _ = make(settings)
    optimiser = torch.optim.AdamW(restored.trainable().values())
    step, curve = load_state(tmp_path / "bad", restored.trainable(), optimiser)
    assert (step, len(curve)) == (3, 3)
    assert same(weights(restored), weights(adapted))


def test_states_hold_no_pickle_and_one_is_kept(make: Any, tmp_path: Path) -> None:
    settings = settings_for("instruct", **SMALL)
    adapted, objective = make(settings)
    (tmp_path / ".step-0000009.partial").mkdir()  # of a write that was killed
    train(adapted, objective, settings, tmp_path)
    (state,) = tmp_path.iterdir()
    assert state.name == "step-0000006"
    assert {path.name for path in state.iterdir()} == {WEIGHTS, MOMENTS, STATE}


@pytest.mark.parametrize("name", [WEIGHTS, MOMENTS, STATE])
def test_a_state_that_is_broken(name: str, make: Any, tmp_path: Path) -> None:
    adapted, _ = make(settings_for("instruct"))
    optimiser = torch.optim.AdamW(adapted.trainable().values())
    save_state(tmp_path, adapted.trainable(), optimiser, 1, [])
    (tmp_path / "step-0000001" / name).write_text("x")
    with pytest.raises(OutputError, match=r"step-0000001 can't be read.*delete it to start again"):
        load_state(tmp_path, adapted.trainable(), optimiser)


@pytest.mark.parametrize("schedule", ["inverse_sqrt", "linear", "constant"])
def test_rates_are_transformers_own(schedule: str) -> None:
    """Their step t + 1 is our step t, so that no step is lost on a rate of 0."""
    from transformers import optimization

    settings = settings_for("midalign", steps=100, schedule=schedule)
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = {
        "inverse_sqrt": lambda: optimization.get_inverse_sqrt_schedule(optimiser, 3),
        "linear": lambda: optimization.get_linear_schedule_with_warmup(optimiser, 3, 101),
        "constant": lambda: optimization.get_constant_schedule_with_warmup(optimiser, 3),
    }[schedule]()
    for step in range(100):
        optimiser.step()
        theirs.step()
        assert rate_at(step, settings) == pytest.approx(theirs.get_last_lr()[0]), step
    assert rate_at(2, settings) == 1.0


def test_no_warm_up() -> None:
    settings = settings_for("midalign", steps=100, warmup=0)
    assert rate_at(0, settings) == 1.0
    assert rate_at(3, settings) == pytest.approx(0.5)
