"""Score tasks under plans and keep the result as a table: one row per method, task and option."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from interp.data.items import BLANK
from interp.data.letters import rotations
from interp.data.prompts import Prompt, question_text
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
    """Scores of every task's options under every plan, for the run's normalisation.

    `logp` is the log-likelihood of the option; under `letter` the mean over rotations of its letter's, under `pmi`
    minus that behind the neutral prompt (the same language, steered in the same way), under `sentence` that of the
    item's sentence with the option in it (of the option where an item has no sentence).
    """
    found = score_prompts(study, scored_prompts(study, tasks), plans, progress)
    if study.config.normalisation == "letter":
        return _over_rotations(tasks, found)
    return _beyond_neutral(tasks, found) if study.config.normalisation == "pmi" else found


def score_prompts(
    study: Study, prompts: Sequence[Prompt], plans: Sequence[Plan], progress: Callable[[float], None] | None = None
) -> Scores:
    """Log-likelihoods of prompts' continuations under every plan, by the run's engine and memory."""
    config = study.config
    return score(
        study.loaded.model, prompts, plans, engine=config.engine, memory=config.memory, batch_size=config.batch_size,
        tokens=study.tokens, progress=progress,
    )  # fmt: skip


def scored_prompts(study: Study, tasks: Sequence[Task]) -> list[Prompt]:
    """The prompts whose continuations `score_tasks` scores.

    Every rotation of a task's list under `letter`, one neutral prompt per language behind the tasks' under `pmi`.
    """
    kind = study.config.normalisation
    if kind == "letter":
        return [
            study.template.prompt(prompt)
            for task in tasks
            for prompt in rotations(task, study.examples(task.prompt.language))
        ]
    if kind == "sentence":
        return [_in_sentence(task) for task in tasks]
    prompts = [task.prompt for task in tasks]
    return [*prompts, *_neutral(study, tasks)] if kind == "pmi" else prompts


def _over_rotations(tasks: Sequence[Task], found: Scores) -> Scores:
    sizes = [len(task.marks) for task in tasks]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    logp, tokens, lengths = (
        np.empty((*a.shape[:-1], starts[-1]), a.dtype) for a in (found.logp, found.tokens, found.bytes)
    )
    first = 0
    for task, n in enumerate(sizes):
        own, block = slice(starts[task], starts[task + 1]), slice(first, first + n * n)
        for mean, values in ((logp, found.logp), (tokens, found.tokens), (lengths, found.bytes)):
            mean[..., own] = values[..., block].reshape(*values.shape[:-1], n, n).mean(axis=-2)
        first += n * n
    return Scores(logp, tokens, lengths, starts)


def _endings(tasks: Sequence[Task]) -> dict[str, dict[str, int]]:
    """Language -> every ending of its tasks, numbered."""
    endings: dict[str, dict[str, int]] = {}
    for task in tasks:
        known = endings.setdefault(task.prompt.language, {})
        for ending in task.prompt.continuations:
            known.setdefault(ending, len(known))
    return endings


def _neutral(study: Study, tasks: Sequence[Task]) -> list[Prompt]:
    """One prompt without a question per language, with every ending of its tasks."""
    bare = {
        code: Prompt("neutral", code, question_text("", code, examples=study.examples(code)), tuple(known))
        for code, known in _endings(tasks).items()
    }
    return [replace(study.template.prompt(prompt), continuations=prompt.continuations) for prompt in bare.values()]


def _beyond_neutral(tasks: Sequence[Task], found: Scores) -> Scores:
    endings = _endings(tasks)
    first = {code: int(found.starts[len(tasks) + i]) for i, code in enumerate(endings)}
    pairs = [
        first[task.prompt.language] + endings[task.prompt.language][ending]
        for task in tasks
        for ending in task.prompt.continuations
    ]
    end = len(pairs)
    logp = found.logp[:, :end] - found.logp[:, pairs]
    return Scores(logp, found.tokens[:end], found.bytes[:end], found.starts[: len(tasks) + 1])


def _in_sentence(task: Task) -> Prompt:
    """The task's sentence with each option in its blank, behind nothing; the plain prompt where it has no sentence."""
    if not task.sentence:
        return task.prompt
    endings = tuple(task.sentence.replace(BLANK, mark.text) for mark in task.marks)
    return replace(task.prompt, text="", continuations=endings)


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

    def tables(self, methods: Sequence[str]) -> pd.DataFrame:
        """The rows of all plans, below each other, under their methods' names."""
        return pd.concat([self.table(plan, method) for plan, method in enumerate(methods)], ignore_index=True)

    def table(self, plan: int, method: str) -> pd.DataFrame:
        """The rows of one plan under a method's name."""
        scores = self._scores
        filled = self._options.assign(logp=scores.logp[plan], tokens=scores.tokens, bytes=scores.bytes, method=method)
        return filled[list(COLUMNS)]


def confidence(tasks: Sequence[Task], scores: Scores, role: str, normalisation: str) -> Float[np.ndarray, "plan task"]:
    """The probability of the option of `role` among the task's own options: what choices on dev go by.

    It is a softmax over the normalised scores of the options that a choice is made from, and smoother than accuracy.
    """
    values, wanted = _own(tasks, scores, role, normalisation)
    starts, counts = scores.starts[:-1], np.diff(scores.starts)
    weights = np.exp(values - np.repeat(np.maximum.reduceat(values, starts, axis=1), counts, axis=1))
    return np.add.reduceat(np.where(wanted, weights, 0.0), starts, axis=1) / np.add.reduceat(weights, starts, axis=1)


def choices(tasks: Sequence[Task], scores: Scores, role: str, normalisation: str) -> Bool[np.ndarray, "plan task"]:
    """Whether the best-scoring of the task's own options (the first of equals) has `role`, as `outcomes` decides it."""
    values, wanted = _own(tasks, scores, role, normalisation)
    parts = zip(scores.starts[:-1], scores.starts[1:], strict=True)
    rows = np.arange(len(values))
    return np.stack([wanted[a:b][values[rows, a:b].argmax(axis=1)] for a, b in parts], axis=1)


def _own(
    tasks: Sequence[Task], scores: Scores, role: str, normalisation: str
) -> tuple[Float[np.ndarray, "plan option"], Bool[np.ndarray, "option"]]:
    """Normalised scores, -inf where a choice isn't made from the option; and which options have the role."""
    marks = [mark for task in tasks for mark in task.marks]
    own = np.array([mark.index >= 0 and mark.own for mark in marks])
    wanted = own & np.array([mark.role == role for mark in marks])
    return np.where(own, scores.normalised(normalisation), -np.inf), wanted
