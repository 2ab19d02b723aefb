"""Item by item: the question, and which option was chosen, before and after."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from interp.data.tasks import Task
from interp.plane import normalise

KEYS = ["axis", "language", "item", "cluster", "method"]
RIGHT = ("right", "local")
AXES = ("universal", "cultural")
Questions = Mapping[tuple[str, str, str], str]
"""(axis, language, item) -> the question as it was asked."""


def questions_of(tasks: Mapping[str, list[Task]]) -> dict[tuple[str, str, str], str]:
    """The questions of uncued prompts, given per language."""
    return {
        (task.axis, code, task.prompt.item): task.question
        for code, some in tasks.items()
        for task in some
        if task.cue == "none"
    }


def item_rows(scores: pd.DataFrame, normalisation: str, questions: Questions) -> pd.DataFrame:
    """The rows of `items.parquet`: one per method and uncued universal or cultural prompt.

    `scores` has the columns of `interp.study.evaluate.COLUMNS`. Columns: axis, language, item, cluster, method,
    question, chosen (text of the best-scoring option, the first of equals) with its role, right (the right or local
    option), us (the US option; empty for universal items), hit.
    """
    asked = scores["own"] & (scores["option"] >= 0) & (scores["cue"] == "none") & scores["axis"].isin(AXES)
    rows = scores[asked].reset_index(drop=True)
    rows = rows.assign(score=normalise(rows, normalisation))
    best = rows.loc[rows.groupby(KEYS, sort=False, observed=True)["score"].idxmax()]
    texts = {
        name: rows[rows["role"].isin(roles)].drop_duplicates(KEYS).set_index(KEYS)["text"].rename(name)
        for name, roles in (("right", RIGHT), ("us", ("reference",)))
    }
    table = best[[*KEYS, "text", "role"]].rename(columns={"text": "chosen"})
    for text in texts.values():
        table = table.join(text, on=KEYS)
    asked_in = zip(table["axis"], table["language"], table["item"], strict=True)
    table = table.assign(question=[questions[key] for key in asked_in], hit=table["role"].isin(RIGHT))
    table["us"] = table["us"].fillna("")
    return table[[*KEYS, "question", "chosen", "role", "right", "us", "hit"]].reset_index(drop=True)
