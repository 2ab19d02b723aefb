"""What a run is made of, validated before anything heavy starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from interp.data import NORMALISATIONS
from interp.errors import ConfigError, nearest
from interp.files import folder_name
from interp.model.read import parse_memory
from interp.steering import POSITIONS, Goal, Kind, read_strength, size
from interp.study.methods import DEFAULT, Methods, parse_methods, training_settings
from interp.study.search import DESIGNS, Name, read_layers, read_seconds


@dataclass(frozen=True)
class RunConfig:
    """Settings of `interp run`; every field is a key of `--config` and most are flags.

    adapter, revision, quantization, n_devices: as `load_model` takes them; empty leaves them out.
    universal, cultural: a dataset's name or a file of your own. parallel: sentences that state no fact, for the
    non-factual control (fit) and for damage (test). data_dir: a folder with published files, in place of the Hub.
    cultures: `es=MX` scores Spanish for Mexico. template: `auto` (the chat model's own), `none`, or a Jinja file.
    shots: worked examples in front of every prompt. normalisation: what choices go by
    (`interp.data.NORMALISATIONS`).
    methods: what is compared with the base model (see `interp.study.methods`). Those that are trained go into
    trained_dir (default: `trained` beside the run's folder), one model per training seed, and are taken from there when
    they are there already. training: settings such as `steps=100` or `clo.mix=0.7`. training_data: as `interp align
    --data`; by default the universal dataset.
    engine `reference` scores plan by plan, slowly and obviously right. memory bounds the activations of a pass; a
    batch_size (prompts per pass) overrides it. positions: where vectors are added (`interp.steering.Steer`).
    design: how much a run looks at (`interp.study.search.design`); `auto` is the largest that ends within `budget`
    (such as `30m`; ten minutes by default). layers (such as `2-12`), strengths, draws, attribution_items and
    damage_sentences stand in place of the design's own. strengths are multiples of the fitted vectors, or shares of the
    layer's median residual norm, such as `0.1r` (`interp.steering.strengths`). draws: of each random and label-shuffled
    control. attribution_items is how many test items per language attribution looks at; 0 leaves it out.
    damage_sentences is how many of the parallel test sentences' likelihood is taken under every method; 0 leaves it
    out. goal, max_erasure, max_loss: the rule by which a pair of vectors is chosen (`interp.steering.Goal`).
    generate: cultural questions are also answered freely, in at most max_new_tokens.
    """

    model: str = "organism"
    adapter: str = ""
    revision: str = ""
    quantization: Literal["", "4bit", "8bit"] = ""
    n_devices: int | None = None
    universal: str = "atlas"
    cultural: str = "atlas"
    parallel: str = "atlas"
    data_dir: str = ""
    languages: tuple[str, ...] = ()
    cultures: tuple[str, ...] = ()
    limit: int | None = None
    methods: tuple[str, ...] = DEFAULT
    training: tuple[str, ...] = ()
    training_seeds: tuple[int, ...] = (0,)
    training_data: tuple[str, ...] = ()
    trained_dir: str = ""
    out: str = ""
    seed: int = 0
    device: str = "auto"
    dtype: str = "auto"
    engine: Literal["replay", "reference"] = "replay"
    memory: str = "auto"
    batch_size: int | None = None
    template: str = "auto"
    shots: int = 0
    normalisation: str = "bytes"
    positions: Literal["text", "last", "all"] = "last"
    design: Name = "auto"
    budget: str = ""
    layers: str = ""
    strengths: tuple[float | str, ...] = ()
    draws: int | None = None
    goal: Kind = "balanced"
    max_erasure: float = 0.01
    max_loss: float = 0.01
    attribution_items: int | None = None
    damage_sentences: int | None = None
    generate: bool = False
    max_new_tokens: int = 16
    bootstrap_draws: int = 2000

    def __post_init__(self) -> None:
        _check(self)

    @property
    def model_name(self) -> str:
        """The model in names of folders: without what is in front of it, with its adapter."""
        adapter = f"+{folder_name(self.adapter.partition('@')[0])}" if self.adapter else ""
        return folder_name(self.model) + adapter

    @property
    def data_name(self) -> str:
        """The datasets in names of folders."""
        return "-".join(Path(folder_name(name)).stem for name in (self.universal, self.cultural))

    @property
    def name(self) -> str:
        """Name of the default output folder."""
        return f"{self.model_name}-{self.data_name}"

    @property
    def own_cultures(self) -> dict[str, str]:
        """Language -> culture, of `cultures`."""
        return parse_cultures(self.cultures)

    @property
    def folder(self) -> Path:
        """The output folder."""
        return Path(self.out) if self.out else Path("runs") / self.name

    @property
    def compared(self) -> Methods:
        """What `methods` name."""
        return parse_methods(self.methods)

    @property
    def rule(self) -> Goal:
        """The goal with its bounds."""
        return Goal(self.goal, self.max_erasure, self.max_loss)

    @property
    def trained_folder(self) -> Path:
        """Where trained models are kept."""
        return Path(self.trained_dir).expanduser() if self.trained_dir else self.folder.parent / "trained"

    def described(self) -> dict[str, Any]:
        """The settings as plain values, without the folders that are written."""
        return {key: value for key, value in asdict(self).items() if key not in ("out", "trained_dir")}


_TUPLES = {
    "languages": str, "cultures": str, "methods": str, "training": str, "training_seeds": int, "training_data": str,
}  # fmt: skip
_CHOICES = {
    "design": ("auto", *DESIGNS),
    "normalisation": NORMALISATIONS,
    "positions": POSITIONS,
    "engine": ("replay", "reference"),
    "quantization": ("", "4bit", "8bit"),
}
_OPTIONAL = ("limit", "batch_size", "n_devices", "draws", "attribution_items", "damage_sentences")
LEAST_LIMIT = 20
_AT_LEAST = {
    "limit": LEAST_LIMIT,
    "batch_size": 1,
    "n_devices": 1,
    "draws": 1,
    "bootstrap_draws": 200,
    "seed": 0,
    "shots": 0,
    "attribution_items": 0,
    "damage_sentences": 0,
    "max_new_tokens": 1,
}


def _check(config: RunConfig) -> None:
    for key, allowed in _CHOICES.items():
        if getattr(config, key) not in allowed:
            raise ConfigError(f"{key} {getattr(config, key)!r} is unknown", allowed=", ".join(filter(None, allowed)))
    for key, least in _AT_LEAST.items():
        value = getattr(config, key)
        if value is None and key in _OPTIONAL:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ConfigError(f"{key} {value!r} is not allowed", allowed=f"whole numbers from {least}")
    parse_memory(config.memory)
    parse_cultures(config.cultures)
    _check_trained(config)
    if not all(size(read_strength(value)) for value in config.strengths):
        raise ConfigError(
            f"strengths {config.strengths!r} are not allowed",
            allowed="numbers other than 0, or shares of the residual norm, such as 0.1r",
        )
    if config.layers:
        read_layers(config.layers)
    if config.budget:
        read_seconds(config.budget)
        if config.design != "auto":
            raise ConfigError(
                f"design {config.design!r} and budget {config.budget!r} do not go together",
                allowed="a design, or a budget that picks one",
                remedy="leave one of them out",
            )
    _ = config.rule


def _check_trained(config: RunConfig) -> None:
    seeds = config.training_seeds
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise ConfigError(f"training_seeds {seeds!r} are not allowed", allowed="different whole numbers from 0")
    to_train = [one for one in parse_methods(config.methods).trained if one.method]
    for method in [one.method for one in to_train] or ["midalign"]:
        training_settings(config.training, method, seeds[0])
    for setting in ("adapter", "quantization"):
        if to_train and getattr(config, setting):
            raise ConfigError(
                f"{to_train[0].name} can't be trained on a model with {setting} {getattr(config, setting)!r}",
                allowed="the model itself, or checkpoints: --methods name=checkpoint",
                remedy=f"leave {setting} out",
            )


def parse_cultures(pairs: Sequence[str]) -> dict[str, str]:
    """Language -> culture, of texts such as es=MX; raises ConfigError for another text, or a language named twice."""
    found: dict[str, str] = {}
    for pair in pairs:
        code, _, culture = (part.strip() for part in pair.partition("="))
        if not (code and culture) or code in found:
            raise ConfigError(
                f"cultures {','.join(pairs)!r} is not allowed",
                allowed="language=culture, once each, such as es=MX,ar=DZ",
            )
        found[code] = culture
    return found


Config = TypeVar("Config", bound=RunConfig)


def read_config(path: Path | None, overrides: Mapping[str, Any], kind: type[Config]) -> Config:
    """Settings of a `kind` from a YAML file (if any), then from `overrides` (those that are not None).

    Raises ConfigError for a file that can't be read, an unknown key or a value of the wrong kind.
    """
    values: dict[str, Any] = {}
    if path is not None:
        values = _read_yaml(path)
    values |= {key: value for key, value in overrides.items() if value is not None}
    known = {field.name: field for field in fields(kind)}
    for key in values:
        if key not in known:
            remedy = nearest(key, known, "remove it")
            raise ConfigError(f"config key {key!r} is unknown", allowed=", ".join(known), remedy=remedy)
    config = kind()
    for key, value in values.items():
        values[key] = _cast(key, value, getattr(config, key))
    return replace(config, **values)


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"config file {path} can't be read: {' '.join(str(error).split())}", remedy="pass a YAML file"
        ) from error
    if not isinstance(values, dict):
        raise ConfigError(f"config file {path} holds no keys", allowed="YAML of the form `key: value`")
    return values


def _cast(key: str, value: Any, default: Any) -> Any:
    if key == "strengths":
        parts = value.split(",") if isinstance(value, str) else value
        return tuple(map(read_strength, parts if isinstance(parts, (list, tuple)) else [parts]))
    if key in _TUPLES:
        kind = _TUPLES[key]
        parts = value.split(",") if isinstance(value, str) else value
        try:
            if not isinstance(parts, (list, tuple)) or not all(_castable(part, kind) for part in parts):
                raise TypeError
            return tuple(kind(part.strip() if isinstance(part, str) else part) for part in parts)
        except (TypeError, ValueError):
            raise ConfigError(
                f"{key} {value!r} is not allowed",
                allowed=f"a list of {kind.__name__} values",
                remedy="quote what YAML reads as another kind, such as 'no'" if kind is str else "",
            ) from None
    if key == "layers" and isinstance(value, (int, list)) and not isinstance(value, bool):
        value = ",".join(map(str, value if isinstance(value, list) else [value]))
    wanted = int if key in _OPTIONAL else type(default)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise ConfigError(f"{key} {value!r} is not allowed", allowed=f"a {wanted.__name__}")
    return value


def _castable(part: Any, kind: type) -> bool:
    """Whether a part of a list is of its kind, or text that may be read as it."""
    numbers = {float: (int, float), int: (int,)}.get(kind, ())
    return isinstance(part, (str, *numbers)) and not isinstance(part, bool)
