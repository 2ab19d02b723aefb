"""Score tasks under plans and keep the result as a table: one row per method, task and option."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from interp.data.tasks import Task
from interp.steering.scoring import OptionScores, score

if TYPE_CHECKING:
    from interp.steering.plans import Plan
    from interp.study.prepare import Study

COLUMNS = (
    "method", "axis", "cue", "language", "item", "cluster",
    "option", "role", "languages", "text", "logp", "tokens", "bytes",
)  # fmt: skip


def score_tasks(study: Study, tasks: Sequence[Task], plan: Plan | None) -> list[OptionScores]:
    """Option scores of each task under one plan."""
    prompts = [task.prompt for task in tasks]
    return score(study.loaded.model, prompts, plan, batch_size=study.config.batch_size, tokens=study.tokens)


def score_table(method: str, tasks: Sequence[Task], scores: Sequence[OptionScores]) -> pd.DataFrame:
    """Rows with COLUMNS; `languages` lists the languages the option's text is written in, joined by blanks."""
    rows = [
        (method, t.axis, t.cue, t.prompt.language, t.prompt.item, t.cluster,
         m.index, m.role, " ".join(sorted(m.languages)), m.text, s.logp[i], s.tokens[i], s.bytes[i])
        for t, s in zip(tasks, scores, strict=True)
        for i, m in enumerate(t.marks)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def confidence(tasks: Sequence[Task], scores: Sequence[OptionScores], role: str, normalisation: str) -> np.ndarray:
    """Per task, the probability of the option of `role` among the task's own options: what choices on dev go by.

    It is a softmax over the normalised scores of options in the task's language, and smoother than accuracy.
    """
    values = np.zeros(len(tasks))
    for k, (task, option_scores) in enumerate(zip(tasks, scores, strict=True)):
        s = option_scores.normalised(normalisation)
        own = np.array([m.index >= 0 and task.prompt.language in m.languages for m in task.marks])
        weights = np.exp(s - s[own].max()) * own
        wanted = np.array([m.role == role for m in task.marks]) & own
        values[k] = weights[wanted].sum() / weights.sum()
    return values
