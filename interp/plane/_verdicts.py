"""What an effect may be called: the criteria of docs/method.md, decided from contrasts and said in a sentence each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from figures import Row, difference, direction, language_name, listed, named_p, other_way, shown_p
from interp.names import BASE, MACRO

DRAWS = 20
"""So many draws of a control have to be beaten, where one has many."""

COLUMNS = ("method", "language", "metric", "called", "estimate", "lo", "hi", "p", "sentence")

Effect = tuple[str, str, str]
"""(method, language, metric)."""


@dataclass(frozen=True)
class Criterion:
    """A contrast that has to rise, or, with `stays`, only must not fall; and what holds where it does, or does not.

    It falls where its interval lies below 0, whatever Holm's p: the doubt is not to the method's advantage.
    With `drawn`, `against` is a control of many draws, and the gain has to lie above that of each.
    """

    metric: str
    against: str
    holds: str
    fails: str
    stays: bool = False
    drawn: bool = False


@dataclass(frozen=True)
class Claim:
    """What a method's gain on a metric may be called, `otherwise` what it is called where a criterion fails."""

    method: str
    label: str
    metric: str
    gain: str
    name: str
    otherwise: str
    criteria: tuple[Criterion, ...]


CLAIMS = (
    Claim(
        "en", "EN-steering", "transfer", "accuracy", "transfer", "shift of output",
        (
            Criterion(
                "transfer_specific", BASE, "question-specific accuracy rises too",
                "question-specific accuracy does not clearly rise, so the model prefers some answers whatever is asked",
            ),
            Criterion(
                "transfer", "third_language", "it beats a vector towards a third language",
                "it does not clearly beat a vector towards a third language",
            ),
            Criterion(
                "transfer", "nonfactual_en", "it beats a vector fitted on sentences without facts",
                "it does not clearly beat a vector fitted on sentences without facts",
            ),
            Criterion(
                "answer_language", BASE, "the answers stay in the language of the question",
                "fewer answers are in the language of the question", stays=True,
            ),
        ),
    ),
    Claim(
        "loc", "LOC-steering", "localization", "localization", "localization", "unspecific gain",
        (
            Criterion(
                "localization", "wrong_culture", "it beats the vector of a wrong culture",
                "it does not clearly beat the vector of a wrong culture",
            ),
            Criterion(
                "localization", "placebo_cue", "it beats the vector of a placebo cue",
                "it does not clearly beat the vector of a placebo cue",
            ),
        ),
    ),
    Claim(
        "loc_language", "the target language's vector", "localization", "localization", "localization",
        "unspecific gain",
        (
            Criterion(
                "localization", "wrong_language", "it beats the vector of a wrong language",
                "it does not clearly beat the vector of a wrong language",
            ),
            Criterion(
                "localization", "random", f"it beats {DRAWS} random vectors",
                "some random vectors gain at least as much", drawn=True,
            ),
        ),
    ),
)  # fmt: skip


def verdict_table(
    contrasts: pd.DataFrame, controls: pd.DataFrame | None = None, headroom: Mapping[Effect, str] | None = None
) -> pd.DataFrame:
    """The rows of `verdicts.csv`: verdicts on the effects of EN and two variants of LOC, per language and `macro`.

    `contrasts` has the columns of `contrasts.csv`, `controls` those of `controls.csv`; `headroom` gives the last
    sentence of each verdict. called: `transfer` or `localization` if every criterion holds; `shift of output` (EN) or
    `unspecific gain` (LOC) if the metric rises but a criterion fails; `undecided` if it rises, no criterion fails and
    one was not measured; `loss` if it falls; `no clear gain` if it does neither. estimate, lo, hi, p: of the metric
    against base, with Holm's p.
    """
    rows = []
    for claim in CLAIMS:
        own = contrasts[contrasts["method"] == claim.method]
        for language, some in own.groupby("language", sort=False):
            compared = {(row["metric"], row["against"]): row for row in some.to_dict("records")}
            if (claim.metric, BASE) not in compared or pd.isna(compared[claim.metric, BASE]["estimate"]):
                continue
            judged = [
                _drawn(criterion, claim.method, str(language), controls)
                if criterion.drawn
                else _compared(criterion, compared.get((criterion.metric, criterion.against)))
                for criterion in claim.criteria
            ]
            row = _row(claim, compared[claim.metric, BASE], judged, own)
            told = (headroom or {}).get((claim.method, str(language), claim.metric), "")
            rows.append(row | {"sentence": f"{row['sentence']} {told}".strip()})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def macro_sentences(table: pd.DataFrame) -> list[str]:
    """The sentences of a `verdict_table` for the mean over languages."""
    return [str(sentence) for sentence in table.loc[table["language"] == MACRO, "sentence"]]


Judged = tuple[bool | None, str]
"""Whether a criterion holds (None: not measured), and that in words."""


def _compared(criterion: Criterion, row: Row | None) -> Judged:
    if row is None or pd.isna(row["lo"]):
        return None, criterion.holds
    if row["hi"] < 0 if criterion.stays else direction(row) <= 0:
        return False, f"{criterion.fails} ({difference(row)})"
    return True, criterion.holds


def _drawn(criterion: Criterion, method: str, language: str, controls: pd.DataFrame | None) -> Judged:
    """Whether a method's gain lies above that of every draw of a control; not measured with fewer than DRAWS."""
    beaten = f"beaten_by_{method}"
    if controls is None or beaten not in controls:
        return None, criterion.holds
    same = (controls["control"] == criterion.against) & (controls["metric"] == criterion.metric)
    below = controls.loc[same & (controls["language"] == language), beaten].dropna()
    if len(below) and below.iloc[0] < len(below):
        return False, f"{criterion.fails} ({int(below.iloc[0])} of {len(below)} gain less)"
    return (True if len(below) >= DRAWS else None), criterion.holds


def _row(claim: Claim, effect: Row, judged: list[Judged], own: pd.DataFrame) -> dict[str, object]:
    language = str(effect["language"])
    failing, unmeasured, holding = ([text for holds, text in judged if holds is kind] for kind in (False, None, True))
    called = _called(claim, direction(effect), failing, unmeasured)
    change = _change(effect, language, own)
    where = _where(language, own)
    rises = f"{where}, {claim.label} raises {claim.gain} ({change})"
    sentence = {
        claim.name: f"{rises}, and this counts as {claim.name}: {listed(holding)}.",
        claim.otherwise: f"{rises}, but this does not count as {claim.name}: {listed(failing)}.",
        "undecided": f"{rises}. Whether this counts as {claim.name} is open: the run did not measure whether "
        f"{listed(unmeasured)}.",
        "loss": f"{where}, {claim.label} lowers {claim.gain} ({change}).",
        "no clear gain": f"{where}, {claim.label} does not clearly raise {claim.gain} ({change}).",
    }[called]
    return {
        "method": claim.method, "language": language, "metric": claim.metric, "called": called,
        "estimate": effect["estimate"], "lo": effect["lo"], "hi": effect["hi"], "p": shown_p(effect),
        "sentence": sentence,
    }  # fmt: skip


def _called(claim: Claim, rises: int, failing: list[str], unmeasured: list[str]) -> str:
    if rises <= 0:
        return "loss" if rises < 0 else "no clear gain"
    if failing:
        return claim.otherwise
    return "undecided" if unmeasured else claim.name


def _change(effect: Row, language: str, own: pd.DataFrame) -> str:
    """Difference, p, and of a mean the languages that go the other way."""
    change = f"{difference(effect)}, {named_p(effect)}"
    if language != MACRO:
        return change
    same = own[(own["metric"] == effect["metric"]) & (own["against"] == effect["against"])]
    return change + other_way(effect["estimate"], same.to_dict("records"), "estimate")


def _where(language: str, own: pd.DataFrame) -> str:
    """The language in words; the mean over a single language is that language."""
    others = [code for code in own["language"].unique() if code != MACRO]
    if language == MACRO and len(others) != 1:
        return "On average over the languages"
    return f"In {language_name(str(others[0]) if language == MACRO else language)}"
