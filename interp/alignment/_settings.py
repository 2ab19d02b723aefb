"""Settings of alignment training: the published ones are defaults, each that is not published is stated here."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from importlib.util import find_spec
from typing import Any, Literal, get_args

from interp.errors import ConfigError, ModelError
from interp.settings import Checked, check_choice, setting

Method = Literal["instruct", "midalign", "clo"]
METHODS: tuple[Method, ...] = get_args(Method)
Schedule = Literal["inverse_sqrt", "linear", "constant"]
Role = Literal["q", "k", "v", "o", "gate", "up", "down"]
ROLES: tuple[Role, ...] = get_args(Role)
ATTENTION: tuple[Role, ...] = ("q", "k", "v", "o")


@dataclass(frozen=True)
class Settings(Checked):
    """Settings of a training run, except model and data. Raises ConfigError for values that aren't allowed.

    Published for `midalign` (Liu and Niehues 2025, and its code): batch x accumulation (32 x 4), lr, schedule, warmup,
    rank, alpha, dropout, targets, temperature, layer. Published for `clo` (arXiv 2505.14297): its loss and targets.
    Ours: steps, clip, the penalty, and for `clo` batch, lr, mix, beta. `instruct` takes midalign's settings.
    """

    method: Method
    seed: int = setting(0, "Random seed of the LoRA weights, batches and dropout. Default: 0.", least=0, most=2**32 - 1)
    steps: int = setting(200, "Optimiser steps. Default: 200.", least=1)
    batch: int = setting(
        32, "Texts per batch (midalign: pairs; clo: preferences in both directions). Default: 32; clo: 8.", least=1
    )
    accumulation: int = setting(4, "Batches per optimiser step. Default: 4.", least=1)
    lr: float = setting(5e-4, "Highest learning rate. Default: 5e-4.")
    schedule: Schedule = setting(
        "inverse_sqrt", "Learning rate after the warm-up: inverse_sqrt (default), linear or constant."
    )
    warmup: float = setting(0.03, "Share of the steps spent on the warm-up. Default: 0.03.")
    clip: float = setting(1.0, "Largest gradient norm. Default: 1.")
    rank: int = setting(8, "LoRA's rank. Default: 8.", least=1)
    alpha: int = setting(16, "LoRA's alpha. Default: 16.", least=1)
    dropout: float = setting(0.1, "LoRA's dropout. Default: 0.1.")
    targets: tuple[Role, ...] = setting(
        (), "Projections that get LoRA weights: some of q,k,v,o,gate,up,down. Default: all; clo: q,k,v,o."
    )
    layer: int | None = setting(
        None, "midalign: the block, counted from 0, after which texts are aligned. Default: L/2 - 1."
    )
    temperature: float = setting(0.1, "midalign: temperature of InfoNCE. Default: 0.1.")
    mix: float = setting(0.5, "clo: weight of the SFT loss; DPO gets the rest. Default: 0.5.")
    beta: float = setting(0.1, "clo: beta of DPO. Default: 0.1.")
    keep_weight: float = setting(1.0, "Weight of the penalty on --keep-loc vectors. Default: 1.")
    keep_layers: tuple[int, ...] = setting(
        (), "Blocks where that penalty applies, such as 5,6. Default: the last third without the last block."
    )
    save_every: int = setting(50, "Steps between checkpoints. Default: 50.", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        for role in self.targets:
            check_choice("target", role, ROLES)
        for name in ("lr", "clip", "temperature", "beta"):
            _within(name, getattr(self, name), lambda x: 0 < x < float("inf"), "numbers above 0")
        _within("warmup", self.warmup, lambda x: 0 <= x <= 1, "0 to 1")
        _within("dropout", self.dropout, lambda x: 0 <= x < 1, "0 to below 1")
        _within("mix", self.mix, lambda x: 0 <= x <= 1, "0 to 1")
        _within("keep_weight", self.keep_weight, lambda x: 0 <= x < float("inf"), "numbers from 0")
        if self.method == "midalign" and self.batch < 2:
            raise ConfigError(f"with batch {self.batch}, midalign has no negatives", allowed="whole numbers from 2")

    @property
    def published_targets(self) -> tuple[Role, ...]:
        """The projections that the method's authors trained."""
        return ATTENTION if self.method == "clo" else ROLES


def check_installed() -> None:
    """Raise ModelError where PEFT is not installed."""
    if find_spec("peft") is None:
        raise ModelError("alignment training needs the package peft", remedy="pip install 'translocal[align]'")


def settings_for(method: str, **given: Any) -> Settings:
    """The settings of a method. Values in `given` that are not None replace the defaults.

    Raises ConfigError for an unknown method or setting, and for a value that isn't allowed.
    """
    check_choice("method", method, METHODS)
    known = {field.name for field in fields(Settings)} - {"method"}
    for name in given:
        check_choice("setting", name, sorted(known))
    base = Settings(method, batch=8) if method == "clo" else Settings(method)  # type: ignore[arg-type]
    return replace(base, **{name: value for name, value in given.items() if value is not None})


def _within(name: str, value: float, good: Any, allowed: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not good(value):
        raise ConfigError(f"{name} {value!r} is not allowed", allowed=allowed)
