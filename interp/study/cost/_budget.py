"""The largest design that ends within a budget, by what is measured here; a run that is begun keeps its own."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from interp.errors import ConfigError, Notice
from interp.files import differences
from interp.model import LoadedModel
from interp.model.load import ORGANISM, Outline, has_configuration, outline, outline_of, place
from interp.study.ask import Inputs, Study
from interp.study.config import RunConfig
from interp.study.cost._estimate import Estimate, estimate, measured, planned
from interp.study.folder import IDENTITY, MANIFEST, manifest_settings, partial_folder
from interp.study.search import AXES, DEFAULT, DESIGNS, POWER, Name, SplitTasks, read_seconds

BUDGET = "10m"
"""Where none is asked for."""


@dataclass(frozen=True)
class Offer:
    """A design, and its estimated cost on this machine."""

    study: Study
    cost: Estimate

    @property
    def name(self) -> str:
        """The design's."""
        return self.study.design.name


def offers(config: RunConfig, inputs: Inputs, model: Outline, spot: tuple[str, str]) -> Iterator[Offer]:
    """Every design with its estimate, the smallest first. Rates are measured once. spot: device and dtype."""
    first = planned(replace(config, design=DEFAULT, budget=""), inputs, model, *spot)  # type: ignore[arg-type]
    first = replace(first, rendered={})
    rates, tokens = measured(first, model, *spot), None if model.tokenizer is None else first.tokens
    for name in DESIGNS:
        study = replace(first, config=replace(first.config, design=name))  # type: ignore[arg-type]
        yield Offer(study, estimate(study, model, *spot, rates=rates, tokens=tokens))


def settle(
    config: RunConfig,
    inputs: Inputs,
    loaded: LoadedModel | None = None,
    *,
    overwrite: bool = False,
    offered: Sequence[Offer] = (),
) -> RunConfig:
    """Replace the design `auto`, or a budget, by a named design.

    A finished or partial run whose settings differ in the design alone keeps its design. The embedded model always gets
    DEFAULT, so that its numbers are the same everywhere. A notice says what was picked. Raises ConfigError if the
    budget is too small for the smallest design. offered: what `offers` gave for these settings.
    """
    if config.design != "auto":
        return config
    if not overwrite and (known := _begun(config)):
        return replace(config, design=known, budget="")
    if config.model == ORGANISM and not config.budget:
        return replace(config, design=DEFAULT)  # type: ignore[arg-type]
    if loaded is not None and not has_configuration(loaded) and not config.budget:
        text = f"design {DEFAULT}, because the time for this model can't be estimated (--design picks another)"
        warnings.warn(text, Notice, stacklevel=2)
        return replace(config, design=DEFAULT)  # type: ignore[arg-type]
    asked = config.budget or BUDGET
    choices = offered or list(offers(config, inputs, *_outlined(config, loaded)))
    fitting = [offer for offer in choices if offer.cost.middle <= read_seconds(asked)]
    if not fitting and config.budget:
        needed = _minutes(choices[0].cost.middle)
        raise ConfigError(
            f"budget {config.budget} is too small: the smallest design takes about {needed} on this machine",
            allowed=f"{needed} or more",
            remedy="pass a larger --budget or fewer --languages, or set --layers, --strengths and --draws",
        )
    picked = fitting[-1] if fitting else choices[0]
    message = f"design {picked.name}: about {_minutes(picked.cost.middle)} on this machine"
    if not fitting:
        message += f", more than {asked}, but no design is smaller"
    elif picked.name != choices[-1].name:
        larger = choices[len(fitting)]
        message += f"; {larger.name} would take {_minutes(larger.cost.middle)} (--design, --budget)"
    warnings.warn(message, Notice, stacklevel=2)
    return replace(config, design=picked.name, budget="")  # type: ignore[arg-type]


SHIFTED = 0.1
"""Share of choices that a plan changes, where no dev prompt was scored yet: what `smallest_seen` supposes."""


def smallest_seen(study: Study) -> dict[str, float]:
    """Axis -> the smallest change over all languages that its test prompts find with 80% power, before anything is run.

    SHIFTED of the choices are supposed to change, either way, independently between clusters: the standard error is
    sqrt(SHIFTED / clusters). `interp.study.search.smallest_effects` measures it on dev. Our definition.
    """
    test, effects = SplitTasks(study, "test"), {}
    for axis in AXES:
        clusters = {task.cluster for code in study.languages for task in test.made(axis, code)}
        effects[str(axis)] = POWER * (SHIFTED / max(1, len(clusters))) ** 0.5
    return effects


def _outlined(config: RunConfig, loaded: LoadedModel | None) -> tuple[Outline, tuple[str, str]]:
    if loaded is not None:
        return outline_of(loaded), (config.device, config.dtype)
    spot = place(config.device, config.dtype, config.n_devices, None, config.quantization or None)
    quantization, revision = config.quantization or None, config.revision or None
    return outline(config.model, spot.dtype, quantization=quantization, revision=revision), (spot.device, spot.dtype)


def _begun(config: RunConfig) -> Name | None:
    """The design of the finished or partial run in the folder, where all its other settings are these."""
    for path in (config.folder / MANIFEST, partial_folder(config.folder) / IDENTITY):
        try:
            saved: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["config"]
            design: Name = saved["design"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        expected = (line.startswith(("design:", "budget:")) for line in differences(saved, manifest_settings(config)))
        if design in DESIGNS and all(expected):
            return design
    return None


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
