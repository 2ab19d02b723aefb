"""Estimates of log Z at the positions of one layout: some words are summed, the rest of the vocabulary is estimated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int

from interp.model.step import Unembedding, Words
from interp.steering.engine._forest import Reads


@dataclass(frozen=True)
class Bound:
    """What a bounded normaliser knows of one layout.

    Z is the sum of exp(logit) over `words`, and the rest: what it was unsteered, times the factor by which the sum over
    the fixed `sample` of its words has changed. rest: log of the unsteered rest over the unsteered sum of the sample,
    for each token of each option. firsts: the first token of each option.
    """

    words: Int[torch.Tensor, "word"]
    sample: Int[torch.Tensor, "word"]
    rest: Float[torch.Tensor, "token"]
    firsts: Int[np.ndarray, "option"]
    _rows: tuple[Unembedding, Words, Words] | None = None

    def on(self, unembedding: Unembedding) -> Bound:
        """The same with a copy of the words' rows of a model's unembedding."""
        return replace(self, _rows=(unembedding, unembedding.words(self.words), unembedding.words(self.sample)))

    def log_z(self, normed: Float[torch.Tensor, "slot d_model"], reads: Sequence[Reads]) -> Float[torch.Tensor, "slot"]:
        """log Z of the slots of some forests, end to end, from their streams after the final norm."""
        assert self._rows is not None, "Bound.on gives it the unembedding"
        unembedding, words, sample = self._rows
        rest = self.rest[np.concatenate([each.numbers(self.firsts) for each in reads])]
        return _sum(unembedding.log_sum(normed, words), unembedding.log_sum(normed, sample), rest)

    def log_z_of_logits(
        self, logits: Float[torch.Tensor, "step vocabulary"], option: int
    ) -> Float[torch.Tensor, "step"]:
        """The same for the tokens of one option, from all logits: slow, for checking the fast path."""
        within, sampled = (logits[:, some.to(logits.device)].logsumexp(-1) for some in (self.words, self.sample))
        first = int(self.firsts[option])
        return _sum(within, sampled, self.rest[first : first + len(logits)])


def _sum(
    within: Float[torch.Tensor, "position"], sampled: Float[torch.Tensor, "position"], rest: torch.Tensor
) -> Float[torch.Tensor, "position"]:
    return torch.logaddexp(within, sampled + rest.to(sampled.device))
