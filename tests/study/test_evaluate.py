"""The objective on dev against a plain loop over tasks and options."""

from __future__ import annotations

import numpy as np

from interp.data.prompts import Prompt
from interp.data.tasks import OptionMark, Task
from interp.steering.scores import Scores
from interp.study.evaluate import confidence


def test_confidence_is_a_softmax_over_the_tasks_own_options() -> None:
    draws = np.random.default_rng(0)
    tasks = []
    for number, size in enumerate((4, 3, 5)):
        marks = tuple(
            OptionMark(str(i), "right" if i == 1 else "wrong", frozenset({"en"} if i == 2 else {"es"}), i, i != 2)
            for i in range(size)
        )
        prompt = Prompt(str(number), "es", "?", tuple(mark.text for mark in marks))
        tasks.append(Task("universal", "none", str(number), prompt, marks))
    starts = np.array([0, 4, 7, 12])
    scores = Scores(
        draws.normal(-9, 3, (2, 12)).astype(np.float32), np.ones(12), draws.integers(1, 9, 12) * 1.0, starts
    )
    found = confidence(tasks, scores, "right", "bytes")
    for plan in range(2):
        for t, task in enumerate(tasks):
            own = [i for i, mark in enumerate(task.marks) if "es" in mark.languages]
            weights = {i: np.exp(float(scores.of(t, plan)[i]) / scores.bytes[starts[t] + i]) for i in own}
            assert np.isclose(found[plan, t], weights[1] / sum(weights.values()))
