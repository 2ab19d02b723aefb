"""The methods of a run, by name: steering, alignment training, checkpoints from elsewhere, and steering on top."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from interp.alignment import METHODS as TRAINED
from interp.alignment import Settings, settings_for
from interp.errors import ConfigError, nearest
from interp.names import BASE, CONTROLS, STEERED

STEERING = ("en", "loc", "surgical")
KEEP = "_keep"
"""Ends the name of a layer-targeted variant: the same training, with a penalty that keeps LOC projections."""

ALL = (BASE, *STEERING, *TRAINED, f"midalign{KEEP}")
DEFAULT = (BASE, *STEERING)
FILES = ("english", "sentences", "layers", "generated")
"""Tables in a run's folder `scores` that are no method's."""

TAKEN = (*STEERED, *CONTROLS, *FILES)
"""Names of a run's own rows and tables: a checkpoint can't have them."""

ALLOWED = f"{', '.join(ALL)}, another method with {KEEP}, name=checkpoint, or all"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_SETTINGS = tuple(f.name for f in fields(Settings) if f.name not in ("method", "seed", "save_every", "targets"))


@dataclass(frozen=True)
class TrainedMethod:
    """A trained model's row on the plane: `method` is how it is trained, `place` a checkpoint that is there already."""

    name: str
    method: str = ""
    keep: bool = False
    place: str = ""

    @property
    def checkpoint(self) -> str:
        """What `load_model` takes for `place`: of a training run's folder, the merged checkpoint in it."""
        merged = Path(self.place).expanduser() / "merged"
        return str(merged) if merged.is_dir() else self.place


@dataclass(frozen=True)
class Methods:
    """What is compared with the base model: steering methods, and trained models, each also steered."""

    steering: tuple[str, ...]
    trained: tuple[TrainedMethod, ...]


def parse_methods(names: Sequence[str]) -> Methods:
    """Methods by name, in the order of `ALL`, then checkpoints; `surgical` brings `en` and `loc`, which it is made of.

    Raises ConfigError for an unknown name, a name twice, and none but `base`.
    """
    asked = [name for given in names for name in (ALL if given == "all" else (given,))]
    if len(set(asked)) < len(asked):
        raise ConfigError(f"methods {','.join(names)!r} list a method twice", allowed=ALLOWED)
    trained: dict[str, TrainedMethod] = {}
    for name in asked:
        if name not in (BASE, *STEERING):
            found = _trained(name)
            if found.name in trained:
                raise ConfigError(f"methods {','.join(names)!r} list {found.name!r} twice", allowed=ALLOWED)
            trained[found.name] = found
    steering = tuple(name for name in STEERING if name in asked or "surgical" in asked)
    if not steering and not trained:
        raise ConfigError(f"methods {','.join(names)!r} leave nothing to compare with base", allowed=ALLOWED)
    order = {name: number for number, name in enumerate(ALL)}
    return Methods(steering, tuple(sorted(trained.values(), key=lambda one: order.get(one.name, len(order)))))


def _trained(name: str) -> TrainedMethod:
    label, given, place = name.partition("=")
    if given:
        if not _NAME.fullmatch(label) or label in (*ALL, *TAKEN) or not place:
            raise ConfigError(
                f"method {name!r} is not allowed",
                allowed="name=checkpoint, with a new name of letters, digits, - _ and .",
                remedy=f"choose another name: a run's own rows are called {', '.join(TAKEN)}" if label in TAKEN else "",
            )
        return TrainedMethod(label, place=place)
    method = name.removesuffix(KEEP)
    if method not in TRAINED:
        raise ConfigError(
            f"method {name!r} is unknown", allowed=ALLOWED, remedy=nearest(name, ALL, "pass one of these")
        )
    return TrainedMethod(name, method, keep=name.endswith(KEEP))


def on_top(trained: str, steering: str) -> str:
    """The row of a steering method on top of a trained model; the trained model itself for `base`."""
    return trained if steering == BASE else f"{trained}+{steering}"


def member(name: str, seed: int, seeds: Sequence[int]) -> str:
    """The row of a method trained from a seed: the method's own where there is one seed."""
    return name if len(seeds) == 1 else f"{name}@{seed}"


def of_seed(row: str) -> bool:
    """Whether a row is that of one training seed among several."""
    return "@" in row


def training_settings(given: Sequence[str], method: str, seed: int) -> Settings:
    """Settings of a training method from texts such as `steps=100` (all methods) and `clo.mix=0.7` (one of them).

    Raises ConfigError for a text of another form, an unknown method or setting, and a value that isn't allowed.
    """
    values: dict[str, Any] = {}
    for text in given:
        key, equals, value = (part.strip() for part in text.partition("="))
        owner, dot, setting = key.rpartition(".")
        if not (equals and value) or (dot and owner not in TRAINED) or setting not in _SETTINGS:
            known = setting in _SETTINGS and not dot
            remedy = f"say {key}=value" if known else nearest(setting, _SETTINGS, "pass one of these")
            raise ConfigError(
                f"training {text!r} is not allowed",
                allowed=f"setting=value or method.setting=value; settings: {', '.join(_SETTINGS)}", remedy=remedy,
            )  # fmt: skip
        if owner in ("", method):
            values[setting] = _read(setting, value)
    return replace(settings_for(method, **values), seed=seed)


def _read(setting: str, text: str) -> Any:
    """A value of the setting's kind; numbers of a list are parted by `/`, as commas part settings."""
    kind = get_type_hints(Settings)[setting]
    try:
        if setting == "keep_layers":
            return tuple(int(part) for part in text.split("/"))
        if kind in (int, int | None):
            return int(text)
        return float(text) if kind is float else text
    except ValueError:
        raise ConfigError(f"training {setting}={text} is not allowed", allowed="a number") from None
