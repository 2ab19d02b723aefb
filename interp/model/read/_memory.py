"""How much memory a pass may take, and what to do when it takes more."""

from __future__ import annotations

import warnings
from typing import Any, TypedDict

import torch

from interp.errors import ModelError, Notice
from interp.model import HookedModel, device_of
from interp.model.read._sizes import parse_memory

SHARE_OF_GPU = 0.25
ON_CPU = 2**30
CPU_TOKENS, GPU_TOKENS = 1024, 2**15
"""Tokens of one block call beyond which a call gets no faster."""

SMALLEST = 2**22
"""A budget below this is not halved."""


class Passes(TypedDict, total=False):
    """How much goes through the model in one forward pass. Results do not depend on it.

    memory: bytes for activations, or a size such as `8GiB`; by default 1 GiB on a CPU and a quarter of a GPU's memory.
    batch_size: prompts per pass; by default as many as the memory holds.
    """

    memory: int | str | None
    batch_size: int | None


class Budget:
    """Bytes that the activations of a pass may take; the model's weights come on top. Arguments as in `Passes`.

    The default does not depend on what is free, so that a run repeats.
    """

    def __init__(self, model: HookedModel, memory: int | str | None = None, batch_size: int | None = None) -> None:
        if isinstance(memory, str):
            memory = parse_memory(memory)
        if batch_size is not None and (not isinstance(batch_size, int) or batch_size < 1):
            raise ValueError(f"batch_size {batch_size!r} is not allowed; allowed: whole numbers from 1")
        device = device_of(model)
        cfg = model.cfg
        self.cuda = device.type == "cuda"
        if memory is None:
            total = torch.cuda.get_device_properties(device).total_memory if self.cuda else 0
            memory = int(total * SHARE_OF_GPU) if self.cuda else ON_CPU
        self.bytes, self.batch_size = memory, batch_size
        self._cap = GPU_TOKENS if self.cuda else CPU_TOKENS
        width = torch.finfo(cfg.dtype).bits // 8 if isinstance(getattr(cfg, "dtype", None), torch.dtype) else 4
        self.stream_bytes = cfg.d_model * max(width, 4)
        self._wide = 3 * int(getattr(cfg, "d_mlp", 0) or 4 * cfg.d_model) + 10 * cfg.d_model
        self._heads = int(cfg.n_heads)
        key_heads = int(getattr(cfg, "n_key_value_heads", None) or cfg.n_heads)
        self._kept_bytes = 2 * cfg.n_layers * key_heads * cfg.d_head * max(width, 2)

    def tokens(self, length: int) -> int:
        """Tokens of one block call, for rows that read `length` keys: a quarter of the budget."""
        per_token = 4 * (self._wide + 3 * self._heads * length)
        return max(1, min(self._cap, self.bytes // 4 // per_token))

    def streams(self, tokens: int) -> int:
        """How many streams over `tokens` tokens may be held at once: half of the budget, each kept twice."""
        return max(1, self.bytes // 2 // (2 * tokens * self.stream_bytes))

    def rows(self, length: int) -> int:
        """Rows of `length` tokens in one call."""
        return self.batch_size or max(1, self.tokens(length) // length)

    def kept_rows(self, length: int) -> int:
        """Rows of `length` tokens whose keys and values of every block half of the budget holds."""
        return self.batch_size or max(1, self.bytes // 2 // (length * self._kept_bytes))

    def halve(self, error: BaseException) -> None:
        """Take half from now on, with a notice; raises ModelError if there is nothing left to halve."""
        if self.bytes < SMALLEST:
            raise ModelError(
                "out of memory with a single prompt at a time",
                remedy="free some memory, load the model in bfloat16, or use a device with more memory",
            ) from error
        self.bytes //= 2
        self._cap = max(1, self._cap // 2)
        warnings.warn(
            f"out of memory: continuing with {self.bytes / 2**20:.0f} MiB per pass (set by --memory)",
            Notice,
            stacklevel=2,
        )


def out_of_memory(error: Any) -> bool:
    """Whether an error says that memory ran out, on a GPU or on the CPU."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
