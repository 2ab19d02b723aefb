"""From the last block's stream to log-likelihoods, without ever holding [row, vocabulary]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int

from interp.model import HookedModel, is_bridge
from interp.model.step._blocks import Unsteppable

CHUNK_CPU, CHUNK_GPU = 2**19, 2**26
"""Logits held at once, rows x words of the vocabulary: what fits a cache on a CPU, what fills a GPU."""


class Words(NamedTuple):
    """The unembedding's rows of some words, and their biases."""

    weight: Float[torch.Tensor, "word d_model"]
    bias: Float[torch.Tensor, " word"] | None


class Unembedding:
    """Final norm, unembedding and a float32 log-softmax in chunks of the vocabulary.

    Raises Unsteppable if the unembedding is no plain matrix.
    """

    def __init__(self, model: HookedModel) -> None:
        self._norm: Any = model.ln_final  # type: ignore[attr-defined]
        self._unembed: Any = model.unembed  # type: ignore[attr-defined]
        self._scale, self._cap = 1.0, None
        if not is_bridge(model):
            cap = model.cfg.output_logits_soft_cap
            self._cap = cap if cap and cap > 0 else None
            return
        linear = self._unembed.original_component
        if not isinstance(linear, torch.nn.Linear) or not linear.weight.is_floating_point():
            raise Unsteppable(f"its unembedding is a {type(linear).__name__}, not a matrix of floating-point numbers")
        if linear.weight.is_meta:
            raise Unsteppable("its unembedding is not in memory")
        text = model.original_model.config.get_text_config()  # type: ignore[attr-defined]
        self._scale = float(getattr(text, "logit_scale", None) or 1.0) / float(
            getattr(text, "logits_scaling", None) or 1.0
        )
        self._cap = getattr(text, "final_logit_softcapping", None)

    @property
    def every(self) -> Words:
        """All words of the vocabulary."""
        linear = getattr(self._unembed, "original_component", None)
        return Words(self._unembed.W_U.T, self._unembed.b_U) if linear is None else Words(linear.weight, linear.bias)

    def words(self, chosen: Int[torch.Tensor, "word"]) -> Words:
        """The rows of some words, copied in float32."""
        weight, bias = self.every
        chosen = chosen.to(weight.device)
        return Words(weight[chosen].float(), None if bias is None else bias[chosen].float())

    def normed(self, hidden: Float[torch.Tensor, "row d_model"]) -> torch.Tensor:
        """The stream after the final norm."""
        return self._norm(hidden)

    def _finished(self, logits: torch.Tensor) -> torch.Tensor:
        if self._scale != 1.0:
            logits = logits * self._scale
        if self._cap is not None:
            logits = (logits / self._cap).tanh() * self._cap
        return logits

    def logits(
        self, normed: Float[torch.Tensor, "row d_model"], words: Words
    ) -> Iterator[tuple[slice, Float[torch.Tensor, "row some_words"]]]:
        """Logits (float32) as the model gives them, scaled and capped: some of the words at a time, and which."""
        weight, bias = words
        stream = normed.to(weight.device, torch.float32)
        step = max(1, (CHUNK_GPU if stream.is_cuda else CHUNK_CPU) // max(1, len(stream)))
        for start in range(0, weight.shape[0], step):
            some = slice(start, start + step)
            part = None if bias is None else bias[some].float()
            yield some, self._finished(torch.nn.functional.linear(stream, weight[some].float(), part))

    def log_sum(self, normed: Float[torch.Tensor, "row d_model"], words: Words) -> Float[torch.Tensor, "row"]:
        """Logarithm of the sum of exp(logit) over words: log Z where they are all words."""
        total = torch.zeros(len(normed), device=words.weight.device)
        top = torch.full_like(total, torch.finfo(total.dtype).min)
        for _, logits in self.logits(normed, words):
            higher = torch.maximum(top, logits.amax(-1))
            total = total * (top - higher).exp_() + logits.sub_(higher[:, None]).exp_().sum(-1)
            top = higher
        return top + total.log_()

    def log_likelihood(
        self,
        normed: Float[torch.Tensor, "row d_model"],
        rows: Int[torch.Tensor, "read"],
        targets: Int[torch.Tensor, "read"],
        log_z: Float[torch.Tensor, "row"] | None = None,
    ) -> Float[torch.Tensor, "read"]:
        """Log-probability (float32) of token `targets[i]` after the stream of row `rows[i]`.

        log_z: the rows' normalisers, where they are estimated; by default they are computed over all words.
        """
        weight, bias = self.every
        total = self.log_sum(normed, self.every) if log_z is None else log_z.to(weight.device)
        stream, rows, targets = (part.to(weight.device) for part in (normed.float(), rows, targets))
        logits = (stream[rows] * weight[targets].float()).sum(-1)
        if bias is not None:
            logits = logits + bias[targets].float()
        return self._finished(logits) - total[rows]
