"""Universal items of the user's own: every item in every language, options in the same order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from interp.data import Text, UniversalItem, UniversalSet
from interp.data.own._rows import Row, same, splits_of
from interp.errors import DataError

_YES, _NO = ("yes", "true", "1"), ("no", "false", "0", "")
RELATION = "own"
"""The relation of items whose rows name none."""


def load(path: Path, rows: Sequence[Row], languages: tuple[str, ...]) -> UniversalSet:
    """The items of a file in those of `languages` (and English) that it has."""
    every = tuple(dict.fromkeys(row.language for row in rows))
    loaded = tuple(code for code in every if not languages or code in (*languages, "en"))
    items: dict[str, dict[str, Row]] = {}
    for row in rows:
        known = items.setdefault(row.item, {}).setdefault(row.language, row)
        if known is not row:
            raise DataError(
                f"{row.where}: item {row.item!r} is there twice in language {row.language!r}",
                allowed=f"once; first at {known.where}",
                remedy="drop one",
            )
    clusters = {key: same(found.values(), "cluster", "item") or key for key, found in items.items()}
    relations = {key: same(found.values(), "relation", "item") or RELATION for key, found in items.items()}
    options, answers = {}, {}
    for key, found in items.items():
        options[key], answers[key] = _options(key, found, every)
    splits = splits_of(path, clusters, "cluster")
    right: dict[str, list[Text]] = {}
    for key, relation in relations.items():
        known_answers = right.setdefault(relation, [])
        if relation != RELATION and options[key][answers[key]] not in known_answers:
            known_answers.append(options[key][answers[key]])
    return UniversalSet(
        name=path.name,
        languages=loaded,
        items=tuple(
            UniversalItem(
                key=key,
                relation=relations[key],
                cluster=clusters[key],
                split=splits[clusters[key]],
                questions={code: (found[code].text("question"),) for code in loaded},
                options=tuple(_only(text, loaded) for text in options[key]),
                answer=answers[key],
                candidates=tuple(
                    _only(text, loaded)
                    for text in (*options[key], *(t for t in right[relations[key]] if t not in options[key]))
                ),
                sensitive=_sensitive(found),
            )
            for key, found in items.items()
        ),
    )


def _only(text: Text, loaded: Sequence[str]) -> Text:
    return {code: text[code] for code in loaded}


def _options(key: str, found: Mapping[str, Row], every: Sequence[str]) -> tuple[tuple[Text, ...], int]:
    """An item's options in every language and the right one's place; raises DataError where languages differ."""
    first = next(iter(found.values()))
    missing = [code for code in every if code not in found]
    if missing:
        raise DataError(
            f"{first.where}: item {key!r} has no row in language {missing[0]!r}",
            allowed=f"one row in each of {', '.join(every)}",
            remedy="add the row, or drop the item's other rows",
        )
    texts = {code: row.texts("options") for code, row in found.items()}
    place = answer_place(first, texts[first.language])
    for code, row in found.items():
        row.text("question")
        if len(texts[code]) < 2:
            raise DataError(f"{row.where}: one option", allowed="two or more", remedy="add wrong ones")
        if len(texts[code]) != len(texts[first.language]):
            raise DataError(
                f"{row.where}: {len(texts[code])} options",
                allowed=f"{len(texts[first.language])}, as at {first.where}, in the same order",
                remedy="make the item's languages line up",
            )
        if answer_place(row, texts[code]) != place:
            raise DataError(
                f"{row.where}: option {answer_place(row, texts[code]) + 1} is right",
                allowed=f"option {place + 1}, as at {first.where}",
                remedy="bring the item's options into the same order in every language",
            )
    count = len(texts[first.language])
    return tuple({code: texts[code][i] for code in every} for i in range(count)), place


def answer_place(row: Row, options: Sequence[str]) -> int:
    """The right option's index: `answer` is its text, its place counted from 1, or # with that place.

    Raises DataError for another answer, and for a number that is one option's text and another's place.
    """
    answer = row.text("answer")
    number = answer.removeprefix("#")
    place = int(number) - 1 if number.isascii() and number.isdigit() else None
    within = place is not None and 0 <= place < len(options)
    if answer in options and not (within and options.index(answer) != place):
        return options.index(answer)
    if answer in options:
        raise DataError(
            f"{row.where}: answer {answer!r} is option {options.index(answer) + 1}'s text and option {answer}'s place",
            allowed=f"#1 to #{len(options)}",
            remedy="write # and the place of the right option",
        )
    if not within or place is None:
        raise DataError(
            f"{row.where}: answer {answer!r} is not among the options",
            allowed=f"{' | '.join(options)}, or 1 to {len(options)}",
            remedy="correct the answer",
        )
    return place


def _sensitive(found: Mapping[str, Row]) -> bool:
    word = same(found.values(), "sensitive", "item").lower()
    if word not in (*_YES, *_NO):
        raise DataError(
            f"{next(iter(found.values())).where}: 'sensitive' is {word!r}", allowed="yes, no", remedy="correct it"
        )
    return word in _YES
