"""How far a plan that acts on every token lies from the plan that was chosen: measured on questions of the Atlas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from interp.data import Task, atlas, cultural_tasks, everything, universal_tasks
from interp.model import LoadedModel
from interp.model.read import Template
from interp.plane import best
from interp.steering import Plan
from interp.steering.engine import score

QUESTIONS = 32
"""Questions per axis that are asked, the first of the dev split."""


@dataclass(frozen=True)
class Difference:
    """The differences when a plan steers every token, BOS too.

    mean, largest: absolute difference of an option's log-likelihood. changed: share of questions with another choice.
    chosen: the positions of the plan. language: of the questions, the plan's where the Atlas has it.
    """

    chosen: tuple[str, ...]
    language: str
    questions: int
    options: int
    mean: float
    largest: float
    changed: float

    def described(self) -> dict[str, Any]:
        """Plain values, rounded; the positions that were written among them."""
        values = {key: round(value, 6) if isinstance(value, float) else value for key, value in asdict(self).items()}
        return {"positions": "all"} | values | {"chosen": list(self.chosen)}

    def sentence(self) -> str:
        """A sentence with the differences."""
        return (
            f"This export steers every token, BOS too, but the plan was chosen at positions {', '.join(self.chosen)}. "
            f"On {self.questions} Atlas questions in {self.language}, this shifts an option's log-likelihood by "
            f"{self.mean:.2g} on average and {self.largest:.2g} at most, and changes {self.changed:.1%} of the choices."
        )


UNMEASURED = (
    "This export steers every token, BOS too, but the plan was chosen at positions {}. The difference was not measured."
)


def chosen_positions(plan: Plan) -> tuple[str, ...]:
    """The positions of a plan's steers if any differs from `all`; empty if writing `all` changes nothing."""
    positions = tuple(dict.fromkeys(steer.positions for steer in plan.steers))
    return () if positions in ((), ("all",)) else positions


def difference(loaded: LoadedModel, plan: Plan, language: str, template: Template) -> Difference:
    """Score Atlas questions under the plan and under the same plan at positions `all`.

    Raises ValueError for a plan that doesn't fit the model.
    """
    code = language if language in atlas.LANGUAGES else "en"
    prompts = [template.prompt(task.prompt) for task in _questions(code)]
    scores = score(loaded.model, prompts, [plan, plan.at("all")])
    apart = np.abs(scores.logp[1].astype(float) - scores.logp[0].astype(float))
    before, after = scores.normalised()
    changed = changed_choices(before, after, scores.starts)
    return Difference(
        chosen_positions(plan), code, len(prompts), len(apart), float(apart.mean()), float(apart.max()), changed
    )


def _questions(code: str) -> Sequence[Task]:
    facts = universal_tasks(atlas.universal(), code, "dev", everything)[:QUESTIONS]
    culture = atlas.OWN_CULTURE.get(code, "GB")
    return [*facts, *cultural_tasks(atlas.cultural(), code, culture, "dev", everything)[:QUESTIONS]]


def changed_choices(
    before: Float[np.ndarray, "option"],
    after: Float[np.ndarray, "option"],
    starts: Int[np.ndarray, "prompts_and_end"],
) -> float:
    """Share of prompts whose best options, one or several that tie, are others after than before."""
    task = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    moved = best(before, task) != best(after, task)
    return float(np.logical_or.reduceat(moved, starts[:-1]).mean())
