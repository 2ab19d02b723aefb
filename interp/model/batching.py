"""Batches of token ids: rows of similar length, right-padded, with every position named."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Bool, Int

from interp.errors import ModelError
from interp.model.kinds import check_ids
from interp.model.memory import Budget, out_of_memory
from interp.model.protocol import HookedModel
from interp.model.switches import Switches, side

Result = TypeVar("Result")


@dataclass(frozen=True)
class Batch:
    """Right-padded rows; pads stand behind every real token, so that a causal model never reads them.

    rows: index of each row in the sequence that was batched. last: position of each row's last prompt token.
    """

    rows: tuple[int, ...]
    tokens: Int[torch.Tensor, "batch pos"]
    real: Bool[torch.Tensor, "batch pos"]
    last: Int[torch.Tensor, "batch"]

    def from_last(self) -> Bool[torch.Tensor, "batch pos"]:
        """The last prompt token and every real token after it."""
        positions = torch.arange(self.tokens.shape[1], device=self.tokens.device)
        return self.real & (positions[None, :] >= self.last[:, None])

    def halves(self) -> list[Batch]:
        """The same rows in two batches; a single row stays as it is."""
        middle = (len(self.rows) + 1) // 2
        parts = [slice(0, middle), slice(middle, None)] if middle < len(self.rows) else [slice(None)]
        return [Batch(self.rows[part], self.tokens[part], self.real[part], self.last[part]) for part in parts]


def batches(
    sequences: Sequence[Sequence[int]],
    prompt_lengths: Sequence[int],
    batch_size: int | Callable[[int], int],
    device: torch.device | str = "cpu",
    switches: Switches = (),
) -> Iterator[Batch]:
    """All sequences in batches, similar lengths together, the longest first; ValueError for an empty one.

    batch_size: most rows of a batch, or what gives that number for the batch's length. switches: those of the model
    (`switches_in`); a batch's rows are all on the same side of each.
    """
    rows_of = batch_size if callable(batch_size) else lambda length: batch_size
    order = sorted(range(len(sequences)), key=lambda i: (-len(sequences[i]), i))
    start = 0
    while start < len(order):
        length = len(sequences[order[start]])
        size = rows_of(length)
        if size < 1:
            raise ValueError(f"batch_size must be at least 1, got {size}")
        place = side(length, switches)
        rows = [row for row in order[start : start + size] if side(len(sequences[row]), switches) == place]
        start += len(rows)
        tokens = torch.zeros(len(rows), length, dtype=torch.long)
        real = torch.zeros(len(rows), length, dtype=torch.bool)
        for i, row in enumerate(rows):
            if not 0 < prompt_lengths[row] <= len(sequences[row]):
                raise ValueError(f"sequence {row} has {len(sequences[row])} tokens, its prompt {prompt_lengths[row]}")
            tokens[i, : len(sequences[row])] = torch.tensor(sequences[row])
            real[i, : len(sequences[row])] = True
        last = torch.tensor([prompt_lengths[row] - 1 for row in rows])
        yield Batch(tuple(rows), tokens.to(device), real.to(device), last.to(device))


def within_memory(
    batches: Iterable[Batch], run: Callable[[Batch], Result], budget: Budget
) -> Iterator[tuple[Batch, Result]]:
    """What `run` makes of every batch; one that takes too much memory is halved, with a notice."""
    for whole in batches:
        waiting = [whole]
        while waiting:
            batch = waiting.pop()
            try:
                found = run(batch)
            except Exception as error:
                if not out_of_memory(error):
                    raise
                budget.halve(error)
                waiting += batch.halves()
                continue
            yield batch, found


class Tokens:
    """Token ids of texts, each encoded once; special tokens as the tokenizer itself adds them, but never two BOS."""

    def __init__(self, model: HookedModel) -> None:
        self._tokenizer = model.tokenizer
        self._longest = int(model.cfg.n_ctx)
        self._rows = int(getattr(model.cfg, "d_vocab", 0)) or sys.maxsize
        self._known: dict[str, tuple[int, ...]] = {}

    def __call__(self, text: str) -> tuple[int, ...]:
        """Ids of a text; those of an empty one are BOS, or EOS where there is no BOS.

        Raises ModelError for a text that is longer than the model's context or has a token without an embedding.
        """
        if text not in self._known:
            ids = tuple(self._tokenizer(text)["input_ids"])
            begin = self._tokenizer.bos_token_id
            if len(ids) > 1 and begin is not None and ids[:2] == (begin, begin):  # a chat template writes its own
                ids = ids[1:]
            if len(ids) > self._longest:
                raise ModelError(
                    f"a text of {len(ids)} tokens does not fit the model's context: {text[:60]!r}...",
                    allowed=f"{self._longest} tokens",
                    remedy="shorten it (--shots, a conversation), or choose another dataset or model",
                )
            check_ids(self._tokenizer, ids, self._rows)
            self._known[text] = ids or self._start()
        return self._known[text]

    def _start(self) -> tuple[int, ...]:
        able = (self._tokenizer.bos_token_id, self._tokenizer.eos_token_id)
        return tuple(token for token in able if token is not None)[:1]

    def split(self, prompt: str, ending: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Ids of the prompt, and the ids that `ending` adds to them (as lm-evaluation-harness splits them)."""
        context = self(prompt)
        whole = self(prompt + ending)
        if not prompt and whole[: len(context)] != context:
            return context, whole
        return whole[: len(context)], whole[len(context) :]
