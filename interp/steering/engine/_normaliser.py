"""A bounded normaliser: log Z from the words that carry the mass, several times as fast as from a whole vocabulary.

It is made by one exact unsteered pass. It is good enough to rank plans in a search; what a report says of a method is
scored exactly. Our definition.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Unpack

import numpy as np
import torch
from jaxtyping import Float, Int

from interp.data import Prompt
from interp.errors import ModelError
from interp.model import HookedModel
from interp.model.read import Budget, Ids, Passes, Switches, Tokens, side, switches_in
from interp.model.step import Unembedding
from interp.steering import Plan
from interp.steering.engine._bound import Bound
from interp.steering.engine._engine import usable_replay
from interp.steering.engine._layout import Layout, tokenise
from interp.steering.engine._replay import Replay
from interp.steering.engine._walk import Ends

MASS = 0.98
"""Of the unsteered probability, mean over the positions that are read: what the summed words hold."""

MOST_WORDS = 16_384
"""The most words that are summed for their mass; options' tokens come on top."""

SAMPLE = 2_048
"""Words drawn from the rest."""

SEED = 0
ROWS = 1024
"""Positions unembedded together, of some words."""

HELD = 2**24
"""Logits of whole vocabularies held at once."""

Position = tuple[Ids, int]
"""The tokens read so far, and on which side of the model's switches their row is."""


@dataclass(frozen=True)
class BoundedNormaliser:
    """Estimates log Z at known positions: the sum over `words`, plus an estimate for the other words (see `Bound`).

    words: token ids, ascending. sample: fixed random sample of the other words. share: unsteered probability of
    `words`, mean over the positions. rest: at each position, log of the unsteered remaining mass over the sample's sum.
    """

    words: Int[np.ndarray, "word"]
    sample: Int[np.ndarray, "word"]
    share: float
    rest: Mapping[Position, float] = field(repr=False)
    _model: weakref.ref[HookedModel] = field(repr=False)

    @property
    def unembedded(self) -> int:
        """Number of words that are unembedded at each position."""
        return len(self.words) + len(self.sample)

    def bound(self, model: HookedModel, layout: Layout) -> Bound:
        """What it knows of a layout; raises ValueError for another model, or a position that it was not made with."""
        if self._model() is not model:
            raise ValueError("the normaliser was made for another model; make one with bounded_normaliser")
        try:
            rest = [self.rest[position] for position in _positions(layout, switches_in(model))]
        except KeyError:
            raise ValueError(
                "the normaliser was made without some of these prompts; make it with all prompts to be scored"
            ) from None
        return Bound(
            torch.from_numpy(self.words),
            torch.from_numpy(self.sample),
            torch.tensor(rest, dtype=torch.float32),
            layout.firsts,
        )


@torch.inference_mode()
def bounded_normaliser(
    model: HookedModel,
    prompts: Sequence[Prompt],
    *,
    mass: float = MASS,
    most_words: int = MOST_WORDS,
    sample: int = SAMPLE,
    seed: int = SEED,
    also: Float[np.ndarray, "word"] | None = None,
    tokens: Tokens | None = None,
    **passes: Unpack[Passes],
) -> BoundedNormaliser:
    """Make a bounded normaliser for prompts. Any of them can then be scored with it under any plans.

    It sums the most likely words of the unsteered model that together have the probability `mass` (mean over the
    positions that are read; at most `most_words`), and every token of every option. `sample` words are drawn from the
    others. also: the `unsteered_mass` of other prompts; the words are then chosen by the mean of both. tokens, passes:
    as in `score`. Raises ModelError for a model that replay can't score, because nothing would be saved, and ValueError
    for a mass outside 0 to 1 or fewer than 1 sampled word.
    """
    if not 0 <= mass <= 1 or sample < 1 or most_words < 0:
        raise ValueError(
            f"mass {mass:g}, sample {sample} and most_words {most_words} are not allowed; allowed: a mass "
            "from 0 to 1, a sample of at least 1, most_words of at least 0"
        )
    replay = _replayed(model)
    layout, switches = tokenise(prompts, tokens or Tokens(model)), switches_in(model)
    known, streams = _read(replay, layout, _positions(layout, switches), **passes)
    share, log_z = _unsteered(replay.unembedding, streams)
    ranked = share if also is None else (share + also) / 2
    options = {token for stem in layout.stems for _, ending in stem.endings for token in ending}
    words = np.union1d(_heaviest(ranked, mass, most_words), np.array(sorted(options), dtype=np.int64))
    others = np.setdiff1d(np.arange(len(share)), words)
    drawn = np.sort(np.random.default_rng(seed).permutation(others)[:sample])
    rest = _rest(replay.unembedding, streams, log_z, words, drawn)
    return BoundedNormaliser(
        words, drawn, float(share[words].sum()), dict(zip(known, rest.tolist(), strict=True)), weakref.ref(model)
    )


@torch.inference_mode()
def unsteered_mass(
    model: HookedModel,
    prompts: Sequence[Prompt],
    *,
    tokens: Tokens | None = None,
    **passes: Unpack[Passes],
) -> Float[np.ndarray, "word"]:
    """Unsteered probability of each word, as the mean over the prompts' positions that are read; for `also`.

    Raises ModelError for a model that replay can't score.
    """
    replay = _replayed(model)
    layout = tokenise(prompts, tokens or Tokens(model))
    _, streams = _read(replay, layout, _positions(layout, switches_in(model)), **passes)
    return _unsteered(replay.unembedding, streams)[0]


def _replayed(model: HookedModel) -> Replay:
    replay = usable_replay(model)
    if replay is None:
        raise ModelError(
            "a bounded normaliser saves nothing with this model, because the model can't be replayed",
            remedy="score without one",
        )
    return replay


def _read(
    replay: Replay, layout: Layout, positions: Sequence[Position], **passes: Unpack[Passes]
) -> tuple[list[Position], Float[torch.Tensor, "position d_model"]]:
    """The different positions of a layout, in order, and their unsteered streams after the final norm."""
    streams: dict[Position, torch.Tensor] = {}

    def take(ends: Ends, done: float) -> None:
        forest, ((_, nodes),) = ends
        rows, tips = forest.reads.rows.to(nodes.device), forest.reads.tips.to(nodes.device)
        normed = replay.unembedding.normed(nodes[rows, tips])
        for number, stream in zip(forest.reads.numbers(layout.firsts), normed, strict=True):
            streams.setdefault(positions[number], stream)

    replay.walk(layout, [Plan()], take, Budget(replay.model, **passes))
    if not streams:
        raise ValueError("a bounded normaliser needs at least one prompt with an option")
    known = sorted(streams)
    return known, torch.stack([streams[position] for position in known])


def _positions(layout: Layout, switches: Switches) -> list[Position]:
    """Where each token of each option is predicted, options end to end."""
    found: list[Position] = [((), 0)] * int(layout.tokens.sum())
    for stem in layout.stems:
        for option, ending in stem.endings:
            place = side(len(stem.context) + len(ending) - 1, switches)
            for step in range(len(ending)):
                found[layout.firsts[option] + step] = ((*stem.context, *ending[:step]), place)
    return found


def _unsteered(
    unembedding: Unembedding, streams: Float[torch.Tensor, "position d_model"]
) -> tuple[Float[np.ndarray, "word"], Float[torch.Tensor, "position"]]:
    """Each word's probability, mean over the positions; and log Z at each."""
    share = torch.zeros(len(unembedding.every.weight), dtype=torch.float64)
    parts = []
    for rows in streams.split(max(1, HELD // len(share))):
        logits = torch.cat([part for _, part in unembedding.logits(rows, unembedding.every)], dim=1)
        log_z = logits.logsumexp(-1)
        share += (logits - log_z[:, None]).exp_().sum(0, dtype=torch.float64).cpu()
        parts.append(log_z)
    return np.asarray(share.numpy() / len(streams)), torch.cat(parts)


def _rest(
    unembedding: Unembedding,
    streams: Float[torch.Tensor, "position d_model"],
    log_z: Float[torch.Tensor, "position"],
    words: Int[np.ndarray, "word"],
    sample: Int[np.ndarray, "word"],
) -> Float[torch.Tensor, "position"]:
    """log of the sum of exp(logit) over all but `words`, minus that over `sample`; -inf where `words` are all words.

    The first is Z less the sum over `words`: what float32 loses of a small rest is lost of Z too.
    """
    if not len(sample):
        return torch.full((len(streams),), -torch.inf)
    summed, sampled = (unembedding.words(torch.from_numpy(some)) for some in (words, sample))
    parts = []
    for rows, total in zip(streams.split(ROWS), log_z.split(ROWS), strict=True):
        within = (unembedding.log_sum(rows, summed) - total).double().exp()
        parts.append((total + (1 - within).clamp_min(0).log() - unembedding.log_sum(rows, sampled)).float())
    return torch.cat(parts).cpu()


def _heaviest(share: Float[np.ndarray, "word"], mass: float, most: int) -> Int[np.ndarray, "word"]:
    """The likeliest words that together hold `mass`, at most `most`; all for a mass of 1. Ties go by number."""
    order = np.argsort(-share, kind="stable")
    enough = len(order) if mass == 1 else int(np.searchsorted(np.cumsum(share[order]), mass)) + (mass > 0)
    return order[: min(most, enough)]
