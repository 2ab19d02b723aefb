"""What the model says when it is asked freely: generated answers, matched by BLEnD's rule, beside scored options."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from jaxtyping import Float

from figures import estimate as estimated
from interp.data import Accepted, CulturalItem, normalised, score
from interp.names import BASE, MACRO
from interp.plane import Cells, Resampling, estimate
from interp.progress import Advance
from interp.steering import Generated, Plan, generate
from interp.study.ask import Study
from interp.study.fit import Vectors
from interp.study.score._report import interval_columns
from interp.study.score._testing import plans_of
from interp.study.search import ChosenPlans
from probes import Interval, percentile_interval

KEYS = ["method", "cue", "language", "item"]
METRICS = (
    "localization_generated",
    "weighted_generated",
    "explicit_localization_generated",
    "us_generated",
    "diversity_generated",
    "agreement",
    "cut_off",
)
"""Columns of `generated.csv` that have intervals, next to `kappa` and those of CHANGES after `d_`."""

CHANGES = ("localization_generated", "diversity_generated")
"""Columns whose change from base is given too."""


def generated_steps(study: Study, methods: int) -> int:
    """How many steps `generated_answers` takes for a number of methods, base included."""
    return len(study.languages) * methods


def generated_answers(study: Study, vectors: Vectors, chosen: ChosenPlans, advance: Advance) -> pd.DataFrame:
    """One row per method, cue, language and cultural test item: what was said, and whether it is local or the US's.

    Columns: method, axis, cue (`none` or `explicit`), language, item, cluster, text, ended, local, weighted, us.
    The prompts are those whose options are scored. `ended`: the model came to an end before `max_new_tokens`.
    """
    parts = [generated_in(study, vectors, chosen, code, advance) for code in study.languages]
    return pd.concat(parts, ignore_index=True)


def generated_in(study: Study, vectors: Vectors, chosen: ChosenPlans, code: str, advance: Advance) -> pd.DataFrame:
    """The rows of `generated_answers` in one language."""

    def make() -> pd.DataFrame:
        plain = replace(study, config=replace(study.config, normalisation="bytes"))  # examples without letters
        items = {item.key: item for item in study.cultural.items}
        tasks = [*plain.cultural_tasks(code, "test"), *plain.cultural_tasks(code, "test", "explicit")]
        plans = [Plan(), *(by_language[code] for by_language in plans_of(study, vectors, chosen).values())]
        config, rows = study.config, []
        responses = generate(
            study.loaded.model, [task.prompt.text for task in tasks], plans, max_new_tokens=config.max_new_tokens,
            tokens=study.tokens, progress=partial(advance, f"generating {code}"), **study.passes,
        )  # fmt: skip
        for method, by_task in zip((BASE, *chosen), responses, strict=True):
            for task, said in zip(tasks, by_task, strict=True):
                matched = judged(items[task.prompt.item], code, study.culture(code), study.cultural.reference, said)
                rows.append(
                    {"method": method, "axis": task.axis, "cue": task.cue, "language": code,
                     "item": task.prompt.item, "cluster": task.cluster} | matched
                )  # fmt: skip
        return pd.DataFrame(rows)

    return study.parts.frame(f"generated/{code}", make)


def judged(item: CulturalItem, language: str, culture: str, reference: str, said: Generated) -> dict[str, object]:
    """A response and its scores: whether it names an answer of `culture` (and how common a one), or of `reference`."""
    text = " ".join(said.text.split())
    own = score(text, language, accepted(item, culture, language))
    other = score(text, language, accepted(item, reference, language))
    return {
        "text": text,
        "ended": said.ended,
        "local": bool(own.binary),
        "weighted": own.weighted,
        "us": bool(other.binary),
    }


def accepted(item: CulturalItem, culture: str, language: str) -> tuple[Accepted, ...]:
    """What a generated answer may be: the source's own list, or the right answers' texts, in `language` and English."""
    if item.accepted.get(culture):
        return item.accepted[culture]
    texts = (item.names[key] for key in item.answers.get(culture, ()))
    return tuple(
        Accepted(tuple(dict.fromkeys(text[code] for code in (language, "en") if code in text))) for text in texts
    )


def generated_table(answers: pd.DataFrame, outcomes: pd.DataFrame, resampling: Resampling) -> pd.DataFrame:
    """The rows of `generated.csv`: one per method and language, and `macro`, with intervals over clusters.

    `outcomes` are those of the scored options (`interp.plane.outcomes`). agreement: share of uncued items where the
    chosen option and what was said are both local, or both not; an item whose options tie agrees by a share. kappa:
    Cohen's, of the same two judgements. diversity_generated: see `diversity`.
    """
    cells = Cells(_measured(answers, outcomes), resampling)
    rows = []
    for method in cells.methods:
        for language in (*cells.languages, MACRO):
            row: dict[str, object] = {"method": method, "language": language}
            for metric in METRICS:
                row |= interval_columns(metric, estimate(cells, [method], language, metric))
            for metric in CHANGES:
                row |= interval_columns(f"d_{metric}", estimate(cells, [method], language, metric, minus=BASE))
            row |= interval_columns("kappa", _kappa(cells, method, language))
            rows.append(row | {"n": cells.count(language, "agreement")})
    return pd.DataFrame(rows)


def _measured(answers: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """A column per metric, NaN if a prompt does not measure it, with the choice among options beside it."""
    choices = outcomes.set_index(KEYS)["localization"].rename("option")
    table = answers.join(choices, on=KEYS)
    implicit = table["cue"] == "none"
    local = table["local"].astype(float)
    return table.assign(
        localization_generated=local.where(implicit),
        weighted_generated=table["weighted"].where(implicit),
        explicit_localization_generated=local.where(~implicit),
        us_generated=table["us"].astype(float).where(implicit),
        diversity_generated=diversity(table[implicit]),
        option=table["option"].where(implicit),
        agreement=(1.0 - (local - table["option"]).abs()).where(implicit),
        cut_off=(~table["ended"].astype(bool)).astype(float),
    )


def diversity(answers: pd.DataFrame) -> pd.Series:
    """A value per answer whose mean is the share of pairs of answers to different questions that differ.

    Within a method and language, after BLEnD's normalisation; NaN for a single answer. With p the share of other
    answers that differ from an answer, its value is 2 p minus the mean of p (a jackknife pseudo-value), so that
    resampling the values gives the spread of the share of pairs, not half of it.
    """
    groups = ["method", "language"]
    texts = [normalised(text, code) for text, code in zip(answers["text"], answers["language"], strict=True)]
    table = answers[groups].assign(said=texts)
    alike = table.groupby([*groups, "said"])["said"].transform("size") - 1
    others = table.groupby(groups)["said"].transform("size") - 1
    differing = 1 - alike / others.where(others > 0)
    return 2 * differing - differing.groupby([table[name] for name in groups]).transform("mean")


def _kappa(cells: Cells, method: str, language: str) -> Interval:
    """Cohen's kappa from shares, resampled with them; `macro` is the mean over languages."""
    codes = cells.languages if language == MACRO else [language]
    names = ("agreement", "localization_generated", "option")
    values, draws = [], []
    for code in codes:
        values.append(kappa(*(np.array([cells.estimate(method, code, name)]) for name in names))[0])
        draws.append(kappa(*(cells.draws(method, code, name) for name in names)))
    lo, hi = percentile_interval(np.mean(draws, axis=0))
    return Interval(float(np.mean(values)), float(lo), float(hi))


def kappa(
    agreement: Float[np.ndarray, "draw"], first: Float[np.ndarray, "draw"], second: Float[np.ndarray, "draw"]
) -> Float[np.ndarray, "draw"]:
    """Cohen's kappa of two yes-or-no judgements, from their share of agreement and each one's share of yes.

    0 where both always say the same: then agreement says nothing beyond chance.
    """
    chance = first * second + (1 - first) * (1 - second)
    settled = chance > 1 - 1e-12
    return np.where(settled, 0.0, (agreement - chance) / np.where(settled, 1.0, 1 - chance))


def said_line(table: pd.DataFrame) -> str:
    """One line for the console: base, free answers beside options."""
    row = table[(table["method"] == BASE) & (table["language"] == MACRO)].iloc[0]
    local = estimated(*(row[f"localization_generated{end}"] for end in ("", "_lo", "_hi")))
    return (
        f"generated answers: a share of {local} of the unsteered model's free answers is local; they agree with the "
        f"option it chooses in {estimated(row['agreement'], digits=2)} of {row['n']} (item, language) pairs "
        f"(kappa {estimated(row['kappa'], digits=2)})"
    )
