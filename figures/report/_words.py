"""What a run found, in sentences: only what its tables say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from figures import MACRO, Row, named_p, number, other_way, shown_p
from figures import _theme as theme

AXES = ("transfer", "localization")


def sentences(plane: pd.DataFrame, contrasts: pd.DataFrame | None, verdicts: pd.DataFrame | None) -> list[str]:
    """Where base lands, what each method changes, and what the effects may be called (of `verdicts.csv`)."""
    rows = {row["method"]: row for row in plane[plane["language"] == MACRO].to_dict("records")}
    base = rows["base"]
    lines = [
        f"The unsteered model answers {number(base, 'transfer')} of the {base['n_universal']} universal questions "
        f"correctly (transfer), and {number(base, 'localization')} of the {base['n_cultural']} cultural questions as "
        f"the language's own culture would (localization). {_chance(base)}."
    ]
    for method, row in rows.items():
        if method == "base" or theme.is_control(method) or theme.of_seed(method) or "+" in method:
            continue
        transfer, localization = (_change(plane, contrasts, row, metric) for metric in AXES)
        lines.append(
            f"{_sentence(theme.label(method))} changes transfer by {transfer} and localization by {localization}."
        )
    if verdicts is not None:
        lines += map(str, verdicts.loc[verdicts["language"] == MACRO, "sentence"])
    return lines


def smallest_seen(manifest: Mapping[str, Any]) -> str:
    """The smallest effects that the run's design finds with 80% power; empty if it gives none."""
    effects = manifest.get("smallest_effects") or {}
    if not effects:
        return ""
    changes = " and ".join(f"{value:.3f} in {metric}" for metric, value in effects.items())
    design = manifest.get("design", {}).get("name", "")
    return (
        f"With 80% power, this run's design ({design}) detects changes of at least {changes}, averaged over languages. "
        "This is estimated from the variance on dev. Controls were searched in the same way as the vectors they are "
        "compared with."
    )


def _chance(base: Row) -> str:
    """The chance level, and for localization the effective one where it was measured."""
    nominal = f"Chance is {base['chance']:.2f}"
    cultural = base.get("chance_cultural", base["chance"])
    if f"{cultural:.2f}" != f"{base['chance']:.2f}":
        nominal += f" for transfer and {cultural:.2f} for localization"
    if pd.isna(base.get("chance_effective")):
        return nominal
    return (
        f"{nominal}; for localization it is effectively {number(base, 'chance_effective')}, because the model chooses "
        f"an option that is neither local nor the US's in {number(base, 'neither')} of the cases"
    )


def _change(plane: pd.DataFrame, contrasts: pd.DataFrame | None, row: Row, metric: str) -> str:
    """A method's mean change with its interval, its p, and the languages that go the other way."""
    column = f"d_{metric}"
    languages = plane[plane["method"] == row["method"]].to_dict("records")
    notes = _p(contrasts, row["method"], metric) + other_way(row[column], languages, column)
    return number(row, column, signed=True) + (f" ({notes.removeprefix('; ')})" if notes else "")


def _p(contrasts: pd.DataFrame | None, method: str, metric: str) -> str:
    if contrasts is None:
        return ""
    own = (contrasts["method"] == method) & (contrasts["metric"] == metric) & (contrasts["against"] == "base")
    rows = contrasts[own & (contrasts["language"] == MACRO)].to_dict("records")
    return named_p(rows[0]) if rows and not pd.isna(shown_p(rows[0])) else ""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
