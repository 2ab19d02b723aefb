"""How fast plans are scored: a plain TransformerLens loop against the reference against replay, on the same prompts."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from jaxtyping import Float
from transformer_lens.model_bridge import TransformerBridge

from interp.bench._generation import generation
from interp.bench._settings import Setting
from interp.data import atlas, everything, universal_tasks
from interp.model import HookedModel, device_of, dtype_of, shape_from_config
from interp.model.load import load_model, organism_folder, resolve_device
from interp.model.machine import matmul_rate
from interp.model.read import Budget, Reading, Tokens, batches, give_tokenizer, own_tokenizer, stand_in, switches_in
from interp.model.step import lean, replaced
from interp.steering import Plan, Positions, Steer
from interp.steering.engine import Layout, Stem, costs, reference_logp, replay_of, tokenise

STRENGTHS = (0.25, 0.5, 1.0, 2.0)
LOGITS_BYTES = 2**31
"""The plain loop gets replay's batches, or smaller ones where its logits would take more than this."""


@dataclass(frozen=True)
class Row:
    """One line of the benchmark; times are of all plans, in seconds.

    ratio: plain over replay. flop_ceiling, token_ceiling: that ratio by counting floating-point operations, and tokens
    through blocks. flop_share: of the measured rate of matrix products (`matmul_gflops`), what the operations that are
    needed reach. plain and reference are timed on `timed_plans` of the plans and scaled. read_ratio: reading all
    layers' residuals over a forward without unembedding. generation_s, generation_ratio: 64 steered tokens after 32
    prompts with keys and values kept, and how many times as long reading anew takes. peak_mb: the process at its
    largest during replay (on a GPU, the device).
    """

    setting: str
    positions: str
    plain_s: float
    reference_s: float
    replay_s: float
    ratio: float
    flop_ceiling: float
    token_ceiling: float
    max_abs_diff: float
    peak_mb: float
    flop_share: float
    plans: int
    prompts: int
    timed_plans: int
    plan_items_per_s: float
    read_ratio: float
    generation_s: float
    generation_ratio: float
    same_tokens: bool
    matmul_gflops: float
    device: str

    def described(self) -> dict[str, Any]:
        """Plain values, rounded."""
        values = asdict(self)
        return {key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in values.items()}


def bench(
    setting: Setting,
    positions: Sequence[Positions] = ("text", "last"),
    *,
    device: str = "auto",
    memory: int | str | None = None,
    plans: int | None = None,
    compiled: bool = False,
) -> Iterator[Row]:
    """Time a setting. plans: how many in place of layers x 4 strengths (the layers in turn, other strengths)."""
    model = _model(setting, resolve_device(device))
    layout = _random_prompts(setting, model.cfg.d_vocab) if setting.config else _atlas_prompts(setting, model)
    replay = replay_of(model)
    assert replay is not None, f"the model of {setting.name} can't be replayed"
    replay.compiled = compiled
    shape = shape_from_config(model.original_model.config)  # type: ignore[attr-defined]
    read_ratio = _read_ratio(model, [stem.context for stem in layout.stems], memory)
    generated = generation(model, setting.language, _plans(setting, model, positions[-1], 1)[0], memory)
    for where in positions:
        sweep = _plans(setting, model, where, plans)
        sample = [sweep[0], sweep[-1]] if setting.name != "organism" or len(sweep) > 100 else sweep
        times = len(sweep) / len(sample)
        replay.logp(_first(layout, 2), sweep[:2], memory=memory)
        rates = [matmul_rate(device_of(model), dtype_of(model))]
        with _peak(model) as peak:
            replay_s, replayed = _timed(model, partial(replay.logp, layout, sweep, memory=memory))
        rates.append(matmul_rate(device_of(model), dtype_of(model)))
        rate = float(np.mean(rates))
        reference_s, expected = _timed(model, partial(reference_logp, model, layout, sample, memory=memory))
        _plain(model, _first(layout, 2), sweep[:1], memory)
        plain_s, loop = _timed(model, partial(_plain, model, layout, sample, memory))
        picked = replayed if len(sample) == len(sweep) else replayed[[0, -1]]
        needed, paid = costs(shape, layout, sweep)
        yield Row(
            setting=setting.name,
            positions=where,
            plain_s=plain_s * times,
            reference_s=reference_s * times,
            replay_s=replay_s,
            ratio=plain_s * times / replay_s,
            flop_ceiling=paid.flops / needed.flops,
            token_ceiling=paid.tokens / needed.tokens,
            max_abs_diff=float(max(np.abs(picked - expected).max(), np.abs(picked - loop).max())),
            peak_mb=peak(),
            flop_share=needed.flops / replay_s / rate,
            plans=len(sweep),
            prompts=len(layout.stems),
            timed_plans=len(sample),
            plan_items_per_s=len(sweep) * len(layout.stems) / replay_s,
            read_ratio=read_ratio,
            generation_s=generated.kept_s,
            generation_ratio=generated.ratio,
            same_tokens=generated.same,
            matmul_gflops=rate / 1e9,
            device=str(device_of(model)),
        )


def _model(setting: Setting, device: str) -> HookedModel:
    if not setting.config:
        return load_model(setting.model, device=device).model
    transformers.utils.logging.set_verbosity_error()
    torch.manual_seed(0)
    config = getattr(transformers, setting.config)(**setting.sizes)
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    with torch.device(device):
        weights = transformers.AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="eager")
    weights.config.architectures = [type(weights).__name__]
    bridge: Any = TransformerBridge.boot_transformers(
        f"random/{setting.name}", hf_model=weights.eval(), tokenizer=stand_in(), dtype=dtype
    )
    give_tokenizer(bridge, own_tokenizer(organism_folder()))
    return bridge.eval()


def _atlas_prompts(setting: Setting, model: HookedModel) -> Layout:
    """Test questions, evenly spread over the relations."""
    tasks = universal_tasks(atlas.universal(), setting.language, "test", everything)
    places = np.linspace(0, len(tasks) - 1, setting.prompts or len(tasks)).round().astype(int)
    return tokenise([tasks[place].prompt for place in places], Tokens(model))


def _random_prompts(setting: Setting, vocabulary: int) -> Layout:
    """Prompts with four options, after shared examples of 50 tokens where asked.

    The first token stands for BOS.
    """
    draw = np.random.default_rng(0)

    def words(count: int) -> tuple[int, ...]:
        return tuple(draw.integers(10, vocabulary, size=count).tolist())

    shared = words(50 * setting.shots)
    stems = []
    for number in range(setting.prompts):
        context = (*shared, *words(_within(setting.length, number)))
        endings = tuple((4 * number + i, words(_within(setting.option, number + i))) for i in range(4))
        stems.append(Stem(context, endings, front=1))
    lengths = np.array([float(len(ending)) for stem in stems for _, ending in stem.endings])
    return Layout(tuple(stems), np.arange(setting.prompts + 1) * 4, lengths, lengths)


def _within(ends: tuple[int, int], number: int) -> int:
    """Numbers from the first of `ends` to the last, in turn."""
    return ends[0] + number % (ends[1] - ends[0] + 1)


def _first(layout: Layout, count: int) -> Layout:
    return Layout(layout.stems[:count], layout.starts, layout.tokens, layout.bytes)


def _plans(setting: Setting, model: HookedModel, positions: Positions, count: int | None) -> list[Plan]:
    n_layers, d_model = int(model.cfg.n_layers), int(model.cfg.d_model)
    layers = [int((i + 0.5) * n_layers / setting.layers) for i in range(setting.layers)] or list(range(n_layers))
    vectors = torch.randn(n_layers, d_model, generator=torch.Generator().manual_seed(0))
    cells = [(layer, strength) for strength in STRENGTHS for layer in layers]
    if count is not None:
        cells = [(layers[i % len(layers)], 0.25 + 1.75 * i / count) for i in range(count)]
    return [Plan((Steer(layer, vectors[layer], a, positions=positions),)) for layer, a in sorted(cells)]


@torch.inference_mode()
def _plain(
    model: HookedModel, layout: Layout, plans: Sequence[Plan], memory: int | str | None
) -> Float[np.ndarray, "plan option"]:
    """What one writes with TransformerLens alone: a forward per plan and batch, full logits, four numbers read."""
    rows: dict[tuple[tuple[int, ...], int, int], list[tuple[int, tuple[int, ...]]]] = {}
    for stem in layout.stems:
        for option, ending in stem.endings:
            key = ((*stem.context, *ending[:-1]), len(stem.context), stem.front)
            rows.setdefault(key, []).append((option, ending))
    sequences, reads = [key[0] for key in rows], list(rows.values())
    lengths, fronts = [key[1] for key in rows], [key[2] for key in rows]
    longest = max(len(sequence) for sequence in sequences)
    logits_fit = LOGITS_BYTES // (longest * int(model.cfg.d_vocab) * 4)
    size = max(1, min(logits_fit, Budget(model, memory).tokens(longest) // longest))
    scores = np.zeros((len(plans), len(layout.tokens)), dtype=np.float32)
    for p, plan in enumerate(plans):
        for batch in batches(sequences, lengths, size, device_of(model), fronts, switches_in(model)):
            logits = model.run_with_hooks(batch.tokens, return_type="logits", fwd_hooks=plan.hooks(batch))
            most = max(len(ending) for row in batch.rows for _, ending in reads[row])
            steps = batch.last[:, None] + torch.arange(most, device=batch.last.device)
            steps = steps.clamp_max(batch.tokens.shape[1] - 1)
            picked = logits[torch.arange(len(steps), device=steps.device)[:, None], steps].float()
            logp = (picked - picked.logsumexp(-1, keepdim=True)).cpu()
            for i, row in enumerate(batch.rows):
                for option, ending in reads[row]:
                    scores[p, option] = float(logp[i, torch.arange(len(ending)), list(ending)].sum())
    return scores


def _read_ratio(model: HookedModel, sequences: Sequence[tuple[int, ...]], memory: int | str | None) -> float:
    """Seconds of reading every layer over seconds of Transformers' own blocks alone, same batches; best of three."""
    reading, lengths = Reading(model), [len(sequence) for sequence in sequences]

    def read() -> None:
        for _ in reading.stream(sequences, memory=memory):
            pass

    def bare() -> None:
        for batch in batches(
            sequences, lengths, Budget(model, memory).rows, device_of(model), switches=switches_in(model)
        ):
            model.original_model.base_model(batch.tokens, use_cache=False)  # type: ignore[attr-defined]

    with torch.inference_mode(), replaced(lean(model)):
        times = [(_timed(model, read)[0], _timed(model, bare)[0]) for _ in range(3)]
    return min(t for t, _ in times) / min(t for _, t in times)


def _timed(model: HookedModel, work: Callable[[], Any]) -> tuple[float, Any]:
    cuda = device_of(model).type == "cuda"
    if cuda:
        torch.cuda.synchronize()
    begun = time.perf_counter()
    result = work()
    if cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - begun, result


@contextmanager
def _peak(model: HookedModel) -> Iterator[Callable[[], float]]:
    """The peak of memory within, in MB: of the device, or of the process (since it began, where Linux is not)."""
    if device_of(model).type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        yield lambda: torch.cuda.max_memory_allocated() / 1e6
        return
    status, clear = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if os.access(clear, os.W_OK):
        clear.write_text("5")
    peak: list[float] = []
    yield lambda: peak[0]
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        peak.append(int(line.split()[1]) * 1024 / 1e6)
    else:
        peak.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
