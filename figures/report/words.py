"""What a run found, in sentences: only what its contrasts back, by the criteria of docs/method.md."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from figures import theme
from figures.alt import MACRO, Row, number

Contrasts = Mapping[tuple[str, str, str], Row]
"""(metric, method, against) -> the macro row of contrasts.csv."""

TRANSFER = (
    ("transfer", "base", "accuracy rises"),
    ("transfer_reduced", "base", "it rises also without the base model's favourite wrong option"),
    ("transfer", "third_language", "it beats a vector to a third language"),
    ("transfer", "nonfactual_en", "it beats an EN vector of non-factual sentences"),
)
LOCALIZATION = (
    ("localization", "base", "localization rises"),
    ("localization", "wrong_culture", "it beats the vector of a wrong culture"),
    ("localization", "placebo_cue", "it beats a placebo cue"),
)


def contrasts_of(table: pd.DataFrame | None) -> Contrasts:
    """The macro rows by what they compare."""
    if table is None:
        return {}
    rows = table[table["language"] == MACRO].to_dict("records")
    return {(row["metric"], row["method"], row["against"]): row for row in rows}


def sentences(plane: pd.DataFrame, contrasts: Contrasts) -> list[str]:
    """Where base lands, what each method changes, and what the effects may be called."""
    rows = {row["method"]: row for row in plane[plane["language"] == MACRO].to_dict("records")}
    base = rows["base"]
    told = [
        f"Unsteered, the model answers {number(base, 'transfer')} of {base['n_universal']} universal questions right "
        f"(transfer) and {number(base, 'localization')} of {base['n_cultural']} cultural questions as the language's "
        f"own culture would (localization); {_chance(base)}."
    ]
    for method, row in rows.items():
        if method == "base" or theme.is_control(method) or theme.of_seed(method) or "+" in method:
            continue
        told.append(
            f"{_sentence(_label(method))} changes transfer by {number(row, 'd_transfer', signed=True)} and "
            f"localization by {number(row, 'd_localization', signed=True)}."
        )
    return [*told, *verdicts(contrasts)]


def _chance(base: Row) -> str:
    """What chance is: for localization in effect, where that was measured."""
    nominal = f"chance is {base['chance']:.2f}"
    if pd.isna(base.get("chance_effective")):
        return nominal
    return (
        f"{nominal}, for localization in effect {number(base, 'chance_effective')}, as options that are neither local "
        f"nor the US's are chosen in {number(base, 'neither')} of the cases"
    )


def verdicts(contrasts: Contrasts) -> list[str]:
    """Whether EN's effect may be called transfer, and LOC's localization; with what fails."""
    told = []
    if any(method == "en" for _, method, _ in contrasts):
        failed = _failed(contrasts, "en", TRANSFER)
        language = contrasts.get(("answer_language", "en", "base"))
        if language is not None and language["hi"] < 0:
            failed.append(f"answers leave the language asked ({_difference(language)})")
        told.append(_verdict("EN-steering", "transfer", "a shift of output", failed))
    if any(method == "loc" for _, method, _ in contrasts):
        told.append(_verdict("LOC-steering", "localization", "localization", _failed(contrasts, "loc", LOCALIZATION)))
    return told


def _failed(contrasts: Contrasts, method: str, criteria: tuple[tuple[str, str, str], ...]) -> list[str]:
    """Criteria that don't hold, or were not measured, with their differences."""
    failed = []
    for metric, against, words in criteria:
        row = contrasts.get((metric, method, against))
        if row is None or pd.isna(row["lo"]):
            failed.append(f"not measured whether {words}")
        elif not row["lo"] > 0:
            failed.append(f"not shown that {words} ({_difference(row)})")
    return failed


def _verdict(who: str, name: str, other: str, failed: list[str]) -> str:
    if not failed:
        return f"By the criteria set before, the effect of {who} may be called {name}: each one's interval is above 0."
    called = f" and is called {other}" if other != name else ""
    return f"The effect of {who} may not be called {name}{called}: {'; '.join(failed)}."


def _difference(row: Row) -> str:
    return number({"d": row["estimate"], "d_lo": row["lo"], "d_hi": row["hi"]}, "d", signed=True)


def _label(method: str) -> str:
    return theme.looks([method])[theme.family(method)].label


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
