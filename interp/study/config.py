"""What a run is made of, validated before anything heavy starts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from interp.alignment import METHODS as TRAINED
from interp.data import NORMALISATIONS
from interp.errors import ConfigError
from interp.files import folder_name
from interp.model.read import parse_memory
from interp.settings import Checked, check_choice, checked, setting
from interp.steering import Goal, Kind, Positions, read_strength, size
from interp.study.methods import DEFAULT, Methods, parse_methods, training_settings
from interp.study.search import Name, read_layers, read_seconds


def _strengths(value: Any) -> tuple[float | str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(map(read_strength, parts if isinstance(parts, (list, tuple)) else [parts]))


def _layers(value: Any) -> Any:
    """YAML reads `3` and `[3, 4]` as numbers."""
    if isinstance(value, (int, list)) and not isinstance(value, bool):
        return ",".join(map(str, value if isinstance(value, list) else [value]))
    return checked("layers", value, str)


LEAST_LIMIT = 20
"""Fewest items per dataset that a run may be limited to."""


@dataclass(frozen=True)
class RunConfig(Checked):
    """Settings of `interp run`. Every field is a key of `--config`; fields with a help text are also options.

    adapter, revision, quantization, n_devices: as in `load_model`; empty means none. parallel: sentences that state no
    fact, for the non-factual control (fit) and for damage (test). methods: see `interp.study.methods`; trained models
    are saved in trained_dir, one per training seed, and reused from there. layers, strengths, draws, attribution_items,
    damage_sentences: replace the values of the design. damage_sentences: number of parallel test sentences whose
    likelihood is measured under every method; 0 leaves this out. goal, max_erasure, max_loss: as in
    `interp.steering.Goal`.
    """

    model: str = setting("organism", "Model: a Hub id, a checkpoint folder, a GGUF file, or 'organism' (embedded).")
    adapter: str = setting("", "LoRA adapter to merge into the model: a folder, or a Hub id (also id@revision).")
    revision: str = setting("", "Branch, tag or commit of the model on the Hub.")
    quantization: Literal["", "4bit", "8bit"] = setting("", "Quantise to 4bit or 8bit, with bitsandbytes on a GPU.")
    n_devices: int | None = setting(None, "Spread the model's blocks over this many GPUs.", least=1)
    universal: str = setting("atlas", "Dataset of universal facts: a name of `interp data list`, or a file.")
    cultural: str = setting("atlas", "Dataset of cultural customs: a name of `interp data list`, or a file.")
    parallel: str = setting("atlas", "Dataset of parallel sentences, for the non-factual control.")
    data_dir: str = setting(
        "", "Folder with published dataset files, such as blend/ and bmlama/, read instead of downloading."
    )
    languages: tuple[str, ...] = setting((), "Languages to score, such as es,zh. Default: all.")
    cultures: tuple[str, ...] = setting(
        (), "Culture to score a language for, where the dataset has several, such as es=MX."
    )
    limit: int | None = setting(None, "Use at most this many items per dataset (20 or more).", least=LEAST_LIMIT)
    methods: tuple[str, ...] = setting(
        DEFAULT,
        "Methods to compare with the unsteered model: en, loc (three variants) and surgical (two pairs), which "
        "are the default; the trained instruct, midalign, clo and midalign_keep (keeps LOC projections); "
        "name=checkpoint; or all.",
    )
    training: tuple[str, ...] = setting(
        (), "Training setting, such as steps=100 or clo.mix=0.7. Repeat for several.", repeat=True
    )
    training_seeds: tuple[int, ...] = setting(
        (0,), "Training seeds, such as 0,1,2. With several, results are means over them. Default: 0."
    )
    training_data: tuple[str, ...] = setting(
        (), "Training data, as for `interp align --data`. Default: the universal dataset."
    )
    trained_dir: str = setting("", "Folder where trained models are saved and reused. Default: `trained` beside --out.")
    out: str = setting("", "Output folder. Default: runs/<model>-<universal>-<cultural>.")
    seed: int = setting(0, "Random seed of the controls and intervals.", least=0, most=2**32 - 1)
    device: str = setting("auto", "Device: auto, cpu, cuda or mps.")
    dtype: str = setting("auto", "Number format of the weights: auto, float32, bfloat16 or float16.")
    engine: Literal["replay", "reference"] = setting(
        "replay",
        "Scoring engine: replay (default), or reference, which scores one plan at a time (slow; for checking replay).",
    )
    memory: str = setting(
        "auto", "Memory for activations, such as 8GiB. Default: 1 GiB on a CPU, a quarter of the memory of a GPU."
    )
    batch_size: int | None = setting(
        None, "Prompts per forward pass. Default: as many as --memory allows.", least=1, needs=("memory", "auto")
    )
    template: str = setting("auto", "Chat template: auto (the model's own), none, or a Jinja file.")
    shots: int = setting(0, "Number of worked examples before every prompt. Default: 0.", least=0)
    normalisation: str = setting(
        "bytes", "How an option is scored: bytes (default), sum, mean, pmi, letter or sentence; see docs/method.md."
    )
    positions: Positions = setting(
        "last",
        "Where vectors are added: last (default: the last prompt token and every later one), text (every "
        "token but the special ones in front, such as BOS) or all (BOS too).",
    )
    design: Name = setting(
        "auto",
        "Size of the run: small, medium, large or exhaustive (--dry-run shows them). Default: the largest that "
        "finishes within ten minutes on this machine; medium for the embedded model.",
    )
    budget: str = setting(
        "", "Use the largest design that finishes within this time, such as 30m or 2h.", needs=("design", "auto")
    )
    layers: str = setting(
        "", "Layers to try, such as 2-12 or 0,4,8. The last layer is never tried. Default: the design's.", read=_layers
    )
    strengths: tuple[float | str, ...] = setting(
        (),
        "Strengths to try: multiples of the vector, such as 0.5,1,2, or shares of the layer's median residual "
        "norm, such as 0.1r,0.2r. Default: the design's.",
        read=_strengths,
    )
    draws: int | None = setting(None, "Number of draws of each random control. Default: the design's, 20.", least=1)
    goal: Kind = setting(
        "balanced",
        "Goal when the pair of vectors is chosen: balanced (harmonic mean of both gains), transfer, "
        "localization or pareto (writes the whole front into plan.json). Default: balanced.",
    )
    max_erasure: float = setting(
        0.01,
        "With --goal transfer: the largest loss of localization allowed. Default: 0.01.",
        needs=("goal", "transfer"),
    )
    max_loss: float = setting(
        0.01,
        "With --goal localization: the largest loss of transfer allowed. Default: 0.01.",
        needs=("goal", "localization"),
    )
    attribution_items: int | None = setting(
        None, "Test items per language used for attribution; 0 skips it. Default: the design's.", least=0
    )
    damage_sentences: int | None = setting(None, least=0)
    generate: bool = setting(False, "Also generate free answers to the cultural questions.")
    max_new_tokens: int = setting(
        16, "Longest generated answer, in tokens. Default: 16.", least=1, needs=("generate", True)
    )
    bootstrap_draws: int = setting(2000, least=200)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("normalisation", self.normalisation, NORMALISATIONS)
        parse_memory(self.memory)
        parse_cultures(self.cultures)
        _check_trained(self)
        if not all(size(read_strength(value)) for value in self.strengths):
            raise ConfigError(
                f"strengths {self.strengths!r} are not allowed",
                allowed="numbers other than 0, or shares of the residual norm such as 0.1r",
            )
        if self.layers:
            read_layers(self.layers)
        if self.budget:
            read_seconds(self.budget)
        _ = self.rule  # its bounds are checked

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


def _check_trained(config: RunConfig) -> None:
    seeds = config.training_seeds
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise ConfigError(f"training_seeds {seeds!r} are not allowed", allowed="different whole numbers, 0 or larger")
    to_train = [one for one in parse_methods(config.methods).trained if one.method]
    for method in [one.method for one in to_train] or ["midalign"]:
        training_settings(config.training, method, seeds[0])
    if not to_train:
        for name in ("training", "training_seeds", "training_data"):
            if getattr(config, name) != getattr(RunConfig, name):
                raise ConfigError(
                    f"{name} {','.join(map(str, getattr(config, name)))!r} has no effect: no method is trained",
                    allowed=f"with methods {', '.join(TRAINED)}",
                    remedy=f"leave {name} out, or add a method, such as --methods base,en,loc,surgical,midalign",
                )
    out, kept = (Path(os.path.abspath(place.expanduser())) for place in (config.folder, config.trained_folder))
    if to_train and kept.is_relative_to(out):
        raise ConfigError(
            f"the trained models would be saved in {config.trained_folder}, inside the run's own folder, which the "
            "finished run replaces",
            allowed="a folder for each", remedy="pass another --out, or --trained-dir",
        )  # fmt: skip
    for name in ("adapter", "quantization"):
        if to_train and getattr(config, name):
            raise ConfigError(
                f"{to_train[0].name} can't be trained on a model with {name} {getattr(config, name)!r}",
                allowed="the model itself, or checkpoints: --methods name=checkpoint",
                remedy=f"leave {name} out",
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
