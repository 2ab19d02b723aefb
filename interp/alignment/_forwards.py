"""Forwards of Transformers models that compute what a loss needs and no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.alignment._encoding import answers
from interp.alignment._lora import Decoder
from interp.alignment._losses import answer_logp, before_answers, token_logp
from interp.model.read import Batch
from interp.model.step import Stop

if TYPE_CHECKING:
    from peft import PeftModel


@dataclass(frozen=True)
class AnswerTokens:
    """Log-probabilities of all answer tokens of a batch, row by row, and whose they are."""

    logp: Float[Tensor, "token"]
    rows: Int[Tensor, "token"]
    count: int

    def per_row(self) -> Float[Tensor, "row"]:
        """Log-probability of each whole answer."""
        return answer_logp(self.logp, self.rows, self.count)


class Adapted:
    """A model with LoRA weights and the blocks of its decoder."""

    def __init__(self, model: PeftModel, decoder: Decoder) -> None:
        self.model, self.decoder = model, decoder
        base: Any = model.get_base_model()
        self._head: torch.nn.Module = base.get_output_embeddings()

    def answers(self, batch: Batch) -> AnswerTokens:
        """The answers' log-probabilities; other positions are never unembedded."""
        inside = answers(batch)
        keep = before_answers(inside)

        def select(module: torch.nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return (args[0][keep.to(args[0].device)], *args[1:])

        handle = self._head.register_forward_pre_hook(select)
        try:
            logits = self._run(batch).logits
        finally:
            handle.remove()
        targets = batch.tokens[inside].to(logits.device)
        return AnswerTokens(token_logp(logits, targets), inside.nonzero()[:, 0].to(logits.device), len(batch.rows))

    def residuals(self, batch: Batch, layers: Sequence[int]) -> dict[int, Float[Tensor, "batch pos d_model"]]:
        """The residual stream after blocks; the forward ends at the last of them."""
        residuals: dict[int, Tensor] = {}
        last = max(layers)

        def reader(layer: int) -> Any:
            def hook(module: torch.nn.Module, args: Any, output: Any) -> None:
                residuals[layer] = output[0] if isinstance(output, tuple) else output
                if layer == last:
                    raise Stop

            return hook

        handles = [self.decoder.blocks[layer].register_forward_hook(reader(layer)) for layer in layers]
        try:
            with suppress(Stop):
                self._run(batch)
        finally:
            for handle in handles:
                handle.remove()
        return residuals

    def _run(self, batch: Batch) -> Any:
        return self.model(input_ids=batch.tokens, attention_mask=batch.real.long(), use_cache=False)

    @contextmanager
    def as_base(self) -> Iterator[None]:
        """The base model in evaluation mode, without gradients."""
        training = self.model.training
        self.model.eval()
        try:
            with torch.no_grad(), self.model.disable_adapter():
                yield
        finally:
            self.model.train(training)

    def trainable(self) -> Mapping[str, torch.nn.Parameter]:
        """The LoRA weights by name."""
        return {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}
