"""Score tasks under plans and keep the result as a table: one row per method, task and option."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Float

from interp.data.tasks import Task
from interp.steering.engine import score
from interp.steering.scores import Scores

if TYPE_CHECKING:
    from interp.steering.plans import Plan
    from interp.study.prepare import Study

COLUMNS = (
    "method", "axis", "cue", "language", "item", "cluster",
    "option", "role", "own", "languages", "text", "logp", "tokens", "bytes",
)  # fmt: skip


def score_tasks(
    study: Study, tasks: Sequence[Task], plans: Sequence[Plan], progress: Callable[[float], None] | None = None
) -> Scores:
    """Scores of every task's options under every plan."""
    config = study.config
    return score(
        study.loaded.model, [task.prompt for task in tasks], plans, engine=config.engine, memory=config.memory,
        batch_size=config.batch_size, tokens=study.tokens, progress=progress,
    )  # fmt: skip


class ScoreTables:
    """Tables with COLUMNS, one per plan; `languages` lists the languages the option's text is written in."""

    def __init__(self, tasks: Sequence[Task], scores: Scores) -> None:
        rows = [
            (t.axis, t.cue, t.prompt.language, t.prompt.item, t.cluster,
             m.index, m.role, m.own, " ".join(sorted(m.languages)), m.text)
            for t in tasks
            for m in t.marks
        ]  # fmt: skip
        self._options = pd.DataFrame(rows, columns=list(COLUMNS[1:11]))
        self._scores = scores

    def table(self, plan: int, method: str) -> pd.DataFrame:
        """The rows of one plan under a method's name."""
        scores = self._scores
        filled = self._options.assign(logp=scores.logp[plan], tokens=scores.tokens, bytes=scores.bytes, method=method)
        return filled[list(COLUMNS)]


def confidence(tasks: Sequence[Task], scores: Scores, role: str, normalisation: str) -> Float[np.ndarray, "plan task"]:
    """The probability of the option of `role` among the task's own options: what choices on dev go by.

    It is a softmax over the normalised scores of the options that a choice is made from, and smoother than accuracy.
    """
    marks = [mark for task in tasks for mark in task.marks]
    own = np.array([mark.index >= 0 and mark.own for mark in marks])
    wanted = own & np.array([mark.role == role for mark in marks])
    starts, counts = scores.starts[:-1], np.diff(scores.starts)
    values = np.where(own, scores.normalised(normalisation), -np.inf)
    weights = np.exp(values - np.repeat(np.maximum.reduceat(values, starts, axis=1), counts, axis=1))
    return np.add.reduceat(np.where(wanted, weights, 0.0), starts, axis=1) / np.add.reduceat(weights, starts, axis=1)
