"""Batches of token ids: rows of similar length, right-padded, with every position named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int

from interp.model.protocol import HookedModel


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


def batches(
    sequences: Sequence[Sequence[int]],
    prompt_lengths: Sequence[int],
    batch_size: int,
    device: torch.device | str = "cpu",
) -> Iterator[Batch]:
    """All sequences in batches of at most `batch_size`, similar lengths together; ValueError for an empty one."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    order = sorted(range(len(sequences)), key=lambda i: (len(sequences[i]), i))
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        length = len(sequences[rows[-1]])
        tokens = torch.zeros(len(rows), length, dtype=torch.long)
        real = torch.zeros(len(rows), length, dtype=torch.bool)
        for i, row in enumerate(rows):
            if not 0 < prompt_lengths[row] <= len(sequences[row]):
                raise ValueError(f"sequence {row} has {len(sequences[row])} tokens, its prompt {prompt_lengths[row]}")
            tokens[i, : len(sequences[row])] = torch.tensor(sequences[row])
            real[i, : len(sequences[row])] = True
        last = torch.tensor([prompt_lengths[row] - 1 for row in rows])
        yield Batch(tuple(rows), tokens.to(device), real.to(device), last.to(device))


class Tokens:
    """Token ids of texts, each encoded once; special tokens as the tokenizer itself adds them."""

    def __init__(self, model: HookedModel) -> None:
        self._tokenizer = model.tokenizer
        self._known: dict[str, tuple[int, ...]] = {}

    def __call__(self, text: str) -> tuple[int, ...]:
        """Ids of a text."""
        if text not in self._known:
            self._known[text] = tuple(self._tokenizer(text)["input_ids"])
        return self._known[text]

    def split(self, prompt: str, ending: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Ids of the prompt, and the ids that `ending` adds to them (as lm-evaluation-harness splits them)."""
        context = self(prompt)
        whole = self(prompt + ending)
        return whole[: len(context)], whole[len(context) :]
