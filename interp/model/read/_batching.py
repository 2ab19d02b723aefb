"""Batches of token ids: rows of similar length, right-padded, with every position named."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Int
from torch.nn.utils.rnn import pad_sequence

from interp.data import ChatText
from interp.errors import ModelError
from interp.model import HookedModel, device_of
from interp.model.load import check_ids
from interp.model.read._memory import Budget, out_of_memory
from interp.model.read._switches import Switches, side
from interp.model.read._tokenizer import Around, Ids

Result = TypeVar("Result")


@dataclass(frozen=True)
class Batch:
    """A batch of right-padded rows. Padding follows all real tokens, so a causal model never reads it.

    rows: index of each row in the sequence that was batched. last: position of each row's last prompt token. front:
    number of special tokens before each row's text; None if it was not counted.
    """

    rows: tuple[int, ...]
    tokens: Int[torch.Tensor, "batch pos"]
    real: Bool[torch.Tensor, "batch pos"]
    last: Int[torch.Tensor, "batch"]
    front: Int[torch.Tensor, "batch"] | None = None

    def from_last(self) -> Bool[torch.Tensor, "batch pos"]:
        """The last prompt token and every real token after it."""
        positions = torch.arange(self.tokens.shape[1], device=self.tokens.device)
        return self.real & (positions[None, :] >= self.last[:, None])

    def text(self) -> Bool[torch.Tensor, "batch pos"]:
        """Every real token after the special tokens in front. Raises ValueError if these were not counted."""
        if self.front is None:
            raise ValueError("this batch does not record how many special tokens precede each text")
        positions = torch.arange(self.tokens.shape[1], device=self.tokens.device)
        return self.real & (positions[None, :] >= self.front[:, None])

    def at(self, positions: str) -> Bool[torch.Tensor, "batch pos"]:
        """Where a steer at `positions` acts: `all` real tokens, the `text`'s, or those from the `last` on."""
        if positions == "all":
            return self.real
        return self.text() if positions == "text" else self.from_last()

    def halves(self) -> list[Batch]:
        """The same rows in two batches; a single row stays as it is."""
        middle = (len(self.rows) + 1) // 2
        parts = [slice(0, middle), slice(middle, None)] if middle < len(self.rows) else [slice(None)]
        return [
            Batch(
                self.rows[part], self.tokens[part], self.real[part], self.last[part],
                None if self.front is None else self.front[part],
            )
            for part in parts
        ]  # fmt: skip


def batches(
    sequences: Sequence[Sequence[int]],
    prompt_lengths: Sequence[int],
    batch_size: int | Callable[[int], int],
    device: torch.device | str = "cpu",
    fronts: Sequence[int] | None = None,
    switches: Switches = (),
) -> Iterator[Batch]:
    """Split sequences into batches of similar length, the longest first. Raises ValueError for an empty sequence.

    batch_size: largest number of rows in a batch, or a function that gives it for the batch's length. fronts: number of
    special tokens before each sequence (`Tokens.front`); without it a batch can't be steered at positions `text`.
    switches: those of the model (`switches_in`); all rows of a batch are on the same side of each.
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
        for row in rows:
            if not 0 < prompt_lengths[row] <= len(sequences[row]):
                raise ValueError(f"sequence {row} has {len(sequences[row])} tokens, its prompt {prompt_lengths[row]}")
        tokens = pad_sequence([torch.tensor(sequences[row]) for row in rows], batch_first=True)
        real = torch.arange(length) < torch.tensor([len(sequences[row]) for row in rows])[:, None]
        last = torch.tensor([prompt_lengths[row] - 1 for row in rows])
        front = None if fronts is None else torch.tensor([fronts[row] for row in rows]).to(device)
        yield Batch(tuple(rows), tokens.to(device), real.to(device), last.to(device), front)


def collate(
    sequences: Sequence[Sequence[int]],
    prompt_lengths: Sequence[int],
    device: torch.device | str = "cpu",
    fronts: Sequence[int] | None = None,
) -> Batch:
    """One batch in the order given; arguments as in `batches`."""
    (batch,) = batches(sequences, prompt_lengths, len(sequences), device, fronts)
    back = torch.tensor(batch.rows, device=batch.tokens.device).argsort()
    front = None if batch.front is None else batch.front[back]
    return Batch(tuple(range(len(sequences))), batch.tokens[back], batch.real[back], batch.last[back], front)


def one_batch(model: HookedModel, texts: Sequence[str]) -> Batch:
    """One batch of prompts on the model's device, in the given order, for your own forward pass under `steered`."""
    tokens = Tokens(model)
    sequences = [tokens(text) for text in texts]
    lengths, fronts = [len(ids) for ids in sequences], [tokens.front(ids) for ids in sequences]
    return collate(sequences, lengths, device_of(model), fronts)


def within_memory(
    batches: Iterable[Batch], run: Callable[[Batch], Result], budget: Budget
) -> Iterator[tuple[Batch, Result]]:
    """Call `run` on every batch. A batch that needs too much memory is halved, with a notice."""
    for whole in batches:
        waiting = [whole]
        while waiting:
            batch = waiting.pop()
            try:
                result = run(batch)
            except Exception as error:
                if not out_of_memory(error):
                    raise
                budget.halve(error)
                waiting += batch.halves()
                continue
            yield batch, result


def special_ids(tokenizer: Any) -> frozenset[int]:
    """Ids that stand for no text: those that the tokenizer names special or marks as such, but for `<unk>`."""
    marked = {token for token, added in getattr(tokenizer, "added_tokens_decoder", {}).items() if added.special}
    named = ("bos_token_id", "eos_token_id", "pad_token_id", "cls_token_id", "sep_token_id")
    roles = {getattr(tokenizer, name, None) for name in named}
    return frozenset((marked | set(tokenizer.all_special_ids)) - ({tokenizer.unk_token_id} - roles))


class Tokens:
    """Token ids of texts. Each text is encoded once, by the model's tokenizer.

    A text from a chat template (`ChatText`) gets no special tokens, and a plain text that already begins with the
    special tokens doesn't get them twice.
    """

    def __init__(self, model: HookedModel) -> None:
        self._tokenizer = model.tokenizer
        self._longest = int(model.cfg.n_ctx)
        self._rows = int(getattr(model.cfg, "d_vocab", 0)) or sys.maxsize
        self._known: dict[tuple[str, bool], Ids] = {}
        self._alone: dict[str, Ids] = {}
        self._around = Around.of(model.tokenizer)
        self._special = special_ids(model.tokenizer)

    def __call__(self, text: str) -> Ids:
        """Ids of a whole text; those of an empty one are BOS, or EOS where there is no BOS.

        Raises ModelError for a text that is longer than the model's context or has a token without an embedding.
        """
        bare = isinstance(text, ChatText)
        if (text, bare) not in self._known:
            ids = tuple(self._tokenizer(text, add_special_tokens=not bare)["input_ids"])
            front = self._around.front
            if front and not bare and ids[len(front) : 2 * len(front)] == front:
                ids = ids[len(front) :]
            if len(ids) > self._longest:
                raise ModelError(
                    f"a text of {len(ids)} tokens is longer than the model's context: {text[:60]!r}...",
                    allowed=f"{self._longest} tokens",
                    remedy="shorten it (--shots, a conversation), or choose another dataset or model",
                )
            check_ids(self._tokenizer, ids, self._rows)
            self._known[text, bare] = ids or self._start()
        return self._known[text, bare]

    def prompt(self, text: str | Ids) -> Ids:
        """Ids of a text that is to go on: without what the tokenizer puts after a text (EOS, where it does).

        Ids are taken as they are.
        """
        if not isinstance(text, str):
            return text
        ids, behind = self(text), self._around.behind
        if behind and not isinstance(text, ChatText):
            ids = ids[: len(ids) - len(behind)]
        return ids or self._start()

    def split(self, prompt: str, endings: Sequence[str]) -> tuple[Ids, list[Ids]]:
        """The context that all endings of a prompt are scored after, and each ending's ids.

        The context is the longest beginning that the prompt's ids share with those of prompt and ending, encoded as
        one text, for every ending. Where no token joins the prompt with an ending it is the whole prompt. Where nothing
        is shared it is BOS, or EOS where there is no BOS; ModelError for a tokenizer that has neither. Special tokens
        that the tokenizer puts after a text (EOS, where it does) belong to the ending.
        """
        own, wholes = self.prompt(prompt), [self(prompt + ending) for ending in endings]
        shared = min((_shared(own, whole) for whole in wholes), default=len(own))
        if shared:
            return own[:shared], [whole[shared:] for whole in wholes]
        if not self._start():
            raise ModelError(
                f"the prompt {prompt[:60]!r} shares no token with its continuations, and the tokenizer has no "
                "BOS or EOS to put in front",
                allowed="prompts of more than one token",
                remedy="choose another model, or a --normalisation other than sentence",
            )
        return self._start(), wholes

    def text(self, text: str) -> Ids:
        """Ids of a text alone, without special tokens around it; none for one that the vocabulary can't express."""
        if text not in self._alone:
            self._alone[text] = tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])
        return self._alone[text]

    def front(self, ids: Sequence[int]) -> int:
        """How many special tokens stand in front of a text's other tokens: BOS, and what a chat template opens with.

        Ids of unknown text (`<unk>`) stand for text, although tokenizers count them among their special ones.
        """
        return next((place for place, token in enumerate(ids) if token not in self._special), len(ids))

    def _start(self) -> Ids:
        able = (self._tokenizer.bos_token_id, self._tokenizer.eos_token_id)
        return tuple(token for token in able if token is not None)[:1]


def _shared(first: Ids, second: Ids) -> int:
    """How many ids two sequences have in common from the start."""
    pairs = zip(first, second, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))
