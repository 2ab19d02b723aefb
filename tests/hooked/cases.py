"""What both sides of the leg do to the same weights: the models, texts, prompts, plans, and the small run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from interp.data import Prompt, atlas, cultural_tasks, everything, question_text, universal_tasks
from interp.steering import Plan, Steer, SteeringVectors
from interp.study.config import RunConfig

TINY = ("llama", "mistral", "qwen3", "gemma2", "gemma3", "gpt2", "gpt_neox", "bloom")
"""Architectures that are drawn at random and that HookedTransformer has converters for."""

KINDS = ("organism", *TINY)
Note = Callable[[str, float], None]
"""Keeps the largest difference of a kind."""

VECTORS, NUMBERS, RUN = "vectors.safetensors", "numbers.safetensors", "run"


def place(folder: Path, kind: str) -> Path:
    """Where a model's files are: numbered, as TransformerLens 3 guesses a config from a path that says `llama`."""
    return folder / f"model-{KINDS.index(kind)}"


def texts() -> list[str]:
    """Prompts of several lengths and scripts."""
    items = atlas.universal().items[::101]
    return [question_text(item.question(code), code) for item in items for code in ("en", "es", "zh", "fa")]


def prompts() -> list[Prompt]:
    """Universal prompts in Spanish, cultural ones in Korean and Persian, with their options."""
    culture = atlas.cultural()
    tasks = universal_tasks(atlas.universal(), "es", "test", everything)[::9]
    for code in ("ko", "fa"):
        tasks += cultural_tasks(culture, code, culture.own_culture[code], "test", everything)[::9]
    return [task.prompt for task in tasks]


def plans(vectors: SteeringVectors) -> list[Plan]:
    """No steer; one at each of the positions; another operator; two in one plan; the last block."""
    layers = len(vectors.vectors)
    first, middle, last = 0, layers // 2, layers - 1
    return [
        Plan(),
        vectors.plan(middle, 1.0),
        vectors.plan(middle, 1.0, positions="all"),
        vectors.plan(middle, 1.5, positions="last"),
        vectors.plan(first, 1.0, operator="add_keep_norm"),
        vectors.plan(first, 0.5) + vectors.plan(middle, -0.7, positions="last"),
        Plan((Steer(last, vectors.vectors[last], 0.8),)),
    ]


def run_config(out: Path, **settings: object) -> RunConfig:
    """The study that both sides run."""
    return RunConfig(languages=("es", "ko"), limit=60, draws=20, out=str(out), **{"attribution_items": 0} | settings)


@dataclass(frozen=True)
class Reference:
    """What the bridge gave for one model. residuals: [layer, text, d_model]; logp: [plan, option]."""

    checkpoint: Path
    vectors: SteeringVectors
    last: torch.Tensor
    mean: torch.Tensor
    logp: np.ndarray

    @classmethod
    def read(cls, folder: Path, kind: str) -> Reference:
        own = place(folder, kind)
        numbers = load_file(own / NUMBERS)
        return cls(
            own, SteeringVectors.load(own / VECTORS), numbers["last"], numbers["mean"], numbers["logp"].numpy(),
        )  # fmt: skip
