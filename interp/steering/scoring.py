"""Option log-likelihoods, the reference path: one plain forward per prompt, steered by hooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from interp.data.prompts import Prompt
from interp.model.batching import Batch, Tokens, batches
from interp.model.protocol import HookedModel, device_of
from interp.steering.plans import Plan, check_plan

NORMALISATIONS = ("bytes", "sum", "mean")


@dataclass(frozen=True)
class OptionScores:
    """Scores of one prompt's continuations: summed log-likelihood, number of tokens and of UTF-8 bytes of each."""

    logp: Float[np.ndarray, "option"]
    tokens: Float[np.ndarray, "option"]
    bytes: Float[np.ndarray, "option"]

    def normalised(self, normalisation: str = "bytes") -> Float[np.ndarray, "option"]:
        """Log-likelihood per byte (`bytes`), per token (`mean`) or in all (`sum`)."""
        if normalisation not in NORMALISATIONS:
            raise ValueError(f"normalisation {normalisation!r} is unknown; allowed: {', '.join(NORMALISATIONS)}")
        if normalisation == "sum":
            return self.logp
        return self.logp / (self.bytes if normalisation == "bytes" else self.tokens)


@torch.inference_mode()
def score(
    model: HookedModel,
    prompts: Sequence[Prompt],
    plan: Plan | None = None,
    *,
    batch_size: int = 64,
    tokens: Tokens | None = None,
) -> list[OptionScores]:
    """Log-likelihood (float32) of every continuation of every prompt under one plan.

    A row of a batch is a prompt with all but the last token of a continuation; continuations that share
    such a row (all of one token, say) are read from it together. Only the positions that predict a
    continuation are unembedded. Results do not depend on the batch. `tokens` saves encoding the same texts
    again. Raises ValueError for a continuation that adds no token.
    """
    plan, tokens = plan or Plan(), tokens or Tokens(model)
    check_plan(model, plan)
    index: dict[tuple[tuple[int, ...], int], int] = {}
    reads: list[list[tuple[int, int, tuple[int, ...]]]] = []
    for p, prompt in enumerate(prompts):
        for c, text in enumerate(prompt.continuations):
            context, ending = tokens.split(prompt.text, text)
            if not ending:
                raise ValueError(f"continuation {text!r} of item {prompt.item!r} adds no token to its prompt")
            row = index.setdefault(((*context, *ending[:-1]), len(context)), len(index))
            if row == len(reads):
                reads.append([])
            reads[row].append((p, c, ending))
    keys = list(index)
    logp = [np.zeros(len(prompt.continuations), dtype=np.float32) for prompt in prompts]
    count = [np.zeros(len(prompt.continuations)) for prompt in prompts]
    for batch in batches([k[0] for k in keys], [k[1] for k in keys], batch_size, device_of(model)):
        longest = max(len(reads[row][0][2]) for row in batch.rows)
        hooks = [*plan.hooks(batch), (_before_unembedding(model), _keep_endings(batch, longest))]
        logits = model.run_with_hooks(batch.tokens, return_type="logits", fwd_hooks=hooks)
        total = logits.float().logsumexp(-1)
        for i, row in enumerate(batch.rows):
            for p, c, ending in reads[row]:
                steps = torch.arange(len(ending))
                logp[p][c] = float((logits[i, steps, list(ending)].float() - total[i, steps]).sum())
                count[p][c] = len(ending)
    return [
        OptionScores(logp[p], count[p], np.array([len(t.encode()) for t in prompt.continuations], dtype=float))
        for p, prompt in enumerate(prompts)
    ]


def _before_unembedding(model: HookedModel) -> str:
    """The last hook that has a position axis and no vocabulary axis."""
    return "unembed.hook_in" if "unembed.hook_in" in model.hook_dict else "ln_final.hook_normalized"


def _keep_endings(batch: Batch, longest: int) -> Callable[..., torch.Tensor]:
    """A hook that keeps each row's last prompt position and `longest` - 1 after it (clamped to the row)."""
    positions = batch.last[:, None] + torch.arange(longest, device=batch.last.device)
    positions = positions.clamp_max(batch.tokens.shape[1] - 1)

    def hook(stream: torch.Tensor, hook: Any) -> torch.Tensor:
        return stream.gather(1, positions[..., None].expand(-1, -1, stream.shape[-1]))

    return hook
