"""What each figure shows, in a sentence or two with its numbers: text for those who don't see the picture."""

from __future__ import annotations

import pandas as pd

from figures import _theme as theme
from figures._numbers import estimate
from figures._sweep import strength_label
from figures._wording import MACRO, Row, language_name, number, other_way


def plane(table: pd.DataFrame, language: str) -> str:
    """Where base and every method land."""
    rows = table[(table["language"] == language) & ~table["method"].map(theme.is_control)]
    rows = rows[~rows["method"].map(theme.of_seed)]
    parts = [
        f"{theme.label(row['method'])} {number(row, 'transfer')} and {number(row, 'localization')}"
        for row in rows.to_dict("records")
    ]
    return f"Transfer and localization, {_of(language)}: {'; '.join(parts)}."


def changes(table: pd.DataFrame, language: str) -> str:
    """How far every method moved from base."""
    rows = table[(table["language"] == language) & ~table["method"].map(theme.is_control)]
    rows = rows[~rows["method"].map(theme.of_seed) & (rows["method"] != "base")]
    parts = [
        f"{theme.label(row['method'])} {number(row, 'd_transfer', signed=True)} and "
        f"{number(row, 'd_localization', signed=True)}"
        for row in rows.to_dict("records")
    ]
    return f"Changes of transfer and localization from base, {_of(language)}: {'; '.join(parts)}."


def plane_by_language(table: pd.DataFrame) -> str:
    """Where base and Surgical Steering land in each language."""
    parts: list[str] = []
    for language, rows in table[table["language"] != MACRO].groupby("language", sort=False):
        named = {row["method"]: row for row in rows.to_dict("records")}
        if "base" not in named or pd.isna(named["base"]["localization"]):
            continue
        places = [named[method] for method in ("base", "surgical") if method in named]
        steps = [", ".join(estimate(row[axis], digits=2) for axis in ("transfer", "localization")) for row in places]
        parts.append(f"{language} {' to '.join(steps)}")
    return f"Transfer, localization of base and of Surgical Steering per language: {'; '.join(parts)}."


def layers(table: pd.DataFrame, language: str) -> str:
    """Where each curve is highest."""
    rows = table[table["language"] == language].sort_values("layer")
    names = {
        "probe_universal": "the universal probe", "probe_language": "the language probe",
        "probe_culture": "the culture probe", "probe_answer": "the answer probe",
        "alignment_universal": "alignment of universal prompts", "alignment_cultural": "alignment of cultural prompts",
        "d_transfer_en": "EN's effect on transfer", "d_localization_loc": "LOC's effect on localization",
    }  # fmt: skip
    parts = []
    for column, label in names.items():
        if column in rows and rows[column].notna().any():
            best = _most(rows, column)
            against = _against(table, best, column, ["layer"]) if column.startswith("d_") else ""
            parts.append(f"{label} is highest at layer {best['layer']:.0f}, {number(best, column)}{against}")
    return f"By layer, {_of(language)}: {'; '.join(parts)}."


def sweep(table: pd.DataFrame, language: str) -> str:
    """The best cell of each vector on its own axis, and what it does to the other."""
    parts = []
    for method, own, other in (("en", "transfer", "localization"), ("loc", "localization", "transfer")):
        rows = table[(table["method"] == method) & (table["language"] == language)]
        if len(rows):
            best = _most(rows, f"d_{own}")
            changes = [
                number(best, column, signed=True) + _against(table, best, column, ["method", "layer", "strength"])
                for column in (f"d_{own}", f"d_{other}")
            ]
            strength = strength_label(best["strength"])
            parts.append(
                f"{theme.label(method)} raises {own} most at layer {best['layer']:.0f}, strength {strength}: "
                f"{changes[0]}, {other} {changes[1]}"
            )
    return f"On dev, {_of(language)}: {'; '.join(parts)}."


def geometry(table: pd.DataFrame) -> str:
    """The range of the languages' mean cosine, and the layer where the spans are closest."""
    mean = table[table["language"] != MACRO].groupby("layer")["cosine"].mean()
    text = (
        f"The cosine of EN and LOC, mean over languages, lies between {mean.min():+.2f} at layer {mean.idxmin()} and "
        f"{mean.max():+.2f} at layer {mean.idxmax()}"
    )
    rows = table[table["language"] == MACRO]
    if "angle_1" in rows and rows["angle_1"].notna().any():
        near = _most(rows.assign(less=-rows["angle_1"]), "less")
        text += f"; the smallest angle of their spans is {near['angle_1']:.0f} degrees, at layer {near['layer']:.0f}"
    return f"{text}."


def lens(table: pd.DataFrame, language: str) -> str:
    """How often the local and the US answer lead after the last layer, and where the local one leads most."""
    parts = []
    for cue, label in (("none", "Without a cue"), ("explicit", "With the cue")):
        rows = table[(table["language"] == language) & (table["cue"] == cue)]
        if len(rows):
            best, last = _most(rows, "local"), _most(rows, "layer")
            parts.append(
                f"{label} the local answer leads in {number(last, 'local')} of the prompts after the last layer, the "
                f"US answer in {number(last, 'us')}; the local one most after layer {best['layer']:.0f}, "
                f"{number(best, 'local')}"
            )
    return f"By the logit lens, {_of(language)}: {'. '.join(parts)}."


def erasure(table: pd.DataFrame) -> str:
    """What each trained method lost, and what LOC gives back beyond base."""
    rows = table[table["language"] == MACRO]
    parts = [
        f"{theme.label(row['method'])} lost {_changed(table, row, 'erasure')} of localization, and LOC "
        f"restores {_changed(table, row, 'recoverable')} beyond its effect on base"
        for row in rows.to_dict("records")
    ]
    return f"{'; '.join(parts)}."


def mechanism(table: pd.DataFrame) -> str:
    """The layer after which undoing the shift restores most."""
    parts = []
    for method, rows in table[table["language"] == MACRO].groupby("method", sort=False):
        if rows["restored"].notna().any():
            best = _most(rows, "restored")
            parts.append(
                f"undoing the shift of {theme.label(str(method))} after layer {best['layer']:.0f} restores most, "
                f"{number(best, 'restored', signed=True)}{_against(table, best, 'restored', ['method', 'layer'])}, of "
                f"{number(best, 'erasure', signed=True)} lost"
            )
    text = "; ".join(parts) or "no shift was measured"
    return f"{text[:1].upper()}{text[1:]}."


def matrix(table: pd.DataFrame) -> str:
    """The mean of each condition, on the languages' own cultures and on others."""
    parts = []
    for condition, rows in table.groupby("condition", sort=False):
        own = rows["own_culture"].astype(bool)
        parts.append(
            f"{condition} {estimate(rows.loc[own, 'localization'].mean(), digits=2)} and "
            f"{estimate(rows.loc[~own, 'localization'].mean(), digits=2)}"
        )
    return f"Mean localization to a language's own culture and to others: {'; '.join(parts)}."


def ablations(table: pd.DataFrame) -> str:
    """The searched plan, and how many ablations are below it on each axis."""
    rows = table[table["language"] == MACRO]
    searched = next(row for row in rows.to_dict("records") if row["group"] == "searched")
    others = rows[rows["group"] != "searched"]
    parts = [
        f"{(others[f'd_{axis}'] < searched[f'd_{axis}']).sum()} of {len(others)} ablations are below it in {axis}"
        for axis in ("transfer", "localization")
    ]
    return (
        f"The searched plan gains {_changed(table, searched, 'd_transfer', 'ablation')} in transfer and "
        f"{_changed(table, searched, 'd_localization', 'ablation')} in localization; {'; '.join(parts)}."
    )


def noise(table: pd.DataFrame) -> str:
    """How often noise seems to gain."""
    parts = [
        f"with random {kind} {int((rows[f'd_{axis}_lo'] > 0).sum())} of {len(rows)} in {axis}"
        for kind, rows in table.groupby("random", sort=False)
        for axis in ("transfer", "localization")
    ]
    return f"Searches whose interval on test lies above 0: {'; '.join(parts)}."


def _most(rows: pd.DataFrame, column: str) -> Row:
    """The row with the largest value, the first of equals."""
    return rows.sort_values(column, ascending=False, kind="stable", na_position="last").to_dict("records")[0]


def _against(table: pd.DataFrame, macro: Row, column: str, keys: list[str]) -> str:
    """The languages that go the other way than a macro row, in the rows that share its keys; empty for other rows."""
    if macro["language"] != MACRO:
        return ""
    same = table[(table[keys] == [macro[key] for key in keys]).all(axis=1)]
    return other_way(macro[column], same.to_dict("records"), column)


def _changed(table: pd.DataFrame, macro: Row, column: str, key: str = "method") -> str:
    return number(macro, column, signed=True) + _against(table, macro, column, [key])


def _of(language: str) -> str:
    return "mean over languages" if language == MACRO else language_name(language)
