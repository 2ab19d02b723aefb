"""From the last block's stream to log-likelihoods, without ever holding [row, vocabulary]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from jaxtyping import Float, Int

from interp.model.blocks import Unsteppable
from interp.model.protocol import HookedModel, is_bridge

CHUNK_CPU, CHUNK_GPU = 2**19, 2**26
"""Logits held at once, rows x words of the vocabulary: what fits a cache on a CPU, what fills a GPU."""


KEPT = 4
"""How many sets of words have their part of the matrix kept."""


class Normaliser(Protocol):
    """What gives log Z from the logits of some words."""

    @property
    def words(self) -> Int[torch.Tensor, "word"]:
        """The words that carry the mass."""

    @property
    def sample(self) -> Int[torch.Tensor, "sampled"]:
        """Some of the others."""

    def total(self, known: torch.Tensor, sampled: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        """log Z of rows, of the logits of `words` and of `sample`; `at`: their numbers."""


class Unembedding:
    """Final norm, unembedding and a float32 log-softmax in chunks of the vocabulary.

    Raises Unsteppable where the unembedding is no plain matrix.
    """

    def __init__(self, model: HookedModel) -> None:
        self._norm: Any = model.ln_final  # type: ignore[attr-defined]
        self._unembed: Any = model.unembed  # type: ignore[attr-defined]
        self._scale, self._cap = 1.0, None
        self._kept: dict[int, tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None]] = {}
        if not is_bridge(model):
            cap = model.cfg.output_logits_soft_cap
            self._cap = cap if cap and cap > 0 else None
            return
        linear = self._unembed.original_component
        if not isinstance(linear, torch.nn.Linear) or not linear.weight.is_floating_point():
            raise Unsteppable(f"its unembedding is a {type(linear).__name__}, not a matrix of floats")
        if linear.weight.is_meta:
            raise Unsteppable("its unembedding is not in memory")
        text = model.original_model.config.get_text_config()  # type: ignore[attr-defined]
        self._scale = float(getattr(text, "logit_scale", None) or 1.0) / float(
            getattr(text, "logits_scaling", None) or 1.0
        )
        self._cap = getattr(text, "final_logit_softcapping", None)

    def _matrix(self) -> tuple[Float[torch.Tensor, "word d_model"], Float[torch.Tensor, " word"] | None]:
        linear = getattr(self._unembed, "original_component", None)
        return (self._unembed.W_U.T, self._unembed.b_U) if linear is None else (linear.weight, linear.bias)

    def normed(self, hidden: Float[torch.Tensor, "row d_model"]) -> torch.Tensor:
        """The stream behind the final norm."""
        return self._norm(hidden)

    def _finished(self, logits: torch.Tensor) -> torch.Tensor:
        if self._scale != 1.0:
            logits = logits * self._scale
        if self._cap is not None:
            logits = (logits / self._cap).tanh() * self._cap
        return logits

    def log_likelihood(
        self,
        normed: Float[torch.Tensor, "row d_model"],
        rows: Int[torch.Tensor, "read"],
        targets: Int[torch.Tensor, "read"],
        bound: tuple[Normaliser, Int[torch.Tensor, "row"]] | None = None,
    ) -> Float[torch.Tensor, "read"]:
        """Log-probability (float32) of token `targets[i]` after the stream of row `rows[i]`.

        bound: a normaliser in place of the whole vocabulary, and each row's number there.
        """
        weight, bias = self._matrix()
        stream, rows, targets = (part.to(weight.device) for part in (normed.float(), rows, targets))
        if bound is None:
            total = self._log_total(stream)
        else:
            normaliser, at = bound
            known, sampled = (self.logits(stream, words) for words in (normaliser.words, normaliser.sample))
            total = normaliser.total(known, sampled, at.to(stream.device))
        wanted = (stream[rows] * weight[targets].float()).sum(-1)
        if bias is not None:
            wanted = wanted + bias[targets].float()
        return self._finished(wanted) - total[rows]

    def logits(
        self, normed: Float[torch.Tensor, "row d_model"], words: Int[torch.Tensor, "word"]
    ) -> Float[torch.Tensor, "row word"]:
        """Logits (float32) of some words."""
        weight, bias = self._some(words)
        return self._finished(torch.nn.functional.linear(normed.float(), weight, bias))

    def masses(
        self, normed: Float[torch.Tensor, "row d_model"]
    ) -> tuple[Float[torch.Tensor, "row"], Float[torch.Tensor, "word"]]:
        """log Z of every row, and every word's probability in the mean over rows."""
        stream = normed.float().to(self._matrix()[0].device)
        total = self._log_total(stream)
        mean = [(logits - total[:, None]).exp().mean(0) for logits in self._chunks(stream)]
        return total, torch.cat(mean).cpu()

    def _log_total(self, stream: Float[torch.Tensor, "row d_model"]) -> Float[torch.Tensor, "row"]:
        """log of the summed exponentials over the whole vocabulary."""
        total = torch.full((len(stream),), -torch.inf, device=stream.device)
        for logits in self._chunks(stream):
            total = torch.logaddexp(total, logits.logsumexp(-1))
        return total

    def _chunks(self, stream: Float[torch.Tensor, "row d_model"]) -> Iterator[Float[torch.Tensor, "row word"]]:
        """Logits of the vocabulary, some words at a time."""
        weight, bias = self._matrix()
        step = max(1, (CHUNK_GPU if stream.is_cuda else CHUNK_CPU) // max(1, len(stream)))
        for start in range(0, weight.shape[0], step):
            part = None if bias is None else bias[start : start + step].float()
            yield self._finished(torch.nn.functional.linear(stream, weight[start : start + step].float(), part))

    def _some(self, words: Int[torch.Tensor, "word"]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Rows of the matrix, and of the bias, that are kept for the words asked for last."""
        known = self._kept.get(id(words))
        weight, bias = self._matrix()
        if known is None or known[0] is not words or known[1] is not weight:
            while len(self._kept) >= KEPT:
                self._kept.pop(next(iter(self._kept)))
            at = words.to(weight.device)
            some = weight[at].float(), None if bias is None else bias[at].float()
            known = self._kept[id(words)] = (words, weight, *some)
        return known[2], known[3]
