"""A bounded normaliser: log-likelihoods over the words that carry the mass, the rest of the vocabulary estimated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int

from interp.data.prompts import Prompt
from interp.model.batching import Tokens
from interp.model.protocol import HookedModel
from interp.model.tokenizer import Ids
from interp.steering.layout import tokenise

MASS, MOST_WORDS, SAMPLE = 0.98, 2**14, 2**11
"""Share of the probability that the words are to carry, unsteered, in the mean over positions; how many words there are
at most, besides the options' own; and how many of the others are looked at to see how a plan moves them."""

Place = tuple[Ids, Ids]
"""A position that is read: the context, and the tokens of an ending in front of it."""


@dataclass(frozen=True)
class BoundedNormaliser:
    """Words shared by the positions of some prompts, and how much the others hold unsteered, position by position.

    words: those that carry the mass, every option's tokens among them. sample: some of the others, drawn in proportion
    to their mean unsteered probability. rest: log of the summed exponentials of all others, unsteered; of the sample
    alone, each by one over its probability of being drawn: seen. Under a plan the rest is taken to change as the
    sample does (a ratio estimate).
    """

    words: Int[torch.Tensor, "word"]
    sample: Int[torch.Tensor, "sampled"]
    weights: Float[torch.Tensor, "sampled"]
    rest: Float[torch.Tensor, "place"]
    seen: Float[torch.Tensor, "place"]
    _places: dict[Place, int] = field(repr=False)

    def at(self, places: Sequence[Place]) -> Int[torch.Tensor, "place"]:
        """The numbers of places. Raises ValueError for one that the normaliser was not made for."""
        try:
            return torch.tensor([self._places[place] for place in places], dtype=torch.long)
        except KeyError:
            raise ValueError(
                "a prompt is none of those that the bounded normaliser was made for; make one with all of them"
            ) from None

    def total(
        self,
        known: Float[torch.Tensor, "row word"],
        sampled: Float[torch.Tensor, "row sampled"],
        at: Int[torch.Tensor, "row"],
    ) -> Float[torch.Tensor, "row"]:
        """log Z (nats) of positions, of the logits of `words` and of `sample` there."""
        inside = known.logsumexp(-1)
        if not len(self.sample):
            return inside
        device = known.device
        moved = (sampled + self.weights.to(device)).logsumexp(-1) - self.seen.to(device)[at]
        return torch.logaddexp(inside, self.rest.to(device)[at] + moved)


@torch.inference_mode()
def bounded_normaliser(
    model: HookedModel,
    prompts: Sequence[Prompt],
    *,
    memory: int | str | None = None,
    batch_size: int | None = None,
    tokens: Tokens | None = None,
    mass: float = MASS,
    most: int = MOST_WORDS,
    seed: int = 0,
) -> BoundedNormaliser | None:
    """The normaliser of prompts, by one exact pass of the unsteered model; None where the model can't be replayed.

    mass, most: see MASS; the words are those of the largest mean probability. seed: of the sample of the others.
    """
    from interp.steering.engine import usable_replay

    replay = usable_replay(model)
    if replay is None:
        return None
    layout = tokenise(prompts, tokens or Tokens(model))
    places, normed = replay.unsteered(layout, memory=memory, batch_size=batch_size)
    total, mean = replay.unembedding.masses(normed)
    own = {token for stem in layout.stems for _, ending in stem.endings for token in ending}
    order = mean.argsort(descending=True, stable=True)
    enough = int((mean[order].cumsum(0) < mass).sum()) + 1
    words = torch.tensor(sorted({*order[: min(most, enough)].tolist(), *own}), dtype=torch.long)
    sample, weights = _drawn(mean, words, seed)
    inside = replay.unembedding.logits(normed, words).logsumexp(-1)
    # The rest by subtraction: never below what float32 can tell from nothing.
    share = (-torch.expm1((inside - total).clamp_max(0.0))).clamp_min(1e-7)
    seen = (replay.unembedding.logits(normed, sample) + weights.to(normed.device)).logsumexp(-1)
    numbers = {place: number for number, place in enumerate(places)}
    return BoundedNormaliser(words, sample, weights, (total + share.log()).cpu(), seen.cpu(), numbers)


def _drawn(mean: torch.Tensor, words: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """SAMPLE of the words outside, by mean probability without replacement; log of one over each one's chance."""
    left = mean.clone().double()
    left[words] = 0.0
    n = min(SAMPLE, int((left > 0).sum()))
    if not n:
        return torch.zeros(0, dtype=torch.long), torch.zeros(0)
    generator = torch.Generator().manual_seed(seed)
    sample = torch.multinomial(left.cpu(), n, generator=generator).sort().values
    chance = (n * left.cpu()[sample] / left.sum().cpu()).clamp_max(1.0)
    return sample, (-chance.log()).float()
