"""What was chosen, prompt by prompt: a table of scores in, one row per method and prompt out, a column per metric."""

from __future__ import annotations

import numpy as np
import pandas as pd

from interp.plane._choices import chosen_share, normalise
from interp.plane._specific import beyond_other_questions

METRICS = (
    "transfer",
    "transfer_specific",
    "transfer_sensitive",
    "transfer_found",
    "localization",
    "explicit_localization",
    "us_bias",
    "preference",
    "answer_language",
)
EXTRA_METRICS = ("transfer_all",)
"""Accuracy among all answers of the relation."""

TASK = ["axis", "cue", "language", "item", "cluster"]


def outcomes(scores: pd.DataFrame, normalisation: str = "bytes") -> pd.DataFrame:
    """Turn scores into outcomes: one row per method and task, one column per metric (NaN if a task doesn't measure it).

    `scores` has the columns of `interp.study.ask.COLUMNS`. Values are shares of the choice (`chosen_share`): 0 or 1, or
    between them if options tie. Raises ValueError for a score that is NaN.
    """
    rows = _prepared(scores, normalisation)
    universal, sensitive, cultural = (rows[rows["axis"] == axis] for axis in ("universal", "sensitive", "cultural"))
    implicit, explicit = cultural[cultural["cue"] == "none"], cultural[cultural["cue"] == "explicit"]
    parts = [_universal(universal), _cultural(implicit)]
    own = sensitive[sensitive["own"] & sensitive["listed"]]
    parts.append(pd.DataFrame({"transfer_sensitive": _share(own, own["role"] == "right")}))
    cued = explicit[explicit["own"]]
    parts.append(pd.DataFrame({"explicit_localization": _share(cued, cued["role"] == "local")}))
    keys = rows.drop_duplicates("task").set_index("task")[["method", *TASK]]
    table = keys.join(pd.concat([part for part in parts if len(part)]))
    return table.reset_index(drop=True).reindex(columns=["method", *TASK, *METRICS, *EXTRA_METRICS])


def _prepared(scores: pd.DataFrame, normalisation: str) -> pd.DataFrame:
    """Rows with score, number of the (method, task), and what its option is (English, listed)."""
    rows = scores.reset_index(drop=True)
    written = rows["languages"].astype(str).str.split()
    return rows.assign(
        score=normalise(rows, normalisation),
        task=rows.groupby(["method", *TASK], sort=False, observed=True).ngroup(),
        english=["en" in codes for codes in written],
        listed=rows["option"] >= 0,
    )


def _share(rows: pd.DataFrame, wanted: pd.Series, score: str = "score") -> pd.Series:
    """Share of the choice among a task's rows that falls on the wanted ones; index: tasks."""
    task = rows["task"].to_numpy()
    found = chosen_share(rows[score].to_numpy(dtype=np.float64), task, wanted.to_numpy(dtype=bool))
    return pd.Series(found, index=pd.Index(np.unique(task), name="task"))


def _universal(rows: pd.DataFrame) -> pd.DataFrame:
    asked, english = rows[rows["own"] & rows["listed"]], rows[rows["english"] & rows["listed"]]
    among_all = rows[rows["own"]]
    has_candidates = (rows["role"] == "candidate").groupby(rows["task"], sort=False).any()
    in_english, in_own = (part.groupby("task", sort=False)["option"].nunique() for part in (english, asked))
    complete = in_english.reindex(in_own.index).eq(in_own)
    method = asked.drop_duplicates("task").set_index("task")["method"]
    complete = complete.groupby(method).transform("all")  # options were rendered in English for all tasks or for none
    return pd.DataFrame(
        {
            "transfer": _share(asked, asked["role"] == "right"),
            "transfer_specific": _specific(among_all),
            "transfer_found": _share(english, english["role"] == "right").where(complete),
            "transfer_all": _share(among_all, among_all["role"] == "right").where(has_candidates),
            "answer_language": _answer_language(rows[rows["listed"]]),
        }
    )


def _specific(rows: pd.DataFrame) -> pd.Series:
    """As `transfer`, by the scores of `beyond_other_questions`; tasks with an option that has none are left out."""
    rows = rows.assign(specific=beyond_other_questions(rows))
    listed = rows[rows["listed"]]
    known = listed[listed["specific"].notna().groupby(listed["task"], sort=False).transform("all")]
    return _share(known, known["role"] == "right", "specific")


def _cultural(rows: pd.DataFrame) -> pd.DataFrame:
    asked = rows[rows["own"]]
    logp = {role: asked[asked["role"] == role].set_index("task")["logp"] for role in ("local", "reference")}
    us = _share(asked, asked["role"] == "reference")
    return pd.DataFrame(
        {
            "localization": _share(asked, asked["role"] == "local"),
            "us_bias": us.where(us.index.isin(logp["reference"].index)),
            "preference": logp["local"] - logp["reference"],
            "answer_language": _answer_language(rows),
        }
    )


def _answer_language(rows: pd.DataFrame) -> pd.Series:
    """Whether the most likely option over all languages is written in the asked one: by the summed log-likelihood.

    Per byte or per token, scripts can't be compared. NaN if it says nothing: options that look the same in every
    language, or were scored in one only.
    """
    foreign = ~rows.groupby("task")["own"].all()
    return _share(rows, rows["own"], "logp").where(foreign)
