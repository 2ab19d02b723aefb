"""How fast steered continuations are made: keys and values kept, against reading the sequence anew for every token."""

from __future__ import annotations

import time
from dataclasses import dataclass

from interp.data import atlas, everything, universal_tasks
from interp.model import HookedModel
from interp.steering import Generated, Plan, generate
from interp.steering.engine import Engine

NEW, PROMPTS = 64, 32
"""Tokens of each continuation, and how many prompts go on together."""


@dataclass(frozen=True)
class Generation:
    """Seconds for NEW tokens after PROMPTS prompts. same: both ways chose the same tokens."""

    kept_s: float
    anew_s: float
    same: bool

    @property
    def ratio(self) -> float:
        """How many times faster it is with keys and values kept."""
        return self.anew_s / self.kept_s


def generation(model: HookedModel, language: str, plan: Plan, memory: int | str | None) -> Generation:
    """Continue Atlas questions under a plan in both ways."""
    texts = [task.prompt.text for task in universal_tasks(atlas.universal(), language, "test", everything)[:PROMPTS]]

    def timed(engine: Engine, count: int) -> tuple[float, list[Generated]]:
        begun = time.perf_counter()
        [found] = generate(model, texts, [plan], max_new_tokens=count, stop=None, engine=engine, memory=memory)
        return time.perf_counter() - begun, found

    timed("replay", 2)
    (kept_s, kept), (anew_s, anew) = timed("replay", NEW), timed("reference", NEW)
    return Generation(kept_s, anew_s, kept == anew)
