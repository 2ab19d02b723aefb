"""TransformerLens' bridge: its analysis tools, and logits at the last token of each prompt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from interp.errors import ModelError
from interp.model import HookedModel, NamedHook, device_of, is_bridge
from interp.model.read import Batch, Ids, Tokens, batches, switches_in


def analysis() -> Any:
    """TransformerLens' analysis tools; raises ModelError for a version that lacks them.

    They are imported here because that takes many seconds, and a dry run, which loads this module, needs none of them.
    """
    try:
        from transformer_lens.tools import analysis
    except ImportError as error:
        raise ModelError(
            "attribution needs TransformerLens' analysis tools, which this version lacks",
            allowed="transformer-lens 4",
            remedy="upgrade transformer-lens",
        ) from error
    return analysis


def require_bridge(model: HookedModel) -> Any:
    """The model, if TransformerLens' analysis tools take it; raises ModelError otherwise."""
    analysis()
    if not is_bridge(model):
        raise ModelError(
            f"attribution does not work with a {type(model).__name__}",
            allowed="a TransformerBridge",
            remedy="load the model with load_model under transformer-lens 4",
        )
    return model


def batched(model: HookedModel, texts: Sequence[str | Ids], batch_size: int) -> Iterator[Batch]:
    """Prompts, or their token ids, as batches."""
    tokens = Tokens(model)
    sequences = [tokens.prompt(text) for text in texts]
    lengths = [len(sequence) for sequence in sequences]
    return batches(sequences, lengths, batch_size, device_of(model), switches=switches_in(model))


def run_last(model: HookedModel, batch: Batch) -> Float[torch.Tensor, "batch vocab"]:
    """Logits at each row's last prompt token; no other position is unembedded."""

    def keep(stream: torch.Tensor, hook: Any) -> torch.Tensor:
        return stream[torch.arange(len(stream), device=stream.device), batch.last.to(stream.device)][:, None]

    hooks: list[NamedHook] = [("unembed.hook_in", keep)]
    logits: torch.Tensor = model.run_with_hooks(batch.tokens, return_type="logits", fwd_hooks=hooks)
    return logits[:, 0]


@torch.inference_mode()
def last_logits(
    model: HookedModel, texts: Sequence[str | Ids], columns: Sequence[Sequence[int]], batch_size: int = 64
) -> list[Float[np.ndarray, " column"]]:
    """Logits (float32) of some tokens, `columns[i]` for text i, at each text's last token."""
    out: list[np.ndarray] = [np.empty(0)] * len(texts)
    for batch in batched(model, texts, batch_size):
        logits = run_last(model, batch)
        for j, i in enumerate(batch.rows):
            out[i] = logits[j, list(columns[i])].float().cpu().numpy()
    return out


def differences(
    model: HookedModel, texts: Sequence[str | Ids], better: Sequence[int], worse: Sequence[int], batch_size: int = 64
) -> Float[np.ndarray, " prompt"]:
    """The logit of `better` minus that of `worse` at each text's last token."""
    logits = last_logits(model, texts, list(zip(better, worse, strict=True)), batch_size)
    return np.array([first - second for first, second in logits], dtype=np.float64)
