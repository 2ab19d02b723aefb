"""What a run takes here: seconds per stage, memory and disk, from counts and from what is measured in a few seconds."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from interp.model import LoadedModel
from interp.model.load import Outline, has_configuration, outline_of
from interp.model.machine import block_rate, matmul_rate
from interp.model.read import Budget, Ids, Tokens
from interp.organism import Exposure
from interp.study.ask import Inputs, Study
from interp.study.config import RunConfig
from interp.study.cost._workload import SAMPLE, Part, Workload, per_token
from interp.study.locate import probe_sizes
from interp.study.search import sought
from interp.study.stages import LOCATING, STAGES, counted
from interp.study.trained import groups
from probes import fit_logistic

LOW, HIGH = 0.7, 1.5
"""Bounds as multiples of the estimate."""

SPENT = 1.6
"""What a run takes over what its blocks, products and tables take alone: padding, attention's masks, small calls. By
stage 1.3 to 2.0 on Gemma 3 270M, 1.55 in all on the embedded model."""

SHORT_ANSWERS = 0.2
"""Share of `max_new_tokens` where generated answers end early."""

HOOKED_SECONDS = 2e-3
"""What a block costs under TransformerLens' hooks and caches, besides its operations."""

ROW_SECONDS = 12e-6
"""What a row of scores costs until it is on disk and in the tables."""

FIT_SECONDS = 3e-3
"""What a probe's fit costs at least."""

REAL_ITERATIONS = 10.0
"""About how many times as long a probe's fit takes on residuals as on random numbers, of Gemma 3 270M."""

FIXED_SECONDS, LANGUAGE_SECONDS = 6.0, 1.0
"""Of loading and of the tables and figures at least; of intervals, and of alignment and directions, per language."""

READ_BYTES = 5e8
"""Bytes of weights that are read and hashed in a second."""

ROW_BYTES, FIXED_BYTES = 9, 7 * 2**20
"""Of a row of scores in Parquet, and of the report, figures and tables."""

PROCESS_BYTES = 13 * 2**27
"""What the process takes without a model: 1.6 GiB, most of it torch and TransformerLens."""


@dataclass(frozen=True)
class Rates:
    """What was measured: operations per second, seconds per token and block, seconds per probe weight and example."""

    matmul: float
    block: float
    probe: float


@dataclass(frozen=True)
class Estimate:
    """Seconds per stage, most likely and (low, high); bytes in memory on the device and beside it, and on disk."""

    parts: tuple[Part, ...]
    likely: dict[str, float]
    seconds: dict[str, tuple[float, float]]
    rates: Rates
    activations: int
    device_bytes: int
    host_bytes: int
    disk_bytes: int
    guessed: bool

    @property
    def middle(self) -> float:
        """Seconds in all, most likely."""
        return sum(self.likely.values())

    @property
    def total(self) -> tuple[float, float]:
        """Seconds in all."""
        return sum(low for low, _ in self.seconds.values()), sum(high for _, high in self.seconds.values())


def planned(config: RunConfig, inputs: Inputs, model: Outline, device: str, dtype: str) -> Study:
    """The study of a run whose model is not loaded: it has prompts, splits and plans, and reads nothing."""
    hooked = model.hooked(device, dtype)
    exposure = Exposure.read(model.folder) if model.folder and model.place in ("embedded", "folder") else None
    return Study.of(config, LoadedModel(hooked, model.name, "", exposure), inputs)


def estimate(
    study: Study, model: Outline, device: str, dtype: str, *, whole: bool = True, rates: Rates | None = None,
    tokens: Tokens | None = None,
) -> Estimate:  # fmt: skip
    """Estimate the cost of the main job or, with `whole` false, of its analysis half.

    rates: earlier measurements on this machine; by default rates are measured now, for about three seconds. tokens:
    reuses encoded texts.
    """
    guessed = model.tokenizer is None
    work = Workload(study, model.shape, GuessedTokens() if guessed else tokens or Tokens(study.loaded.model))
    parts = tuple(counted(work, STAGES if whole else LOCATING))
    rates = rates or measured(study, model, device, dtype)
    activations = Budget(study.loaded.model, study.config.memory).bytes
    residuals = _residual_bytes(parts, model)
    on_gpu = device.partition(":")[0] != "cpu"
    folds = study.design.attribution_items and not study.config.quantization
    loaded = model.weights + (_folded_bytes(model) if folds else 0) + activations
    vectors = (1 + len(sought(study).names)) * len(study.languages) * model.shape.n_layers * model.shape.d_model * 4
    likely = _likely(study, model, parts, rates)
    lowest = {"generate": LOW * SHORT_ANSWERS}
    return Estimate(
        parts=parts,
        likely=likely,
        seconds={name: (value * lowest.get(name, LOW), value * HIGH) for name, value in likely.items()},
        rates=rates,
        activations=activations,
        device_bytes=loaded if on_gpu else loaded + residuals + PROCESS_BYTES,
        host_bytes=residuals + PROCESS_BYTES if on_gpu else 0,
        disk_bytes=sum(part.rows for part in parts) * ROW_BYTES + vectors + FIXED_BYTES,
        guessed=guessed,
    )


def _folded_bytes(model: Outline) -> int:
    """Of the copy that attribution folds, and of what folding holds beside it: blocks, and hardly any vocabulary."""
    blocks = float(np.sum(model.shape.matrices))
    return round(2 * model.weights * blocks / (blocks + model.shape.d_vocab * model.shape.d_model))


NOMINAL = 1e11
"""Operations per second, where nothing is measured."""


def expected(study: Study) -> dict[str, float]:
    """About how long each stage of a run takes beside the others; nothing where the model's shape can't be told."""
    if not has_configuration(study.loaded):
        return {}
    model = outline_of(study.loaded)
    rates = Rates(NOMINAL, 2 * float(np.mean(model.shape.matrices)) / NOMINAL, 1e-9)
    likely = _likely(study, model, counted(Workload(study, model.shape, study.tokens or GuessedTokens())), rates)
    return {name: seconds for name, seconds in likely.items() if name != "load"}


def _residual_bytes(parts: Sequence[Part], model: Outline) -> int:
    """Residuals of every layer that are held at once, float32, and the copies that probes make."""
    read = sum(part.prompts for part in parts if part.stage in ("fit", "locate") and not part.hooked)
    return 2 * read * (model.shape.n_layers + 1) * model.shape.d_model * 4


def measured(study: Study, model: Outline, device: str, dtype: str) -> Rates:
    """The rates of this device, with the run's own sizes."""
    kind = getattr(torch, dtype)
    length = max(2, _mean_length(study, model))
    tokens = Budget(study.loaded.model, study.config.memory).tokens(length)
    return Rates(
        matmul=matmul_rate(device, kind),
        block=block_rate(model.config, device, kind, tokens, length),
        probe=_probe_seconds(study, model),
    )


def _mean_length(study: Study, model: Outline) -> int:
    """Tokens of a prompt: the mean over some of the fit split."""
    tokens = study.tokens or GuessedTokens()
    texts = [text for code in study.languages for text in study.universal_texts(code, "fit")[:SAMPLE]]
    return round(float(np.mean([len(tokens(study.template.text(text))) for text in texts])))


def _probe_seconds(study: Study, model: Outline) -> float:
    """Seconds per example, dimension and class of a probe's fit, on random numbers."""
    rows, classes, _ = max(probe_sizes(study), key=lambda row: row[0] * row[1], default=(200, 2, 1.0))
    rows, width = min(rows, 1000), model.shape.d_model
    draw = np.random.default_rng(0)
    z, codes = draw.standard_normal((rows, width), dtype=np.float32), np.arange(rows) % classes
    with threadpool_limits(1, user_api="blas"):
        begun = time.perf_counter()
        fit_logistic(z, codes, 1.0, 2000)
        return (time.perf_counter() - begun) / (rows * width * classes)


def _likely(study: Study, model: Outline, parts: Sequence[Part], rates: Rates) -> dict[str, float]:
    """Stage -> seconds: what passes through the model, and what else the stage does."""
    shape = model.shape
    seconds = dict.fromkeys(("load", *(stage.name for stage in STAGES), "tables"), 0.0)
    for part in parts:
        length = part.tokens / max(1, part.prompts * part.plans * shape.n_layers)
        unembedded = max(0.0, part.flops - part.tokens * per_token(shape, length))
        seconds[part.stage] += part.tokens * rates.block + unembedded / rates.matmul
        seconds[part.stage] += part.rows * ROW_SECONDS + part.hooked * HOOKED_SECONDS
    layers, cores = shape.n_layers + 1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    probes = sum(
        fits * layers * (rows * shape.d_model * classes * rates.probe * REAL_ITERATIONS + FIT_SECONDS) / cores
        for rows, classes, fits in probe_sizes(study)
    )
    intervals = LANGUAGE_SECONDS * len(study.languages)
    seconds["locate"] += probes + intervals
    seconds["load"] = FIXED_SECONDS + model.weights / READ_BYTES
    trained = any(part.stage == "on top" for part in parts)
    models = sum(len(members) for members in groups(study.config).values()) if trained else 0
    seconds["on top"] += models * (probes + 2 * intervals + seconds["load"])
    seconds["tables"] = FIXED_SECONDS + intervals
    return {name: SPENT * value for name, value in seconds.items() if value}


class GuessedTokens(Tokens):
    """A token per four bytes, where the tokenizer is not at hand."""

    def __init__(self) -> None:
        """Nothing is kept."""

    def __call__(self, text: str) -> Ids:
        """Chunks of four bytes, as numbers."""
        data = text.encode()
        return tuple(int.from_bytes(data[i : i + 4]) for i in range(0, len(data), 4)) or (0,)

    def prompt(self, text: str | Ids) -> Ids:
        """As a whole text."""
        return self(text) if isinstance(text, str) else text

    def split(self, prompt: str, endings: Sequence[str]) -> tuple[Ids, list[Ids]]:
        """Prompt and endings on their own."""
        return self(prompt), [self(ending) for ending in endings]

    def text(self, text: str) -> Ids:
        """As a whole text."""
        return self(text)

    def front(self, ids: Sequence[int]) -> int:
        """None: nothing is known of special tokens, and they cost what others do."""
        return 0
