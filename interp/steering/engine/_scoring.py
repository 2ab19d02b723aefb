"""Option log-likelihoods under plans, the reference path: one plain forward per prompt and plan, steered by hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
import torch
from jaxtyping import Float

from interp.model import HookedModel, NamedHook, before_unembedding, device_of
from interp.model.read import Batch, Budget, Passes, batches, switches_in, within_memory
from interp.steering import Plan
from interp.steering.engine._bound import Bound
from interp.steering.engine._layout import Layout

Progress = Callable[[float], None]


@torch.inference_mode()
def reference_logp(
    model: HookedModel,
    layout: Layout,
    plans: Sequence[Plan],
    *,
    progress: Progress | None = None,
    bound: Bound | None = None,
    **passes: Unpack[Passes],
) -> Float[np.ndarray, "plan option"]:
    """Summed log-likelihood (float32) of every option under every plan. bound: log Z is estimated by it."""
    rows = Rows.of(layout)
    budget = Budget(model, **passes)
    found = np.zeros((len(plans), len(layout.tokens)), dtype=np.float32)
    for p, plan in enumerate(plans):

        def run(batch: Batch, plan: Plan = plan) -> dict[int, float]:
            return rows.logp(model, batch, plan.hooks(batch), bound)

        for batch, logp in within_memory(rows.batches(budget, model), run, budget):
            found[p, list(logp)] = list(logp.values())
            if progress:
                progress(len(batch.rows) / len(rows.sequences))
    return found


@dataclass(frozen=True)
class Rows:
    """What is run and what is read from it.

    A row is a context with all but the last token of an ending; endings that share such a row (all of one token, say)
    are read from it together. lengths: of the contexts. fronts: special tokens in front. reads: each row's options and
    their endings.
    """

    sequences: tuple[tuple[int, ...], ...]
    lengths: tuple[int, ...]
    fronts: tuple[int, ...]
    reads: tuple[tuple[tuple[int, tuple[int, ...]], ...], ...]

    @classmethod
    def of(cls, layout: Layout) -> Rows:
        """The rows of a layout."""
        rows: dict[tuple[tuple[int, ...], int, int], list[tuple[int, tuple[int, ...]]]] = {}
        for stem in layout.stems:
            for option, ending in stem.endings:
                row = ((*stem.context, *ending[:-1]), len(stem.context), stem.front)
                rows.setdefault(row, []).append((option, ending))
        sequences, lengths, fronts = zip(*rows, strict=True) if rows else ((), (), ())
        return cls(sequences, lengths, fronts, tuple(map(tuple, rows.values())))

    def batches(self, budget: Budget, model: HookedModel) -> Iterator[Batch]:
        """All rows in batches for a model, on its device."""
        return batches(self.sequences, self.lengths, budget.rows, device_of(model), self.fronts, switches_in(model))

    def logp(
        self, model: HookedModel, batch: Batch, hooks: Sequence[NamedHook], bound: Bound | None = None
    ) -> dict[int, float]:
        """Log-likelihoods of a batch's options, by their numbers, under forward hooks.

        Only the positions that predict an ending are unembedded.
        """
        most = max(len(ending) for row in batch.rows for _, ending in self.reads[row])
        last = (before_unembedding(model), _keep_endings(batch, most))
        logits = model.run_with_hooks(batch.tokens, return_type="logits", fwd_hooks=[*hooks, last]).float()
        total = logits.logsumexp(-1)
        found = {}
        for i, row in enumerate(batch.rows):
            for option, ending in self.reads[row]:
                steps = torch.arange(len(ending))
                log_z = bound.log_z_of_logits(logits[i, steps], option) if bound else total[i, steps]
                found[option] = float((logits[i, steps, list(ending)] - log_z).sum())
        return found


def _keep_endings(batch: Batch, longest: int) -> Callable[..., torch.Tensor]:
    """A hook that keeps each row's last prompt position and `longest` - 1 after it (clamped to the row)."""
    positions = batch.last[:, None] + torch.arange(longest, device=batch.last.device)
    positions = positions.clamp_max(batch.tokens.shape[1] - 1)

    def hook(stream: torch.Tensor, hook: Any) -> torch.Tensor:
        return stream.gather(1, positions[..., None].to(stream.device).expand(-1, -1, stream.shape[-1]))

    return hook
