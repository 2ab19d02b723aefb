"""Verdict cards: for EN, LOC and Surgical Steering what was found, how sure it is, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from figures import MACRO, Row, RunTables, difference, direction, language_name, listed, named_p, number
from figures import _theme as theme

AXES = ("transfer", "localization")
OWN_AXIS = {"en": "transfer", "loc": "localization"}
"""The axis that a vector is meant to raise."""

OTHER_READINGS = {"loc": ("loc_contrast", "loc_language"), "surgical": ("surgical_language",)}

WORKS, MIXED, HARMFUL, BOTH = "works", "mixed", "harmful", "both rise"
SHIFT, UNSPECIFIC = "shift of output", "unspecific gain"
LITTLE, UNSEEN, UNTOLD = "little headroom", "no gain large enough to see", "can't tell with this design"
NEXT = {
    WORKS: "Check that it holds under other normalisations and against every random draw, then export the plan.",
    BOTH: "See which of the two vectors does what (interp ablate), then export the plan.",
    f"{SHIFT} only": "Accuracy rose, but not because facts transferred: try other layers or another vector.",
    UNSPECIFIC: "Something other than the culture raised localization: try another reading of LOC.",
    MIXED: "Choose a language below: it helps some and harms others. --design large chooses layers per language.",
    HARMFUL: "Look at the chosen layers and strengths; a limit on damage (--max-loss) or weaker --strengths may help.",
    LITTLE: "Use a model or languages with more to gain: asking in English or naming the place hardly helps here.",
    UNSEEN: "The interval excludes a gain as large as this design can see. Try other layers, another vector or model.",
    UNTOLD: "Use a larger --design or more items: the interval holds both no effect and one worth having.",
}


FEW = 15
"""Below so many clusters a card warns that intervals are rough."""


class Card(NamedTuple):
    """A verdict. tone: `good`, `bad` or `open`; effects and notes: sentences; step: what to do next, may be empty."""

    method: str
    title: str
    verdict: str
    tone: str
    effects: tuple[str, ...]
    notes: tuple[str, ...]
    step: str


def cards(run: RunTables, smallest: Mapping[str, float]) -> list[Card]:
    """A card for each of EN, LOC and Surgical Steering that the run compared with base.

    smallest: per axis, the smallest change that the design finds with 80% power.
    """
    contrasts = run.table("contrasts")
    if contrasts is None:
        return []
    found = []
    for method in ("en", "loc", "surgical"):
        effects = {axis: _against_base(contrasts, method, axis) for axis in AXES}
        if all(rows for rows in effects.values()):
            found.append(_card(run, method, effects, smallest))
    return found


def _card(run: RunTables, method: str, effects: Mapping[str, Mapping[str, Row]], smallest: Mapping[str, float]) -> Card:
    if method in OWN_AXIS:
        axis = OWN_AXIS[method]
        axes = (axis, *(other for other in AXES if other != axis))
        verdict = _single(run, method, axis, effects[axis], smallest)
    else:
        verdict, axes = _both(run, effects, smallest), AXES
    step, clusters = NEXT.get(verdict, ""), min(int(effects[axis][MACRO]["n_clusters"]) for axis in axes)
    if method in OWN_AXIS and direction(effects[axes[1]][MACRO]) < 0:
        joined = "but" if verdict == WORKS else "and"
        verdict = f"{verdict}, {joined} {axes[1]} falls" if direction(effects[axes[0]][MACRO]) > 0 else HARMFUL
        step = NEXT[HARMFUL] if verdict == HARMFUL else step
    if clusters < FEW and verdict in (WORKS, BOTH):
        verdict, step = f"{verdict}, on few questions", NEXT[UNTOLD]
    notes = [_failed(run, method)] if method in OWN_AXIS else []
    notes += [_uncounted(axis, effects[axis][MACRO]) for axis in axes]
    notes += [note for axis in axes for note in (_by_language(axis, effects[axis]),) if note]
    if method in OWN_AXIS:
        notes.append(_headroom(run, method, axes[0]))
    contrasts = run.require("contrasts")
    for other in OTHER_READINGS.get(method, ()):
        changes = [
            f"{axis} {difference(rows[MACRO])}" for axis in axes if (rows := _against_base(contrasts, other, axis))
        ]
        if changes:
            notes.append(f"{_title(other)}: {listed(changes)}.")
    if clusters < FEW:
        notes.append(f"Only {clusters} groups of questions: the intervals are rough.")
    tone = "good" if verdict in (WORKS, BOTH) else "bad" if verdict == HARMFUL else "open"
    told = tuple(f"{axis} {difference(effects[axis][MACRO])}, {named_p(effects[axis][MACRO])}" for axis in axes)
    return Card(method, _title(method), verdict, tone, told, tuple(filter(None, notes)), step)


def overall(found: Sequence[Card]) -> str:
    """The verdicts in one sentence; empty without cards."""
    return f"{'; '.join(f'{card.title}: {card.verdict}' for card in found)}." if found else ""


def _failed(run: RunTables, method: str) -> str:
    """Which criterion a gain does not meet, of the sentence in `verdicts.csv`; empty where it meets all."""
    verdicts = run.table("verdicts")
    if verdicts is None or "sentence" not in verdicts:
        return ""
    own = verdicts[(verdicts["method"] == method) & (verdicts["language"] == MACRO)]["sentence"]
    _, mark, after = str(own.iloc[0] if len(own) else "").partition("but this does not count as ")
    return f"It does not count as {after.partition('. ')[0].rstrip('.')}." if mark else ""


def _uncounted(axis: str, row: Row) -> str:
    """Why an interval beside 0 is not counted: the correction for several methods."""
    aside = row["lo"] > 0 or row["hi"] < 0
    text = f"{axis.capitalize()} is not counted: its interval excludes 0, but not after correcting for several methods."
    return text if aside and direction(row) == 0 else ""


def _against_base(contrasts: pd.DataFrame, method: str, axis: str) -> dict[str, Row]:
    """Language -> the change from base; empty without a measured mean."""
    own = (contrasts["method"] == method) & (contrasts["metric"] == axis) & (contrasts["against"] == "base")
    rows: dict[str, Row] = {str(row["language"]): row for row in contrasts[own].to_dict("records")}
    return rows if MACRO in rows and not pd.isna(rows[MACRO]["lo"]) else {}


def _single(run: RunTables, method: str, axis: str, rows: Mapping[str, Row], smallest: Mapping[str, float]) -> str:
    """The verdict on a vector's own axis: of `verdicts.csv`, and where nothing rose, why that may be."""
    verdicts = run.table("verdicts")
    called = ""
    if verdicts is not None:
        own = verdicts[(verdicts["method"] == method) & (verdicts["language"] == MACRO) & (verdicts["metric"] == axis)]
        called = str(own["called"].iloc[0]) if len(own) else ""
    up, down = (_going(rows, way) for way in (1, -1))
    if called == axis:
        return MIXED if down else WORKS
    if called in (SHIFT, UNSPECIFIC):
        return f"{called} only" if called == SHIFT else called
    if direction(rows[MACRO]) < 0:
        return HARMFUL
    if direction(rows[MACRO]) > 0:
        return "rises; controls are missing"
    if up and down:
        return MIXED
    headroom = _headroom_row(run, axis)
    if headroom and headroom[f"headroom_{axis}_lo"] <= 0 and headroom[f"headroom_{axis}"] < smallest.get(axis, 0.0):
        return LITTLE
    return UNSEEN if axis in smallest and rows[MACRO]["hi"] < smallest[axis] else UNTOLD


def _both(run: RunTables, effects: Mapping[str, Mapping[str, Row]], smallest: Mapping[str, float]) -> str:
    """What Surgical Steering does to the two axes, and whether that is more than controls do."""
    ways = {axis: direction(rows[MACRO]) for axis, rows in effects.items()}
    rising, falling = ([axis for axis, way in ways.items() if way == sign] for sign in (1, -1))
    reversed_in = any(_going(rows, -1) for axis, rows in effects.items() if ways[axis] > 0)
    if len(rising) == 2:
        return MIXED if reversed_in else BOTH if _specific(run) else f"{BOTH}; controls are not all beaten"
    if rising and falling:
        return f"{rising[0]} rises, {falling[0]} falls"
    if rising:
        return MIXED if reversed_in else f"{rising[0]} alone rises"
    if falling:
        return HARMFUL
    return UNSEEN if all(a in smallest and rows[MACRO]["hi"] < smallest[a] for a, rows in effects.items()) else UNTOLD


def _specific(run: RunTables) -> bool:
    """Whether Surgical Steering raises question-specific transfer, and beats every random draw on both axes."""
    specific = _against_base(run.require("contrasts"), "surgical", "transfer_specific")
    controls = run.table("controls")
    if not specific or direction(specific[MACRO]) <= 0 or controls is None or "beaten_by_surgical" not in controls:
        return False
    draws = controls[(controls["control"] == "random") & (controls["language"] == MACRO)]
    beaten = [rows["beaten_by_surgical"].iloc[0] == len(rows) for _, rows in draws.groupby("metric")]
    return len(beaten) == len(AXES) and all(beaten)


def _going(rows: Mapping[str, Row], way: int) -> list[str]:
    """Names of the languages that clearly go one way."""
    return [
        language_name(code)
        for code, row in rows.items()
        if code != MACRO and not pd.isna(row["lo"]) and direction(row) == way
    ]


def _by_language(axis: str, rows: Mapping[str, Row]) -> str:
    """Which languages rise, fall, or stay unclear; empty where there is one language."""
    if len(rows) < 3:
        return ""
    groups = {"up": _going(rows, 1), "down": _going(rows, -1), "unclear": _going(rows, 0)}
    named = [f"{word} in {listed(names)}" for word, names in groups.items() if names]
    return f"{axis.capitalize()}: {'; '.join(named)}."


def _headroom_row(run: RunTables, axis: str) -> Row | None:
    """The mean over languages, where the headroom of an axis was measured."""
    table = run.table("headroom")
    rows = [] if table is None else table[table["language"] == MACRO].to_dict("records")
    return rows[0] if rows and not pd.isna(rows[0][f"headroom_{axis}_lo"]) else None


def _headroom(run: RunTables, method: str, axis: str) -> str:
    """What there was to gain and the share of it that was gained."""
    row = _headroom_row(run, axis)
    if row is None:
        return ""
    text = f"Headroom for {axis} {number(row, f'headroom_{axis}', signed=True)}"
    shares = run.table("recovered")
    if shares is not None:
        own = (shares["method"] == method) & (shares["metric"] == axis) & (shares["language"] == MACRO)
        for share in shares[own].to_dict("records"):
            if not pd.isna(share["recovered"]) and share["gain"] > 0:
                text += f", of which {_percent(share)} was gained"
    return f"{text}."


def _percent(share: Row) -> str:
    """A share with its interval, in percent."""
    values = [100 * share[f"recovered{end}"] for end in ("", "_lo", "_hi")]
    return f"{values[0]:.0f}% [{values[1]:.0f}%, {values[2]:.0f}%]"


def _title(method: str) -> str:
    label = theme.label(method)
    return label[:1].upper() + label[1:]
