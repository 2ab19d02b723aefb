"""Greedy continuations of prompts under plans: what a model says, in place of what it prefers among options."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import torch
from jaxtyping import Int

from interp.model import HookedModel, LoadedModel, before_unembedding, device_of, hooked
from interp.model.read import Batch, Budget, Passes, Tokens, batches, switches_in, within_memory
from interp.steering._plans import Plan, check_plan
from interp.steering.engine import Progress

_BYTE = re.compile("<0x[0-9A-F]{2}>")
"""How SentencePiece names a token that is one byte."""


@dataclass(frozen=True)
class Generated:
    """A continuation: its token ids, its text (without special tokens, up to the stop), and whether it ended by itself.

    `ended` is false if `max_new_tokens` cut it off.
    """

    tokens: tuple[int, ...]
    text: str
    ended: bool


def generate(
    model: HookedModel | LoadedModel,
    texts: Sequence[str],
    plans: Sequence[Plan] = (Plan(),),
    *,
    max_new_tokens: int = 16,
    stop: str | None = "\n",
    tokens: Tokens | None = None,
    progress: Progress | None = None,
    **passes: Unpack[Passes],
) -> list[list[Generated]]:
    """Generate a greedy continuation of every text under every plan: `[plan][text]`.

    A continuation ends at an end-of-sequence token, before `stop`, after `max_new_tokens`, or when the model's context
    is full. A plan also steers new tokens; at positions `last` it steers the last prompt token and every later one.
    Results do not depend on the batch. tokens, progress, passes: as in `score`. Raises ValueError for a plan that
    doesn't fit the model, and for `max_new_tokens` below 1.
    """
    model = hooked(model)
    check_continuing(model, plans, max_new_tokens)
    encode = tokens or Tokens(model)
    prompts = [encode.prompt(text) for text in texts]
    budget, finish = Budget(model, **passes), Finish(model, stop)
    found = []
    for plan in plans:
        rows: list[list[int]] = []
        for step in steps(model, prompts, plan, max_new_tokens, finish, budget, progress):
            rows = step
        found.append([finish.generated(new) for new in rows])
    return found


def check_continuing(model: HookedModel, plans: Sequence[Plan], max_new_tokens: int) -> None:
    """Raise ValueError for a plan that doesn't fit the model, and for less than one new token."""
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens must be at least 1, got {max_new_tokens}")
    for plan in plans:
        check_plan(model, plan)


def steps(
    model: HookedModel,
    prompts: Sequence[tuple[int, ...]],
    plan: Plan,
    most: int,
    finish: Finish,
    budget: Budget,
    progress: Progress | None = None,
) -> Iterator[list[list[int]]]:
    """The new tokens of every prompt, one more at each step; a step reads whole sequences anew, of rows that go on."""

    def run(batch: Batch) -> list[int]:
        hooks = [*plan.hooks(batch), (before_unembedding(model), _keep_ends(batch))]
        logits = model.run_with_hooks(batch.tokens, return_type="logits", fwd_hooks=hooks)
        found: list[int] = logits[:, 0].float().argmax(dim=-1).tolist()
        return found

    longest, count = int(model.cfg.n_ctx), Tokens(model).front
    fronts = [count(prompt) for prompt in prompts]
    new: list[list[int]] = [[] for _ in prompts]
    going = list(range(len(prompts)))
    for _ in range(most):
        if not going:
            return
        sequences = [(*prompts[row], *new[row]) for row in going]
        lengths = [len(prompts[row]) for row in going]
        fronted = [fronts[row] for row in going]
        whole = batches(sequences, lengths, budget.rows, device_of(model), fronted, switches_in(model))
        with torch.inference_mode():
            for batch, found in within_memory(whole, run, budget):
                for place, token in zip(batch.rows, found, strict=True):
                    new[going[place]].append(token)
        if progress:
            progress(len(going) / len(prompts) / most)
        going = [row for row in going if not finish.ended(new[row]) and len(prompts[row]) + len(new[row]) < longest]
        yield new


def _keep_ends(batch: Batch) -> Callable[..., torch.Tensor]:
    """A hook that keeps the last real position of each row."""
    ends: Int[torch.Tensor, "batch 1"] = batch.real.sum(dim=1, keepdim=True) - 1

    def hook(stream: torch.Tensor, hook: Any) -> torch.Tensor:
        places = ends.to(stream.device)[..., None]
        return stream.gather(1, places.expand(-1, -1, stream.shape[-1]))

    return hook


class Finish:
    """Where a continuation ends: after a token that ends a sequence, or before a text."""

    def __init__(self, model: HookedModel, stop: str | None) -> None:
        self._tokenizer, self._stop = model.tokenizer, stop
        self._ends = end_tokens(model)

    def ended(self, new: Sequence[int]) -> bool:
        """Whether a continuation has come to its end."""
        return new[-1] in self._ends or (self._stop is not None and self._stop in self._text(new))

    def generated(self, new: Sequence[int]) -> Generated:
        """What there is of a continuation, without a character at its end that is not whole."""
        text = self._whole(new)
        return Generated(tuple(new), text if self._stop is None else text.partition(self._stop)[0], self.ended(new))

    def settled(self, new: Sequence[int]) -> str:
        """The text that no later token changes: without half a character, and without what may begin the stop.

        Where bytes that no word has are tokens of their own, a decoder that finds a wrong one takes back the whole run
        of them: such a run is settled when another token has ended it.
        """
        names = self._tokenizer.convert_ids_to_tokens(list(new))
        whole = len(new)
        while whole and _BYTE.fullmatch(str(names[whole - 1])):
            whole -= 1
        text = self._text(new[:whole]).rstrip("\ufffd")
        if self._stop is None:
            return text
        text = text.partition(self._stop)[0]
        begun = (size for size in range(len(self._stop) - 1, 0, -1) if text.endswith(self._stop[:size]))
        return text[: len(text) - next(begun, 0)]

    def _whole(self, new: Sequence[int]) -> str:
        """The text without the bytes of an unfinished character at its end.

        Where bytes are tokens, the decoder gives up the whole run of them for one that is unfinished. So they are taken
        away one by one, at most the three bytes that a character may begin with and not end.
        """
        text = self._text(new)
        kept = list(new)
        while kept and kept[-1] in self._ends and self._text(kept[:-1]) == text:
            kept.pop()
        names = self._tokenizer.convert_ids_to_tokens(kept[-3:])
        for name in reversed(names):
            if not text.endswith("\ufffd") or not _BYTE.fullmatch(str(name)):
                break
            kept.pop()
            text = self._text(kept)
        return text.rstrip("\ufffd")

    def _text(self, new: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(new), skip_special_tokens=True, clean_up_tokenization_spaces=False))


def end_tokens(model: HookedModel) -> frozenset[int]:
    """Tokens that end a sequence: the tokenizer's, and those of the model's own settings for generation."""
    settings = getattr(getattr(model, "original_model", None), "generation_config", None)
    found = [model.tokenizer.eos_token_id]
    own = getattr(settings, "eos_token_id", None)
    found += own if isinstance(own, (list, tuple)) else [own]
    return frozenset(int(token) for token in found if token is not None)
