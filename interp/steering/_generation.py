"""Greedy continuations of prompts under plans: what a model says, in place of what it prefers among options."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import torch
from jaxtyping import Int

from interp.model import HookedModel, LoadedModel, before_unembedding, device_of, hooked
from interp.model.read import (
    Batch,
    Budget,
    Passes,
    Tokens,
    batches,
    out_of_memory,
    side,
    switches_in,
    within_memory,
)
from interp.steering._plans import Plan, check_plan
from interp.steering.engine import ENGINES, Continuation, Engine, Progress, Replay, not_finite, usable_replay

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
    engine: Engine = "replay",
    tokens: Tokens | None = None,
    progress: Progress | None = None,
    **passes: Unpack[Passes],
) -> list[list[Generated]]:
    """Generate a greedy continuation of every text under every plan: `[plan][text]`.

    A continuation ends at an end-of-sequence token, before `stop`, after `max_new_tokens`, or when the model's context
    is full. A plan also steers new tokens; at positions `last` it steers the last prompt token and every later one.
    Results do not depend on the batch. engine: `replay` keeps keys and values, so that a token is read once; if the
    model's blocks can't be stepped safely, it falls back to `reference`, which reads the whole sequence anew for every
    token, with a notice. tokens, progress, passes: as in `score`. Raises ValueError for a plan that doesn't fit the
    model, an unknown engine, and for `max_new_tokens` below 1.
    """
    model = hooked(model)
    check_continuing(model, plans, max_new_tokens, engine)
    encode, finish = tokens or Tokens(model), Finish(model, stop)
    prompts = [encode.prompt(text) for text in texts]
    going_on = Steps(model, prompts, max_new_tokens, finish, engine, Budget(model, **passes))
    return [[finish.generated(new) for new in going_on.last(plan, progress)] for plan in plans]


def check_continuing(model: HookedModel, plans: Sequence[Plan], max_new_tokens: int, engine: Engine) -> None:
    """Raise ValueError for a plan that doesn't fit the model, less than one new token, and an unknown engine."""
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens must be at least 1, got {max_new_tokens}")
    if engine not in ENGINES:
        raise ValueError(f"engine {engine!r} is unknown; allowed: {', '.join(ENGINES)}")
    for plan in plans:
        check_plan(model, plan)


class Steps:
    """Continuations of prompts, one token at a time."""

    def __init__(
        self,
        model: HookedModel,
        prompts: Sequence[tuple[int, ...]],
        most: int,
        finish: Finish,
        engine: Engine,
        budget: Budget,
    ) -> None:
        self._model, self._prompts, self._most = model, prompts, most
        self._finish, self._budget = finish, budget
        self._lengths = [len(prompt) for prompt in prompts]
        self._fronts = [Tokens(model).front(prompt) for prompt in prompts]
        self._switches = switches_in(model)
        replay = usable_replay(model) if engine == "replay" else None
        self._replay = None if any(map(self._crosses, self._lengths)) else replay

    def _crosses(self, length: int) -> bool:
        """Whether a prompt of this length comes to where the model computes a whole row otherwise."""
        return side(length, self._switches) != side(length + self._most, self._switches)

    def last(self, plan: Plan, progress: Progress | None = None) -> list[list[int]]:
        """All new tokens of every prompt."""
        *_, new = [[[] for _ in self._prompts], *self.under(plan, progress)]
        return new

    def under(self, plan: Plan, progress: Progress | None = None) -> Iterator[list[list[int]]]:
        """The new tokens of every prompt under a plan, some of them one more at each step."""
        new: list[list[int]] = [[] for _ in self._prompts]
        stepped = self._anew(plan, new) if self._replay is None else self._kept(self._replay, plan, new)
        for count in stepped:
            if progress:
                progress(count / len(self._prompts) / self._most)
            yield new

    def _goes_on(self, row: int, new: Sequence[int]) -> bool:
        full = self._lengths[row] + len(new) >= int(self._model.cfg.n_ctx)
        return not (self._finish.ended(new) or full or len(new) >= self._most)

    def _kept(self, replay: Replay, plan: Plan, new: list[list[int]]) -> Iterator[int]:
        """Batch after batch, with keys and values kept; how many rows go on at each step.

        A batch that needs too much memory begins again in halves.
        """
        device, budget = device_of(self._model), self._budget

        def rows(length: int) -> int:
            return min(budget.rows(length), budget.kept_rows(length + self._most))

        for whole in batches(self._prompts, self._lengths, rows, device, self._fronts, self._switches):
            waiting = [whole]
            while waiting:
                batch = waiting.pop()
                try:
                    yield from self._together(Continuation(replay, plan, batch, self._most), batch.rows, new)
                except Exception as error:
                    if not out_of_memory(error):
                        raise
                    budget.halve(error)
                    for row in batch.rows:
                        new[row].clear()
                    waiting += batch.halves()

    def _together(self, going: Continuation, rows: Sequence[int], new: list[list[int]]) -> Iterator[int]:
        while True:
            for row, token in zip(rows, going.next(), strict=True):
                new[row].append(token)
            yield len(rows)
            places = [place for place, row in enumerate(rows) if self._goes_on(row, new[row])]
            if not places:
                return
            if len(places) < len(rows):
                going.keep(places)
                rows = [rows[place] for place in places]
            going.read([new[row][-1] for row in rows])

    def _anew(self, plan: Plan, new: list[list[int]]) -> Iterator[int]:
        """The slow twin: every step reads whole sequences, of the rows that go on."""
        model, budget = self._model, self._budget

        def run(batch: Batch) -> list[int]:
            hooks = [*plan.hooks(batch), (before_unembedding(model), _keep_ends(batch))]
            logits = model.run_with_hooks(batch.tokens, return_type="logits", fwd_hooks=hooks)
            best, place = logits[:, 0].float().max(dim=-1)
            if not bool(torch.isfinite(best).all()):
                raise not_finite(plan)
            found: list[int] = place.tolist()
            return found

        going = list(range(len(self._prompts)))
        while going:
            sequences = [(*self._prompts[row], *new[row]) for row in going]
            lengths = [self._lengths[row] for row in going]
            fronts = [self._fronts[row] for row in going]
            whole = batches(sequences, lengths, budget.rows, device_of(model), fronts, self._switches)
            with torch.inference_mode():
                for batch, found in within_memory(whole, run, budget):
                    for place, token in zip(batch.rows, found, strict=True):
                        new[going[place]].append(token)
            yield len(going)
            going = [row for row in going if self._goes_on(row, new[row])]


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
