"""Train the organism: a small Llama on the corpus, reproducible from a seed."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from interp.data import atlas
from interp.organism._corpus import Corpus, Sentence, letters, units
from interp.organism._exposure import FILE, exposure_table
from interp.organism._tokenizer import train_tokenizer
from interp.progress import Bars


@dataclass(frozen=True)
class Recipe:
    """What training needs to be repeated: sizes, optimisation, seed. `steps` x `batch` sentences are seen."""

    seed: int = 0
    steps: int = 2400
    batch: int = 256
    layers: int = 8
    width: int = 128
    feed_forward: int = 256
    heads: int = 4
    rate: float = 3e-3
    warmup: int = 200
    weight_decay: float = 0.05
    context_weight: float = 0.05
    """Share of the prefix tokens (and of the end mark) that count in the loss; answers always do."""
    negatives: int = 6000
    """Until `full_softmax_from` the softmax runs over the batch's targets and this many random tokens."""
    threads: int = 1
    """CPU threads: sums depend on how they are split, so the number is part of the recipe."""
    full_softmax_from: float = 0.8
    """Share of the steps after which the softmax runs over the whole vocabulary."""


@dataclass(frozen=True)
class Batch:
    """Token ids [sentence, pos], right-padded, which of them are to be predicted, and random token ids."""

    tokens: torch.Tensor
    targets: torch.Tensor
    negatives: torch.Tensor


def build(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """An untrained model of the recipe's sizes, initialised from its seed."""
    torch.manual_seed(recipe.seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.width,
            intermediate_size=recipe.feed_forward,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.heads,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def batches(corpus: Corpus, tokenizer: PreTrainedTokenizerFast, recipe: Recipe) -> Iterator[Batch]:
    """Batches of similar length: 32 at a time are drawn, sorted by length, cut and shuffled."""
    rng = np.random.default_rng(recipe.seed + 1)
    stream = corpus.sentences(recipe.seed)
    cache: dict[str, list[int]] = {}
    while True:
        pool = [_encode(next(stream), tokenizer, cache) for _ in range(32 * recipe.batch)]
        pool.sort(key=lambda pair: len(pair[0]) + len(pair[1]))
        for start in rng.permutation(32) * recipe.batch:
            yield _collate(pool[start : start + recipe.batch], recipe, rng, tokenizer)


def _encode(
    sentence: Sentence, tokenizer: PreTrainedTokenizerFast, cache: dict[str, list[int]]
) -> tuple[list[int], list[int]]:
    parts = []
    for text in sentence:
        if text not in cache:
            cache[text] = tokenizer.encode(text, add_special_tokens=False) if text else []
        parts.append(cache[text])
    return [tokenizer.bos_token_id, *parts[0]], [*parts[1], tokenizer.eos_token_id]


def _collate(
    pairs: list[tuple[list[int], list[int]]],
    recipe: Recipe,
    rng: np.random.Generator,
    tokenizer: PreTrainedTokenizerFast,
) -> Batch:
    length = max(len(prefix) + len(ending) for prefix, ending in pairs)
    tokens = np.full((len(pairs), length), tokenizer.pad_token_id, dtype=np.int64)
    targets = np.zeros((len(pairs), length), dtype=bool)
    for row, (prefix, ending) in enumerate(pairs):
        cut, end = len(prefix), len(prefix) + len(ending)
        tokens[row, :end] = [*prefix, *ending]
        targets[row, :end] = rng.random(end) < recipe.context_weight
        targets[row, cut : end - 1] = True
    negatives = rng.integers(len(tokenizer), size=recipe.negatives)
    return Batch(torch.from_numpy(tokens), torch.from_numpy(targets), torch.from_numpy(negatives))


def train(recipe: Recipe, out: Path, progress: bool = True) -> dict[str, object]:
    """Train and write a checkpoint folder that Transformers loads; returns the training report.

    The folder also gets `exposure.csv` (what the corpus showed) and `training.json` (the report).
    """
    torch.set_num_threads(recipe.threads)
    universal, cultural = atlas.universal(), atlas.cultural()
    corpus = Corpus(universal, cultural)
    tokenizer = train_tokenizer(units(corpus), letters(corpus))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = build(recipe, tokenizer)
    torch.nn.Module.to(model, device).train()
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=recipe.rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, recipe))
    curve: list[dict[str, float]] = []
    begun, running = time.perf_counter(), 0.0
    shown = ""
    with Bars(quiet=not progress).stage("training", recipe.steps) as advance:
        for step, batch in zip(range(1, recipe.steps + 1), batches(corpus, tokenizer, recipe), strict=False):
            loss = _loss(model, batch, device, full=step > recipe.full_softmax_from * recipe.steps)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            running += loss.item()
            if not math.isfinite(running):
                raise FloatingPointError(f"loss is not finite at step {step}")
            if step % 100 == 0 or step == recipe.steps:
                count = step % 100 or 100
                curve.append({"step": step, "loss": round(running / count, 5)})
                shown = f"loss {running / count:.3f}"
                running = 0.0
            advance(shown)
    out.mkdir(parents=True, exist_ok=True)
    model.cpu().half().eval().save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / FILE).write_text(exposure_table(universal, cultural), encoding="utf-8")
    report: dict[str, object] = {
        "recipe": asdict(recipe),
        "parameters": sum(p.numel() for p in model.parameters()),
        "vocabulary": len(tokenizer),
        "sentences": recipe.steps * recipe.batch,
        "seconds": round(time.perf_counter() - begun),
        "device": device,
        "loss": curve,
    }
    (out / "training.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def _rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then cosine down to a fiftieth."""
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def _loss(model: LlamaForCausalLM, batch: Batch, device: str, full: bool) -> torch.Tensor:
    """Cross-entropy at the targets, over the whole vocabulary or over the batch's targets and its negatives."""
    tokens, targets = batch.tokens.to(device), batch.targets.to(device)
    hidden = model.model(input_ids=tokens, use_cache=False).last_hidden_state[:, :-1]
    keep = targets[:, 1:]
    wanted, hidden = tokens[:, 1:][keep], hidden[keep]
    if full:
        return torch.nn.functional.cross_entropy(model.lm_head(hidden), wanted)
    listed = torch.unique(torch.cat([wanted, batch.negatives.to(device)]))
    return torch.nn.functional.cross_entropy(
        hidden @ model.lm_head.weight[listed].T, torch.searchsorted(listed, wanted)
    )
