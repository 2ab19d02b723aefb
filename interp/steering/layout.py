"""Prompts and options as token ids: each context once, with what is to be read behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from interp.data.prompts import Prompt
from interp.model.batching import Tokens


@dataclass(frozen=True)
class Stem:
    """A prompt's tokens, and the token ids of every option read behind it with the option's number.

    front: how many special tokens stand in front of the prompt; all of them, where it has no other.
    """

    context: tuple[int, ...]
    endings: tuple[tuple[int, tuple[int, ...]], ...]
    front: int = 0


@dataclass(frozen=True)
class Layout:
    """Stems of all prompts; options are numbered through all prompts, `starts[p]` is the first of prompt p."""

    stems: tuple[Stem, ...]
    starts: Int[np.ndarray, "prompts_and_end"]
    tokens: Float[np.ndarray, "option"]
    bytes: Float[np.ndarray, "option"]


def tokenise(prompts: Sequence[Prompt], tokens: Tokens) -> Layout:
    """Contexts and endings of prompts, equal contexts together; ValueError for an option that adds no token."""
    found: dict[tuple[int, ...], list[tuple[int, tuple[int, ...]]]] = {}
    starts, counts, sizes = [0], list[int](), list[int]()
    for prompt in prompts:
        for text in prompt.continuations:
            context, ending = tokens.split(prompt.text, text)
            if not ending:
                raise ValueError(f"continuation {text!r} of item {prompt.item!r} adds no token to its prompt")
            found.setdefault(context, []).append((len(counts), ending))
            counts.append(len(ending))
            sizes.append(len(text.encode()))
        starts.append(len(counts))
    stems = tuple(Stem(context, tuple(endings), tokens.front(context)) for context, endings in found.items())
    return Layout(stems, np.array(starts), np.array(counts, dtype=float), np.array(sizes, dtype=float))


def shared_prefix(stems: Sequence[Stem]) -> int:
    """How many first tokens all contexts have in common; the last token of each is never counted."""
    contexts = [stem.context for stem in stems]
    first, last = min(contexts), max(contexts)
    shortest = min(len(context) for context in contexts) - 1
    common = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return min(common, shortest)
