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
from jaxtyping import Float

from interp.data.tasks import everything, universal_tasks
from interp.errors import ConfigError
from interp.model.batching import Tokens, batches
from interp.model.loading import load_model, organism_folder, resolve_device
from interp.model.memory import Budget
from interp.model.protocol import HookedModel, device_of
from interp.steering.engine import replay_of
from interp.steering.layout import Layout, Stem, tokenise
from interp.steering.plans import Plan, Positions, Steer
from interp.steering.replay import replayed_flops
from interp.steering.scoring import reference_logp

STRENGTHS = (0.25, 0.5, 1.0, 2.0)
LOGITS_BYTES = 2**31
"""The plain loop gets replay's batches, or smaller ones where its logits would take more than this."""


@dataclass(frozen=True)
class Setting:
    """A model and prompts to time. layers: how many of the model's layers are steered, spread evenly (0: all)."""

    name: str
    config: str
    sizes: dict[str, Any]
    layers: int = 6
    shots: int = 0
    prompts: int = 32
    needs_gpu: bool = False


GEMMA = {"sliding_window": 512, "vocab_size": 262144, "rms_norm_eps": 1e-6, "head_dim": 256}
GEMMA_270M = {
    **GEMMA, "hidden_size": 640, "intermediate_size": 2048, "num_hidden_layers": 18,
    "num_attention_heads": 4, "num_key_value_heads": 1,
}  # fmt: skip
QWEN_06B = {
    "vocab_size": 151936, "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28,
    "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "tie_word_embeddings": True,
}  # fmt: skip
LLAMA_1B = {
    "vocab_size": 128256, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "tie_word_embeddings": True,
}  # fmt: skip
GEMMA_4B = {
    **GEMMA, "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34,
    "num_attention_heads": 8, "num_key_value_heads": 4, "sliding_window": 1024,
}  # fmt: skip
GEMMA_12B = {
    **GEMMA, "hidden_size": 3840, "intermediate_size": 15360, "num_hidden_layers": 48,
    "num_attention_heads": 16, "num_key_value_heads": 8, "sliding_window": 1024,
}  # fmt: skip

SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("organism", "", {}, layers=0),
        Setting("gemma3-270m", "Gemma3TextConfig", GEMMA_270M),
        Setting("gemma3-270m-5shot", "Gemma3TextConfig", GEMMA_270M, shots=5),
        Setting("qwen3-0.6b", "Qwen3Config", QWEN_06B),
        Setting("llama3.2-1b", "LlamaConfig", LLAMA_1B),
        Setting("gemma3-4b", "Gemma3TextConfig", GEMMA_4B, needs_gpu=True),
        Setting("gemma3-12b", "Gemma3TextConfig", GEMMA_12B, needs_gpu=True),
    )
}


@dataclass(frozen=True)
class Row:
    """One line of the benchmark; times are of all plans, in seconds.

    ratio: plain over replay. ceiling: that ratio by floating-point operations. flop_share: of the measured rate of
    matrix products (`matmul_gflops`), what the operations that are needed reach. plain and reference are timed on
    `timed_plans` of the plans and scaled. peak_mb: the process at its largest during replay (on a GPU, the device).
    """

    setting: str
    positions: str
    plain_s: float
    reference_s: float
    replay_s: float
    ratio: float
    ceiling: float
    max_abs_diff: float
    peak_mb: float
    flop_share: float
    plans: int
    prompts: int
    timed_plans: int
    plan_items_per_s: float
    matmul_gflops: float
    device: str

    def described(self) -> dict[str, Any]:
        """Plain values, rounded."""
        values = asdict(self)
        return {key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in values.items()}


def settings(names: Sequence[str], device: str) -> list[Setting]:
    """Settings by name; all that the device can hold where none is named. Raises ConfigError for an unknown one."""
    for name in names:
        if name not in SETTINGS:
            raise ConfigError(f"setting {name!r} is unknown", allowed=", ".join(SETTINGS), remedy="pass one of these")
        if SETTINGS[name].needs_gpu and device == "cpu":
            raise ConfigError(f"setting {name!r} needs a GPU", allowed="--device cuda where there is one")
    return [SETTINGS[name] for name in names] or [s for s in SETTINGS.values() if device != "cpu" or not s.needs_gpu]


def bench(
    setting: Setting,
    positions: Sequence[Positions] = ("all", "last"),
    *,
    device: str = "auto",
    memory: int | str | None = None,
    plans: int | None = None,
) -> Iterator[Row]:
    """Time a setting. plans: how many in place of layers x 4 strengths (the layers in turn, other strengths)."""
    model = _model(setting, resolve_device(device))
    layout = _organism_prompts(model) if not setting.config else _random_prompts(setting, model.cfg.d_vocab)
    rate = _matmul_rate(model)
    replay = replay_of(model)
    assert replay is not None, f"{setting.name} can't be replayed"
    for where in positions:
        sweep = _plans(setting, model, where, plans)
        some = [sweep[0], sweep[-1]] if setting.config or len(sweep) > 100 else sweep
        times = len(sweep) / len(some)
        replay.logp(_first(layout, 2), sweep[:2], memory=memory)
        with _peak(model) as peak:
            replay_s, found = _timed(model, partial(replay.logp, layout, sweep, memory=memory))
        reference_s, expected = _timed(model, partial(reference_logp, model, layout, some, memory=memory))
        _plain(model, _first(layout, 2), sweep[:1], memory)
        plain_s, loop = _timed(model, partial(_plain, model, layout, some, memory))
        picked = found if len(some) == len(sweep) else found[[0, -1]]
        needed, paid = replayed_flops(model, layout, sweep)
        yield Row(
            setting=setting.name,
            positions=where,
            plain_s=plain_s * times,
            reference_s=reference_s * times,
            replay_s=replay_s,
            ratio=plain_s * times / replay_s,
            ceiling=paid / needed,
            max_abs_diff=float(max(np.abs(picked - expected).max(), np.abs(picked - loop).max())),
            peak_mb=peak(),
            flop_share=needed / replay_s / rate,
            plans=len(sweep),
            prompts=len(layout.stems),
            timed_plans=len(some),
            plan_items_per_s=len(sweep) * len(layout.stems) / replay_s,
            matmul_gflops=rate / 1e9,
            device=str(device_of(model)),
        )


def _model(setting: Setting, device: str) -> HookedModel:
    if not setting.config:
        return load_model(device=device).model
    import transformers
    from transformer_lens.model_bridge import TransformerBridge

    transformers.utils.logging.set_verbosity_error()
    torch.manual_seed(0)
    config = getattr(transformers, setting.config)(**setting.sizes)
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    with torch.device(device):
        weights = transformers.AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="eager")
    weights.config.architectures = [type(weights).__name__]
    tokenizer = transformers.AutoTokenizer.from_pretrained(organism_folder())
    bridge: Any = TransformerBridge.boot_transformers(
        setting.name, hf_model=weights.eval(), tokenizer=tokenizer, dtype=dtype
    )
    return bridge.eval()


def _organism_prompts(model: HookedModel) -> Layout:
    from interp.data import atlas

    tasks = universal_tasks(atlas.universal(), "es", "test", everything)
    return tokenise([task.prompt for task in tasks], Tokens(model))


def _random_prompts(setting: Setting, vocabulary: int) -> Layout:
    """Prompts of 44 to 52 tokens with four options of one token, behind five shared examples of 50 where asked."""
    draw = np.random.default_rng(0)

    def words(count: int) -> tuple[int, ...]:
        return tuple(draw.integers(10, vocabulary, size=count).tolist())

    shared = words(50 * setting.shots)
    stems = []
    for number in range(setting.prompts):
        context = (*shared, *words(44 + number % 9))
        endings = tuple((4 * number + i, (word,)) for i, word in enumerate(words(4)))
        stems.append(Stem(context, endings))
    ones = np.ones(4 * setting.prompts)
    return Layout(tuple(stems), np.arange(setting.prompts + 1) * 4, ones, ones)


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
    rows: dict[tuple[tuple[int, ...], int], list[tuple[int, tuple[int, ...]]]] = {}
    for stem in layout.stems:
        for option, ending in stem.endings:
            rows.setdefault(((*stem.context, *ending[:-1]), len(stem.context)), []).append((option, ending))
    sequences, reads = [key[0] for key in rows], list(rows.values())
    longest = max(len(sequence) for sequence in sequences)
    held = LOGITS_BYTES // (longest * int(model.cfg.d_vocab) * 4)
    size = max(1, min(held, Budget(model, memory).tokens(longest) // longest))
    found = np.zeros((len(plans), len(layout.tokens)), dtype=np.float32)
    for p, plan in enumerate(plans):
        for batch in batches(sequences, [key[1] for key in rows], size, device_of(model)):
            logits = model.run_with_hooks(batch.tokens, return_type="logits", fwd_hooks=plan.hooks(batch))
            most = max(len(ending) for row in batch.rows for _, ending in reads[row])
            steps = batch.last[:, None] + torch.arange(most, device=batch.last.device)
            steps = steps.clamp_max(batch.tokens.shape[1] - 1)
            picked = logits[torch.arange(len(steps), device=steps.device)[:, None], steps].float()
            logp = (picked - picked.logsumexp(-1, keepdim=True)).cpu()
            for i, row in enumerate(batch.rows):
                for option, ending in reads[row]:
                    found[p, option] = float(logp[i, torch.arange(len(ending)), list(ending)].sum())
    return found


def _timed(model: HookedModel, work: Callable[[], Any]) -> tuple[float, Any]:
    cuda = device_of(model).type == "cuda"
    if cuda:
        torch.cuda.synchronize()
    begun = time.perf_counter()
    found = work()
    if cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - begun, found


def _matmul_rate(model: HookedModel, size: int = 2048, seconds: float = 1.0) -> float:
    """Floating-point operations per second of a square matrix product in the model's dtype: the median of many."""
    weight = next(iter(model.parameters()))  # type: ignore[attr-defined]
    size = size * 4 if weight.is_cuda else size
    a, b = (torch.randn(size, size, device=weight.device, dtype=weight.dtype) for _ in range(2))
    took: list[float] = []
    while sum(took) < seconds or len(took) < 5:
        took.append(_timed(model, lambda: a @ b)[0])
    return 2 * size**3 / float(np.median(took))


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
