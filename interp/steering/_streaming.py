"""Continuations as they come: the tokens of `generate`, the text in pieces that are never taken back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Unpack

from interp.model import HookedModel, LoadedModel, hooked
from interp.model.read import Budget, Passes, Tokens
from interp.steering._generation import Finish, Generated, Steps, check_continuing
from interp.steering._plans import Plan
from interp.steering.engine import Engine


@dataclass(frozen=True)
class Piece:
    """A new piece of one side's continuation. The last piece of a side, whose text may be empty, also has the `whole`.

    The pieces of a side join to `whole.text`. No piece ends in the middle of a character.
    """

    side: int
    text: str
    whole: Generated | None = None


def stream(
    model: HookedModel | LoadedModel,
    texts: Sequence[str],
    plans: Sequence[Plan],
    *,
    max_new_tokens: int = 16,
    stop: str | None = "\n",
    engine: Engine = "replay",
    tokens: Tokens | None = None,
    **passes: Unpack[Passes],
) -> Iterator[Piece]:
    """Stream greedy continuations side by side, token by token: side i is `texts[i]` under `plans[i]`.

    Results, errors and the other arguments are as in `generate`. Each piece is computed when it is requested. Raises
    ValueError if the number of plans differs from the number of texts.
    """
    model = hooked(model)
    if len(texts) != len(plans):
        raise ValueError(f"there must be one plan per text, got {len(texts)} texts and {len(plans)} plans")
    check_continuing(model, plans, max_new_tokens, engine)
    encode, finish, budget = tokens or Tokens(model), Finish(model, stop), Budget(model, **passes)
    sides = [
        Steps(model, [encode.prompt(text)], max_new_tokens, finish, engine, budget).under(plan)
        for text, plan in zip(texts, plans, strict=True)
    ]
    return _pieces(sides, finish)


def _pieces(sides: Sequence[Iterator[list[list[int]]]], finish: Finish) -> Iterator[Piece]:
    told = [""] * len(sides)
    new: list[list[int]] = [[] for _ in sides]
    going = list(range(len(sides)))
    while going:
        for side in list(going):
            rows = next(sides[side], None)
            if rows is None:
                going.remove(side)
                whole = finish.generated(new[side])
                yield Piece(side, whole.text[len(told[side]) :], whole)
                continue
            [new[side]] = rows
            text = finish.settled(new[side])[len(told[side]) :]
            if text:
                told[side] += text
                yield Piece(side, text)
