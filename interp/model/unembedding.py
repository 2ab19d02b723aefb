"""From the last block's stream to log-likelihoods, without ever holding [row, vocabulary]."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int

from interp.model.blocks import Unsteppable
from interp.model.protocol import HookedModel, is_bridge

CHUNK_CPU, CHUNK_GPU = 2**19, 2**26
"""Logits held at once, rows x words of the vocabulary: what fits a cache on a CPU, what fills a GPU."""


class Unembedding:
    """Final norm, unembedding and a float32 log-softmax in chunks of the vocabulary.

    Raises Unsteppable where the unembedding is no plain matrix.
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
    ) -> Float[torch.Tensor, "read"]:
        """Log-probability (float32) of token `targets[i]` after the stream of row `rows[i]`."""
        weight, bias = self._matrix()
        stream, rows, targets = (part.to(weight.device) for part in (normed.float(), rows, targets))
        step = max(1, (CHUNK_GPU if stream.is_cuda else CHUNK_CPU) // max(1, len(stream)))
        total = torch.full((len(stream),), -torch.inf, device=stream.device)
        for start in range(0, weight.shape[0], step):
            part = None if bias is None else bias[start : start + step].float()
            logits = torch.nn.functional.linear(stream, weight[start : start + step].float(), part)
            total = torch.logaddexp(total, self._finished(logits).logsumexp(-1))
        wanted = (stream[rows] * weight[targets].float()).sum(-1)
        if bias is not None:
            wanted = wanted + bias[targets].float()
        return self._finished(wanted) - total[rows]
