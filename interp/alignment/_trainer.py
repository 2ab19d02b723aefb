"""The trainer: AdamW on LoRA weights, the same result from the same seed, however often it was stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from interp.alignment._checkpoints import load_state, save_state
from interp.alignment._forwards import Adapted
from interp.alignment._objectives import Objective
from interp.alignment._schedules import rate_at
from interp.alignment._settings import Settings
from interp.alignment._stopping import wish_to_stop
from interp.errors import ModelError

Curve = list[dict[str, float]]
"""A row per step: step (from 1), loss, its parts, rate, gradient norm."""

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Trained:
    """The loss curve of all steps, and the time that the steps of this process took."""

    curve: Curve
    steps_here: int
    seconds: float


class Stopped(KeyboardInterrupt):
    """Training was asked to stop; `step` steps are done and saved."""

    def __init__(self, step: int) -> None:
        super().__init__(f"stopped after {step} steps")
        self.step = step


def train(
    model: Adapted, objective: Objective, settings: Settings, folder: Path, progress: Progress | None = None
) -> Trained:
    """Train the LoRA weights in place.

    The state is saved in `folder` every `save_every` steps and read from there at the start. progress: called with the
    loss in words and 1 after every step, and once with the number of steps that were done before. Raises ModelError
    where a loss or gradient is not finite (the last good step is saved then), and Stopped on Ctrl-C.
    """
    weights = model.trainable()
    optimiser = torch.optim.AdamW(weights.values(), lr=settings.lr, weight_decay=0.0)
    step, curve = load_state(folder, weights, optimiser)
    if progress and step:
        progress("", step)
    devices = sorted({weight.device.index or 0 for weight in weights.values() if weight.device.type == "cuda"})
    first = saved = step
    begun = time.perf_counter()
    model.model.train()
    with torch.random.fork_rng(devices=devices), wish_to_stop() as wish:
        while step < settings.steps and not wish.asked:
            torch.manual_seed(settings.seed * 1_000_003 + step)
            try:
                row = _step(model, objective, settings, optimiser, step)
            except NotFinite as error:
                save_state(folder, weights, optimiser, step, curve)
                raise ModelError(
                    f"{error} in step {step + 1}: that step was discarded, and {step} steps are saved",
                    allowed="finite losses",
                    remedy="lower --lr, use --dtype float32, or check these texts; then pass another --out",
                ) from error
            step += 1
            curve.append({"step": step, **row})
            if step % settings.save_every == 0 or step == settings.steps:
                save_state(folder, weights, optimiser, step, curve)
                saved = step
            if progress:
                progress(f"loss {row['loss']:.3f}", 1)
        if step < settings.steps:
            if saved < step:
                save_state(folder, weights, optimiser, step, curve)
            raise Stopped(step)
    model.model.eval()
    return Trained(curve, step - first, time.perf_counter() - begun)


class NotFinite(ArithmeticError):
    """A loss or a gradient is not a number, or infinite."""


def _step(
    model: Adapted, objective: Objective, settings: Settings, optimiser: torch.optim.AdamW, step: int
) -> dict[str, float]:
    """One optimiser step over all micro-batches; raises NotFinite before anything changes."""
    optimiser.zero_grad()
    total: dict[str, float] = {"loss": 0.0}
    keys: list[str] = []
    for part in range(settings.accumulation):
        losses = objective(model, step, part)
        keys += losses.keys
        for name, value in {"loss": losses.total.item(), **losses.parts}.items():
            total[name] = total.get(name, 0.0) + value / settings.accumulation
        if not math.isfinite(total["loss"]):
            raise NotFinite(f"the loss is {losses.total.item()} on the batch {', '.join(losses.keys)}")
        (losses.total / settings.accumulation).backward()
    norm = float(torch.nn.utils.clip_grad_norm_(model.trainable().values(), settings.clip))
    if not math.isfinite(norm):
        raise NotFinite(f"the gradient's norm is {norm} on the batch {', '.join(keys)}")
    share = rate_at(step, settings)
    for group in optimiser.param_groups:
        group["lr"] = settings.lr * share
    optimiser.step()
    return {**total, "rate": settings.lr * share, "gradient": norm}
