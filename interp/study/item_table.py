"""Item by item: the question, and which option was chosen, before and after."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from interp.data.tasks import Task
from interp.plane import best, normalise

KEYS = ["axis", "language", "item", "cluster", "method"]
RIGHT = ("right", "local")
AXES = ("universal", "cultural")
TIED = " | "
"""Between the texts of options that tie."""
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
    question, chosen (text of the best-scoring option) with its role, right (the right or local option), us (the US
    option; empty for universal items), hit (share of the choice that falls on the right one). Where options tie for
    the best, `chosen` and `role` name all of them, ordered by text, with TIED between them; the hit is then a fraction.
    """
    asked = scores["own"] & (scores["option"] >= 0) & (scores["cue"] == "none") & scores["axis"].isin(AXES)
    rows = scores[asked].reset_index(drop=True)
    task = rows.groupby(KEYS, sort=False, observed=True).ngroup().to_numpy()
    top = rows[best(normalise(rows, normalisation).to_numpy(dtype=float), task)].sort_values("text", kind="stable")
    chosen = top.assign(hit=top["role"].isin(RIGHT).astype(float)).groupby(KEYS, sort=False, observed=True)
    table = chosen.agg({"text": TIED.join, "role": TIED.join, "hit": "mean"})
    table = table.rename(columns={"text": "chosen"}).reindex(pd.MultiIndex.from_frame(rows[KEYS].drop_duplicates()))
    texts = {
        name: rows[rows["role"].isin(roles)].drop_duplicates(KEYS).set_index(KEYS)["text"].rename(name)
        for name, roles in (("right", RIGHT), ("us", ("reference",)))
    }
    table = table.reset_index()
    for text in texts.values():
        table = table.join(text, on=KEYS)
    asked_in = zip(table["axis"], table["language"], table["item"], strict=True)
    table = table.assign(question=[questions[key] for key in asked_in])
    table["us"] = table["us"].fillna("")
    return table[[*KEYS, "question", "chosen", "role", "right", "us", "hit"]].reset_index(drop=True)
