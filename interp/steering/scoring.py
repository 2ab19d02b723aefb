"""Option log-likelihoods, the reference path: one plain forward per prompt, steered by hooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from interp.data.prompts import Prompt
from interp.model.batching import Tokens, batches
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
    model: HookedModel, prompts: Sequence[Prompt], plan: Plan | None = None, *, batch_size: int = 64
) -> list[OptionScores]:
    """Log-likelihood (float32) of every continuation of every prompt under one plan.

    A row of a batch is a prompt with all but the last token of a continuation; continuations that share
    such a row (all of one token, say) are read from it together. Results do not depend on the batch.
    Raises ValueError for a continuation that adds no token.
    """
    plan = plan or Plan()
    check_plan(model, plan)
    tokens = Tokens(model)
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
        logits = model.run_with_hooks(batch.tokens, return_type="logits", fwd_hooks=plan.hooks(batch))
        for i, row in enumerate(batch.rows):
            start, longest = int(batch.last[i]), max(len(ending) for _, _, ending in reads[row])
            table = logits[i, start : start + longest].float().log_softmax(-1).cpu().numpy()
            for p, c, ending in reads[row]:
                logp[p][c] = table[np.arange(len(ending)), list(ending)].sum()
                count[p][c] = len(ending)
    return [
        OptionScores(logp[p], count[p], np.array([len(t.encode()) for t in prompt.continuations], dtype=float))
        for p, prompt in enumerate(prompts)
    ]
