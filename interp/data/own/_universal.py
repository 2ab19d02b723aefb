"""Universal items of the user's own: every item in every language, options in the same order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from interp.data import Text, UniversalItem, UniversalSet
from interp.data.files import add_once
from interp.data.own._rows import Row, languages_of, same, splits_of
from interp.errors import DataError

_YES, _NO = ("yes", "true", "1"), ("no", "false", "0", "")
RELATION = "own"
"""The relation of items whose rows name none."""


def load(path: Path, rows: Sequence[Row], languages: tuple[str, ...]) -> UniversalSet:
    """The items of a file in those of `languages` (and English) that it has."""
    every, loaded = languages_of(rows, languages)
    items: dict[str, dict[str, Row]] = {}
    for row in rows:
        name = f"item {row.item!r} in language {row.language!r}"
        add_once(items.setdefault(row.item, {}), row.language, row, name)
    clusters = {key: same(own.values(), "cluster", "item") or key for key, own in items.items()}
    relations = {key: same(own.values(), "relation", "item") or RELATION for key, own in items.items()}
    answered = {key: _options(key, own, every) for key, own in items.items()}
    splits = splits_of(path, clusters, "cluster")
    right: dict[str, list[Text]] = defaultdict(list)
    for key, (options, answer) in answered.items():
        if relations[key] != RELATION and options[answer] not in right[relations[key]]:
            right[relations[key]].append(options[answer])

    def item(key: str) -> UniversalItem:
        options, answer = answered[key]
        others = [text for text in right[relations[key]] if text not in options]
        written = [{code: text[code] for code in loaded} for text in (*options, *others)]
        return UniversalItem(
            key=key,
            relation=relations[key],
            cluster=clusters[key],
            split=splits[clusters[key]],
            questions={code: (items[key][code].text("question"),) for code in loaded},
            options=tuple(written[: len(options)]),
            answer=answer,
            candidates=tuple(written),
            sensitive=_sensitive(items[key]),
        )

    return UniversalSet(path.name, loaded, tuple(map(item, items)))


def _options(key: str, rows: Mapping[str, Row], every: Sequence[str]) -> tuple[tuple[Text, ...], int]:
    """An item's options in every language and the right one's place; raises DataError if languages differ."""
    first = next(iter(rows.values()))
    missing = [code for code in every if code not in rows]
    if missing:
        raise DataError(
            f"{first.where}: item {key!r} has no row in language {missing[0]!r}",
            allowed=f"one row in each of {', '.join(every)}",
            remedy="add the row, or remove the item's other rows",
        )
    texts = {code: row.texts("options") for code, row in rows.items()}
    count = len(texts[first.language])
    place = answer_place(first, texts[first.language])
    for code, row in rows.items():
        row.text("question")
        if len(texts[code]) < 2:
            raise DataError(f"{row.where}: 'options' has one text", allowed="two or more", remedy="add wrong options")
        if len(texts[code]) != count:
            raise DataError(
                f"{row.where}: 'options' has {len(texts[code])} texts",
                allowed=f"{count}, as at {first.where}, in the same order",
                remedy="give the item the same options in the same order in every language",
            )
        right = answer_place(row, texts[code])
        if right != place:
            raise DataError(
                f"{row.where}: option {right + 1} is right",
                allowed=f"option {place + 1}, as at {first.where}",
                remedy="put the item's options in the same order in every language",
            )
    return tuple({code: texts[code][i] for code in every} for i in range(count)), place


def answer_place(row: Row, options: Sequence[str]) -> int:
    """The right option's index: `answer` is its text, its place counted from 1, or # with that place.

    Raises DataError for another answer, and for a number that is one option's text and another's place.
    """
    answer = row.text("answer")
    number = answer.removeprefix("#")
    place = int(number) - 1 if number.isascii() and number.isdigit() else -1
    numbered = 0 <= place < len(options)
    if answer in options:
        if numbered and options.index(answer) != place:
            raise DataError(
                f"{row.where}: answer {answer!r} is the text of option {options.index(answer) + 1} and the place of "
                f"option {place + 1}",
                allowed=f"#1 to #{len(options)}",
                remedy="write # and the place of the right option",
            )
        return options.index(answer)
    if not numbered:
        raise DataError(
            f"{row.where}: answer {answer!r} is not among the options",
            allowed=f"{' | '.join(options)}, or 1 to {len(options)}",
            remedy="correct the answer",
        )
    return place


def _sensitive(rows: Mapping[str, Row]) -> bool:
    word = same(rows.values(), "sensitive", "item").lower()
    if word not in (*_YES, *_NO):
        where = next(iter(rows.values())).where
        raise DataError(f"{where}: 'sensitive' is {word!r}", allowed="yes, no", remedy="correct it")
    return word in _YES
