"""Score tasks under plans and keep the result as a table: one row per method, task and option."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from interp.data import BLANK, Prompt, Task, question_text, rotations
from interp.plane import TASK, chosen_share, outcomes
from interp.steering import Plan
from interp.steering.engine import BoundedNormaliser, Scores, bounded_normaliser, score, usable_replay
from interp.study.ask._study import Study

COLUMNS = (
    "method", "axis", "cue", "language", "item", "cluster", "relation",
    "option", "role", "own", "languages", "text", "logp", "tokens", "bytes", "neutral",
)  # fmt: skip
"""`neutral`: the option's log-likelihood after the neutral prompt under `pmi`, NaN under every other normalisation."""


def score_tasks(
    study: Study,
    tasks: Sequence[Task],
    plans: Sequence[Plan],
    progress: Callable[[float], None] | None = None,
    *,
    normaliser: BoundedNormaliser | None = None,
) -> Scores:
    """Score every task's options under every plan, for the run's normalisation.

    `logp` is the log-likelihood of the option; with `letter` it is the mean over rotations of the letter's, with
    `sentence` that of the item's sentence with the option in it (or of the option, if the item has no sentence).
    `neutral`, only with `pmi`, is the log-likelihood after the neutral prompt (same language, same steering).
    normaliser: as in `interp.steering.engine.score`; by default scores are exact.
    """
    scores = score_prompts(study, scored_prompts(study, tasks), plans, progress, normaliser=normaliser)
    if study.config.normalisation == "letter":
        return _over_rotations(tasks, scores)
    return _with_neutral(scores) if study.config.normalisation == "pmi" else scores


def scored_table(
    study: Study,
    tasks: Sequence[Task],
    plans: Mapping[str, Plan],
    progress: Callable[[float], None] | None = None,
    *,
    normaliser: BoundedNormaliser | None = None,
) -> pd.DataFrame:
    """A table of scores (COLUMNS) of every plan, under its method's name. Arguments as in `score_tasks`."""
    scores = score_tasks(study, tasks, list(plans.values()), progress, normaliser=normaliser)
    return ScoreTables(tasks, scores).tables(list(plans))


def score_prompts(
    study: Study,
    prompts: Sequence[Prompt],
    plans: Sequence[Plan],
    progress: Callable[[float], None] | None = None,
    *,
    normaliser: BoundedNormaliser | None = None,
) -> Scores:
    """Log-likelihoods of prompts' continuations under every plan, with the run's engine and memory."""
    return score(
        study.loaded.model, prompts, plans, engine=study.config.engine, tokens=study.tokens, progress=progress,
        normaliser=normaliser, **study.passes,
    )  # fmt: skip


def bounded_for(study: Study, tasks: Sequence[Task]) -> BoundedNormaliser | None:
    """A normaliser for the prompts that `score_tasks` scores for these tasks; None if the model can't be replayed."""
    config = study.config
    if config.engine != "replay" or usable_replay(study.loaded.model) is None:
        return None
    return bounded_normaliser(
        study.loaded.model, scored_prompts(study, tasks), mass=1.0, also=study.english_mass, tokens=study.tokens,
        **study.passes,
    )  # fmt: skip


def scored_prompts(study: Study, tasks: Sequence[Task]) -> list[Prompt]:
    """The prompts whose continuations `score_tasks` scores.

    With `letter`, every rotation of a task's list; with `pmi`, the tasks' prompts followed by a neutral one for each.
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


def _over_rotations(tasks: Sequence[Task], scores: Scores) -> Scores:
    """Means over a task's rotations: each lists its n options once, in another order, so n x n endings become n."""
    sizes = [len(task.marks) for task in tasks]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    logp, tokens, lengths = (
        np.empty((*a.shape[:-1], starts[-1]), a.dtype) for a in (scores.logp, scores.tokens, scores.bytes)
    )
    first = 0
    for task, n in enumerate(sizes):
        own, block = slice(starts[task], starts[task + 1]), slice(first, first + n * n)
        for mean, values in ((logp, scores.logp), (tokens, scores.tokens), (lengths, scores.bytes)):
            mean[..., own] = values[..., block].reshape(*values.shape[:-1], n, n).mean(axis=-2)
        first += n * n
    return Scores(logp, tokens, lengths, starts)


def _neutral(study: Study, tasks: Sequence[Task]) -> list[Prompt]:
    """Each task's endings after the prompt without a question; equal contexts are run once."""
    bare = {
        code: study.template.text(question_text("", code, examples=study.examples(code)))
        for code in {task.prompt.language for task in tasks}
    }
    return [replace(task.prompt, text=bare[task.prompt.language]) for task in tasks]


def _with_neutral(scores: Scores) -> Scores:
    """Scores of the tasks' prompts, with those of their neutral ones, which come after them."""
    n, half = len(scores.tokens) // 2, len(scores.starts) // 2
    neutral = scores.logp[:, n:]
    return Scores(scores.logp[:, :n], scores.tokens[:n], scores.bytes[:n], scores.starts[: half + 1], neutral=neutral)


def _in_sentence(task: Task) -> Prompt:
    """The task's sentence with each option in its blank, after nothing; the plain prompt where it has no sentence."""
    if not task.sentence:
        return task.prompt
    endings = tuple(task.sentence.replace(BLANK, mark.text) for mark in task.marks)
    return replace(task.prompt, text="", continuations=endings)


class ScoreTables:
    """Tables with COLUMNS, one per plan. `languages` lists the languages that the option's text is written in."""

    def __init__(self, tasks: Sequence[Task], scores: Scores) -> None:
        rows = [
            (t.axis, t.cue, t.prompt.language, t.prompt.item, t.cluster, t.relation,
             m.index, m.role, m.own, " ".join(sorted(m.languages)), m.text)
            for t in tasks
            for m in t.marks
        ]  # fmt: skip
        self._options = pd.DataFrame(rows, columns=list(COLUMNS[1:12]))
        self._scores = scores

    def tables(self, methods: Sequence[str]) -> pd.DataFrame:
        """The concatenated rows of all plans, under their methods' names."""
        return pd.concat([self.table(plan, method) for plan, method in enumerate(methods)], ignore_index=True)

    def table(self, plan: int, method: str) -> pd.DataFrame:
        """The rows of one plan under a method's name."""
        scores = self._scores
        neutral = np.nan if scores.neutral is None else scores.neutral[plan]
        table = self._options.assign(
            logp=scores.logp[plan], tokens=scores.tokens, bytes=scores.bytes, neutral=neutral, method=method
        )
        return table[list(COLUMNS)]


def confidence(tasks: Sequence[Task], scores: Scores, role: str, normalisation: str) -> Float[np.ndarray, "plan task"]:
    """The probability of the option of `role` among the task's own options, which decides choices on dev.

    It is a softmax over the normalised scores of these options, and smoother than accuracy.
    """
    values, wanted = _own(tasks, scores, role, normalisation)
    starts, counts = scores.starts[:-1], np.diff(scores.starts)
    weights = np.exp(values - np.repeat(np.maximum.reduceat(values, starts, axis=1), counts, axis=1))
    return np.add.reduceat(np.where(wanted, weights, 0.0), starts, axis=1) / np.add.reduceat(weights, starts, axis=1)


def choices(tasks: Sequence[Task], scores: Scores, role: str, normalisation: str) -> Float[np.ndarray, "plan task"]:
    """Share of the choice among the task's own options that falls on `role`, as in `outcomes`."""
    values, wanted = _own(tasks, scores, role, normalisation)
    return chosen_share(values, np.repeat(np.arange(len(tasks)), np.diff(scores.starts)), wanted)


def _own(
    tasks: Sequence[Task], scores: Scores, role: str, normalisation: str
) -> tuple[Float[np.ndarray, "plan option"], Bool[np.ndarray, "option"]]:
    """Normalised scores, -inf where a choice isn't made from the option; and which options have the role."""
    marks = [mark for task in tasks for mark in task.marks]
    own = np.array([mark.index >= 0 and mark.own for mark in marks])
    wanted = own & np.array([mark.role == role for mark in marks])
    return np.where(own, scores.normalised(normalisation), -np.inf), wanted


SAMPLE = 24
"""Test prompts per language."""

CHOICES = ("transfer", "localization", "explicit_localization")
"""What a choice among a prompt's own options is read as; a prompt has one of them."""

OPTION = ["method", *TASK, "option", "text"]


def estimated_table(
    study: Study,
    tasks: Sequence[Task],
    plans: Mapping[str, Plan],
    exact: pd.DataFrame,
    normaliser: BoundedNormaliser,
    code: str,
) -> pd.DataFrame:
    """One row for a language: how far the estimates of a sample of its prompts, under all plans, are from `exact`.

    share: unsteered probability of the words that are summed. rms, largest: of the differences in the log-likelihood
    of an option, in nats. flips: share of the choices that differ. exact: the table of the plans' scores.
    """
    sample = [tasks[place] for place in np.unique(np.linspace(0, len(tasks) - 1, SAMPLE).round().astype(int))]
    estimated = scored_table(study, sample, plans, normaliser=normaliser)
    both = estimated.merge(exact, on=OPTION, suffixes=("", "_exact"), validate="one_to_one")
    apart = (both["logp"] - both["logp_exact"]).to_numpy(dtype=np.float64)
    own = both[list(estimated.columns)]
    choices_made = [
        outcomes(each, study.config.normalisation)[list(CHOICES)].bfill(axis=1).iloc[:, 0]
        for each in (own, own.assign(logp=both["logp_exact"], neutral=both["neutral_exact"]))
    ]
    return pd.DataFrame(
        [
            {
                "language": code,
                "words": len(normaliser.words),
                "sampled": len(normaliser.sample),
                "share": normaliser.share,
                "prompts": len(sample),
                "plans": len(plans),
                "rms": float(np.sqrt(np.mean(apart**2))),
                "largest": float(np.abs(apart).max()),
                "flips": float((choices_made[0] != choices_made[1])[choices_made[0].notna()].mean()),
            }
        ]
    )


def estimated_line(table: pd.DataFrame) -> str:
    """The table as a sentence."""
    return (
        f"To save time, the search and the controls sum the softmax over {table['words'].max():,} words of the "
        f"vocabulary, which hold at least {table['share'].min():.1%} of the unsteered probability, and estimate the "
        f"rest. On {table['prompts'].sum()} test prompts under the {table['plans'].max()} plans of the methods, the "
        f"log-likelihood of an option has a root-mean-square error of {np.sqrt((table['rms'] ** 2).mean()):.3f} "
        f"nats, and {table['flips'].mean():.2%} of the choices differ. The results reported for methods are exact."
    )
