"""Question-specific choices: what is left of an option's score when what it gets after any question is taken away."""

from __future__ import annotations

import pandas as pd

FEWEST = 4
"""Fewest other questions that an option's mean score is taken over."""

ASKED = ["method", "language", "relation"]
"""What other questions share with a question: the steering, the language and the relation."""


def beyond_other_questions(rows: pd.DataFrame) -> pd.Series:
    """Each row's score minus the mean score of the same option after other questions (our definition).

    `rows` are the options of universal prompts that a choice is made from, listed or `candidate`, with a `score`. Other
    questions have the same relation, language and method and another cluster (entity); the same option has the same
    text. A preference for an answer whatever is asked cancels.

    NaN if fewer than FEWEST other questions have the option, and where only a question's own options were scored,
    not the relation's other answers: then which questions have an option depends on how options were drawn.
    """
    option = [*ASKED, "text"]
    score = rows["score"].astype("float64")
    sums = _elsewhere(rows, score, option)
    counts = _elsewhere(rows, score.notna().astype("int64"), option)
    return (score - sums / counts.where(counts > 0)).where((counts >= FEWEST) & _whole(rows))


def _elsewhere(rows: pd.DataFrame, values: pd.Series, option: list[str]) -> pd.Series:
    """Sum of the option's values after questions of other clusters."""
    everywhere, here = (
        values.groupby([rows[key] for key in keys], sort=False, observed=True).transform("sum")
        for keys in (option, [*option, "cluster"])
    )
    return everywhere - here


def _whole(rows: pd.DataFrame) -> pd.Series:
    """Whether a row's task was scored with the relation's other answers, or has them all among its own options."""
    task = rows.groupby("task", sort=False)["text"]
    relation = rows.groupby(ASKED, sort=False, observed=True)["text"]
    candidates = (rows["role"] == "candidate").groupby(rows["task"], sort=False).transform("any")
    return candidates | (task.transform("nunique") == relation.transform("nunique"))
