"""Log-likelihoods of options under plans, and how they are normalised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from interp.data import NORMALISATIONS, Prompt


@dataclass(frozen=True)
class Scores:
    """Scores of every option of every prompt under every plan.

    logp: summed log-likelihood (float32). tokens, bytes: length of each option in tokens and in UTF-8 bytes. starts:
    the options of prompt p are `starts[p]` to `starts[p + 1]`. neutral: log-likelihood of each option after the neutral
    prompt, under the same plan; None if it was not scored. prompts: the prompts that were scored.
    """

    logp: Float[np.ndarray, "plan option"]
    tokens: Float[np.ndarray, "option"]
    bytes: Float[np.ndarray, "option"]
    starts: Int[np.ndarray, "prompts_and_end"]
    neutral: Float[np.ndarray, "plan option"] | None = None
    prompts: tuple[Prompt, ...] = ()

    def frame(self) -> pd.DataFrame:
        """A table with one row per plan, prompt and option.

        Columns: plan (its number), item, language, option (text), logp, tokens, bytes. Raises ValueError if the scores
        were made without prompts.
        """
        if len(self.prompts) != len(self.starts) - 1:
            raise ValueError("these scores were made without their prompts")
        options = [
            (prompt.item, prompt.language, ending.strip()) for prompt in self.prompts for ending in prompt.continuations
        ]
        table = pd.DataFrame(options, columns=["item", "language", "option"])
        parts = [table.assign(logp=logp, tokens=self.tokens, bytes=self.bytes) for logp in self.logp]
        found = pd.concat(parts, ignore_index=True)
        found.insert(0, "plan", np.repeat(np.arange(len(self.logp)), len(table)))
        return found

    def of(self, prompt: int, plan: int = 0) -> Float[np.ndarray, "option"]:
        """Log-likelihoods of one prompt's options under one plan."""
        return self.logp[plan, self.starts[prompt] : self.starts[prompt + 1]]

    def normalised(self, normalisation: str = "bytes") -> Float[np.ndarray, "plan option"]:
        """Log-likelihood per byte (`bytes`), per token (`mean`, `sentence`), or in all; minus `neutral` under `pmi`.

        Raises ValueError for an unknown normalisation, and for `pmi` without `neutral`.
        """
        lengths = {"bytes": self.bytes, "mean": self.tokens, "sentence": self.tokens}
        if normalisation not in NORMALISATIONS:
            raise ValueError(f"normalisation {normalisation!r} is unknown; allowed: {', '.join(NORMALISATIONS)}")
        if normalisation == "pmi":
            if self.neutral is None:
                raise ValueError("normalisation 'pmi' needs the options' scores after the neutral prompt")
            return np.asarray(self.logp - self.neutral)
        return self.logp / lengths[normalisation] if normalisation in lengths else self.logp
