"""Prompts and options as token ids: each context once, with what is to be read after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from interp.data import Prompt, option_text
from interp.model.read import Ids, Tokens


@dataclass(frozen=True)
class Stem:
    """A context's tokens, and the token ids of every option read after it with the option's number.

    front: how many special tokens stand in front of the context; all of them, where it has no other.
    """

    context: Ids
    endings: tuple[tuple[int, Ids], ...]
    front: int = 0


@dataclass(frozen=True)
class Layout:
    """Stems of all prompts; options are numbered through all prompts, `starts[p]` is the first of prompt p.

    tokens, bytes: length of each option: its tokens after the context, and the UTF-8 bytes of its text alone.
    """

    stems: tuple[Stem, ...]
    starts: Int[np.ndarray, "prompts_and_end"]
    tokens: Float[np.ndarray, "option"]
    bytes: Float[np.ndarray, "option"]

    @property
    def firsts(self) -> Int[np.ndarray, "option"]:
        """The first token of each option, where the tokens of all options are numbered through."""
        return np.concatenate([[0], np.cumsum(self.tokens)[:-1]]).astype(np.int64)


def tokenise(prompts: Sequence[Prompt], tokens: Tokens) -> Layout:
    """Contexts and endings of prompts, equal contexts together; ValueError for an option that adds no token.

    All options of a prompt have one context: the tokens that prompt and options share (see `Tokens.split`).
    """
    contexts: dict[Ids, list[tuple[int, Ids]]] = {}
    starts, counts, sizes = [0], list[int](), list[int]()
    for prompt in prompts:
        context, endings = tokens.split(prompt.text, prompt.continuations)
        for text, ending in zip(prompt.continuations, endings, strict=True):
            if not ending or tokens(prompt.text + text) == tokens(prompt.text):
                raise ValueError(f"continuation {text!r} of item {prompt.item!r} adds no token to its prompt")
            contexts.setdefault(context, []).append((len(counts), ending))
            counts.append(len(ending))
            sizes.append(len(option_text(text).encode()))
        starts.append(len(counts))
    stems = tuple(Stem(context, tuple(endings), tokens.front(context)) for context, endings in contexts.items())
    return Layout(stems, np.array(starts), np.array(counts, dtype=float), np.array(sizes, dtype=float))


def shared_prefix(stems: Sequence[Stem]) -> int:
    """How many first tokens all contexts have in common; the last token of each is never counted."""
    contexts = [stem.context for stem in stems]
    first, last = min(contexts), max(contexts)
    shortest = min(len(context) for context in contexts) - 1
    common = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return min(common, shortest)
