"""Read the residual stream at the last token of each text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float

from interp.model.batching import Batch, Tokens, batches
from interp.model.protocol import HookedModel, NamedHook, device_of, resid_post, resid_pre

Residuals = Float[torch.Tensor, "layer text d_model"]
HooksFor = Callable[[Batch], Sequence[NamedHook]]


@torch.inference_mode()
def read_residuals(
    model: HookedModel, texts: Sequence[str], *, batch_size: int = 64, hooks: HooksFor | None = None
) -> Residuals:
    """Residual stream at each text's last token, [1 + n_layers, text, d_model], float32 on the CPU.

    Row 0 is the embedding output, row l + 1 the stream after block l. `hooks` are applied too (a steered
    model's residuals); a reading hook sees the stream as steered at its own layer.
    """
    tokens = Tokens(model)
    sequences = [tokens(text) for text in texts]
    layers = model.cfg.n_layers
    out = torch.empty(1 + layers, len(texts), model.cfg.d_model)
    for batch in batches(sequences, [len(s) for s in sequences], batch_size, device_of(model)):
        rows = torch.tensor(batch.rows)

        def keep(row: int, batch: Batch = batch, rows: torch.Tensor = rows) -> Callable[..., None]:
            def hook(residual: torch.Tensor, hook: Any) -> None:
                picked = residual[torch.arange(len(rows), device=residual.device), batch.last]
                out[row, rows] = picked.float().cpu()

            return hook

        readers = [(resid_pre(0), keep(0)), *((resid_post(layer), keep(layer + 1)) for layer in range(layers))]
        steering = hooks(batch) if hooks else ()
        model.run_with_hooks(batch.tokens, return_type=None, fwd_hooks=[*steering, *readers])
    return out
