"""How far log-likelihoods under a bounded normaliser are from exact ones, on a sample of each run's test prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from interp.data.tasks import Task
from interp.plane.outcomes import TASK, outcomes
from interp.steering.normaliser import BoundedNormaliser
from interp.steering.plans import Plan
from interp.study.evaluate import ScoreTables, score_tasks
from interp.study.prepare import Study

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
    some = [tasks[place] for place in np.unique(np.linspace(0, len(tasks) - 1, SAMPLE).round().astype(int))]
    scores = score_tasks(study, some, list(plans.values()), normaliser=normaliser)
    estimated = ScoreTables(some, scores).tables(list(plans))
    both = estimated.merge(exact, on=OPTION, suffixes=("", "_exact"), validate="one_to_one")
    apart = (both["logp"] - both["logp_exact"]).to_numpy(dtype=np.float64)
    own = both[list(estimated.columns)]
    taken = [
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
                "prompts": len(some),
                "plans": len(plans),
                "rms": float(np.sqrt(np.mean(apart**2))),
                "largest": float(np.abs(apart).max()),
                "flips": float((taken[0] != taken[1])[taken[0].notna()].mean()),
            }
        ]
    )


def estimated_line(table: pd.DataFrame) -> str:
    """The table in words."""
    return (
        f"The search and the controls sum {table['words'].max():,} words of the vocabulary, which hold at least "
        f"{table['share'].min():.1%} of the unsteered probability, and estimate the rest. On {table['prompts'].sum()} "
        f"test prompts, under the {table['plans'].max()} plans of the methods, an option's log-likelihood is off by "
        f"{np.sqrt((table['rms'] ** 2).mean()):.3f} nats in the root mean square, and {table['flips'].mean():.2%} of "
        "the choices differ. What is reported of a method is exact."
    )
