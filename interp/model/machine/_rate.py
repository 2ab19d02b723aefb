"""How fast a device is: operations per second in matrix products, seconds per token in a block of a model."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from transformers import AutoModel


def matmul_rate(
    device: torch.device | str, dtype: torch.dtype, sizes: tuple[int, int, int] | None = None, seconds: float = 1.0
) -> float:
    """Floating-point operations per second of a product [a, b] x [b, c]: the median of many within `seconds`.

    sizes: (a, b, c); without them a square of 2,048, of 8,192 on a GPU, or of 256 in half precision on a CPU, where a
    product takes hundreds of times as long.
    """
    place = torch.device(device)
    side = 8192 if place.type == "cuda" else 2048 if dtype in (torch.float32, torch.float64) else 256
    rows, inner, outer = sizes or (side, side, side)
    a = torch.randn(rows, inner, device=place, dtype=dtype)
    b = torch.randn(inner, outer, device=place, dtype=dtype)
    return 2.0 * rows * inner * outer / _median_seconds(lambda: a @ b, place, seconds)


SLOW = 5
"""Calls so slow that five of them take this many times as long as they should are timed fewer times."""

BLOCKS, WORDS = 2, 512
"""Blocks and vocabulary of what `block_rate` times."""


@torch.inference_mode()
def block_rate(
    config: Any, device: torch.device | str, dtype: torch.dtype, tokens: int, length: int, seconds: float = 1.0
) -> float:
    """Seconds that one token takes in one block: of a model of two blocks and random weights, of the config's sizes.

    A call has about `tokens` tokens in rows of `length`. The embedding and the final norm are counted in.
    """
    place = torch.device(device)
    small = copy.deepcopy(config.get_text_config(decoder=True))
    n_layers = int(small.num_hidden_layers)
    for name, value in small.to_dict().items():
        if isinstance(value, (list, tuple)) and len(value) == n_layers:
            setattr(small, name, value[:BLOCKS])  # what is said of each block
    small.num_hidden_layers, small.vocab_size, small.pad_token_id = BLOCKS, WORDS, 0
    with torch.random.fork_rng(devices=[]), place:
        model = AutoModel.from_config(small, dtype=dtype, attn_implementation="eager").eval()
    ids = torch.randint(WORDS, (max(1, tokens // length), length), device=place)
    spent = _median_seconds(lambda: model(ids, use_cache=False), place, seconds)
    return spent / (ids.numel() * BLOCKS)


def _median_seconds(work: Callable[[], object], place: torch.device, seconds: float) -> float:
    """The median of many calls within `seconds`, after one to warm up."""
    work()
    took: list[float] = []
    while sum(took) < seconds or (len(took) < 5 and sum(took) < SLOW * seconds):
        _wait(place)
        begun = time.perf_counter()
        work()
        _wait(place)
        took.append(time.perf_counter() - begun)
    return float(np.median(took))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
