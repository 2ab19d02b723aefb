"""What steers, on the command line: `--plan FILE`, or `--vectors FILE --layer N`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from interp.errors import ConfigError, DataError
from interp.settings import check_choice, setting
from interp.steering import is_share, read_strength, size

if TYPE_CHECKING:
    from interp.model import LoadedModel
    from interp.model.read import Template
    from interp.steering import Plan, Positions, SavedPlans, SteeringVectors, Strength

    Source: TypeAlias = "SavedPlans | AppliedVectors | None"

SURGICAL = "surgical"


@dataclass(frozen=True)
class SteeringOptions:
    """What steers, as it is given on the command line."""

    plan: Path | None = setting(None, "A plan.json, or the folder of a run.")
    vectors: Path | None = setting(
        None, "File of steering vectors, instead of a plan: safetensors, or a GGUF control vector."
    )
    layer: int | None = setting(None, "With --vectors: the block, counted from 0, after which the vector is added.")
    strength: str | None = setting(
        None,
        "With --plan: multiplies the plan's strengths. With --vectors: multiplies the vector, or sets its norm to a "
        "share of the layer's median residual norm, such as 0.1r. Default: 1.",
    )
    operator: str | None = setting(
        None, "With --vectors: the operator: add (default), add_keep_norm, project_out, set_projection or rotate."
    )
    positions: str | None = setting(
        None,
        "With --vectors: the tokens that are steered: text (default: all but the special tokens in front), last (the "
        "last prompt token and all later ones) or all (BOS too).",
    )


@dataclass(frozen=True)
class ReadingOptions:
    """Which model reads, and how, as it is given to `interp generate` and `interp chat`."""

    language: str | None = setting(None, "Language of the questions, and of the plan that is applied.")
    method: str | None = setting(None, f"With --plan: the method to apply. Default: {SURGICAL}.")
    model: str | None = setting(None, "As in `interp run`. Default: the plan's, else organism.")
    adapter: str | None = setting(
        None, "LoRA adapter to merge into the model: a folder, or a Hub id (also id@revision)."
    )
    revision: str | None = setting(None, "Branch, tag or commit of the model on the Hub.")
    device: str = setting("auto", "Device: auto, cpu, cuda or mps.")
    dtype: str = setting("auto", "Number format of the weights: auto, float32, bfloat16 or float16.")
    template: str | None = setting(None, "As in `interp run`. Default: the plan's, else auto.")

    def load(self, source: Source) -> LoadedModel:
        """The model that is named, else the saved plans', else the organism."""
        from interp.model.load import ORGANISM, load_model
        from interp.steering import naming_model, notice_other_model

        saved = _saved(source)
        name = self.model or (saved.model.name if saved else ORGANISM)
        with naming_model(saved, name):
            loaded = load_model(
                name, adapter=self.adapter, revision=self.revision, device=self.device, dtype=self.dtype
            )
        if saved:
            notice_other_model(saved, loaded)
        return loaded

    def find_template(self, source: Source, loaded: LoadedModel) -> Template:
        """The chat template that is named, else the saved plans', else the model's own."""
        from interp.model.read import AUTO, find_template
        from interp.steering import notice_other_template, template_choice

        saved = _saved(source)
        choice = self.template or (template_choice(saved) if saved else AUTO)
        template = find_template(loaded.model.tokenizer, choice)
        if saved:
            notice_other_template(saved, template)
        return template


@dataclass(frozen=True)
class AppliedVectors:
    """Vectors without a plan, and how they are applied."""

    vectors: SteeringVectors
    layer: int
    strength: Strength
    operator: str
    positions: Positions


def check_reading(reading: ReadingOptions, raw: bool, planned: bool) -> None:
    """Raise, before anything is loaded, for what no model could meet: options of asking a model and of finding it."""
    from interp.model.load import find_model, resolve_device
    from interp.model.read import check_template

    if reading.language is not None and not planned:
        from interp.data import language as known_language

        known_language(reading.language)
    if raw and reading.template is not None:
        raise ConfigError("--template makes no sense with --raw", remedy="leave one of them out")
    check_template(reading.template or "auto")
    if reading.model is not None:
        find_model(reading.model, reading.dtype)
    if reading.device != "auto":
        resolve_device(reading.device)


def read_steering(given: SteeringOptions, for_plans: Mapping[str, Any]) -> Source:
    """What steers; None if nothing steers. for_plans: options that only a plan.json can meet, by flag.

    Raises ConfigError for options that don't go together and values that are not allowed, DataError for files that
    can't be read and a layer that there is no vector for.
    """
    plan, vectors, layer, strength = given.plan, given.vectors, given.layer, given.strength
    alpha = 1.0 if strength is None else read_strength(strength)
    for_vectors = {"--layer": layer, "--operator": given.operator, "--positions": given.positions}
    if plan is not None and vectors is not None:
        raise ConfigError("--plan and --vectors don't go together", allowed="one of them")
    if vectors is None:
        _refuse(for_vectors, "--vectors")
    if plan is not None:
        from interp.steering import load_plans

        _factor(alpha)
        return load_plans(plan)
    _refuse(for_plans, "--plan")
    if vectors is None:
        _refuse({"--strength": strength}, "--plan or --vectors")
        return None
    if layer is None:
        raise ConfigError("--vectors needs a layer", remedy="say after which block they are added: --layer N, from 0")
    from interp.steering import OPERATORS, POSITIONS, TEXT, read_vectors

    operator = check_choice("operator", given.operator or "add", OPERATORS)
    positions = check_choice("positions", given.positions or TEXT, POSITIONS)
    read = read_vectors(vectors, layer=layer)
    if layer not in read.layers:
        raise DataError(
            f"{vectors} has no vector for layer {layer}", allowed=f"--layer {', '.join(map(str, read.layers))}"
        )
    return AppliedVectors(read, layer, alpha, operator, positions)  # type: ignore[arg-type]


def plan_of(source: Source, language: str | None, method: str | None, strength: Strength | None) -> Plan | None:
    """The plan of what steers, at `strength` where it is given; None if nothing steers.

    Raises ConfigError for saved plans without a language, DataError for a method or language that they don't have.
    """
    if source is None:
        return None
    if isinstance(source, AppliedVectors):
        alpha = source.strength if strength is None else read_strength(strength)
        return source.vectors.plan(source.layer, alpha, operator=source.operator, positions=source.positions)
    if language is None:
        raise ConfigError("a plan needs a language", allowed=", ".join(source.languages(method or SURGICAL)))
    return source.plan(language, method or SURGICAL).scaled(1.0 if strength is None else _factor(strength))


def _factor(strength: Strength) -> float:
    """What a plan's strengths are multiplied by; raises ConfigError for a share of the residual norm."""
    strength = read_strength(strength)
    if is_share(strength):
        raise ConfigError(
            f"strength {strength!r} makes no sense with --plan", allowed="numbers: they multiply the plan's strengths"
        )
    return size(strength)


def _saved(source: Source) -> SavedPlans | None:
    """The plans that were read; None if vectors alone steer, or nothing does."""
    return None if isinstance(source, AppliedVectors) else source


def _refuse(options: Mapping[str, Any], owner: str) -> None:
    """Raise ConfigError for options, by flag, that are given though they mean something only with their owner."""
    for flag, value in options.items():
        if value is not None:
            raise ConfigError(f"{flag} {value} makes no sense without {owner}", remedy=f"pass {owner}, or leave it out")
