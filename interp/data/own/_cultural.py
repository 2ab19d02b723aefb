"""Cultural items of the user's own: the answers of each culture, written in each language that they are asked in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from interp.data import CulturalItem, CulturalSet, Split, Text, counted, shuffled
from interp.data import _cues as cues
from interp.data.files import add_once, folded
from interp.data.own._rows import Row, languages_of, same, splits_of
from interp.errors import DataError

REFERENCE = "US"
OPTIONS = 4
"""Options of a question whose row names none."""

Cells = Mapping[tuple[str, str], Row]
"""An item's rows by (culture, language)."""


def load(path: Path, rows: Sequence[Row], languages: tuple[str, ...]) -> CulturalSet:
    """The items of a file in those of `languages` (and English) that it has."""
    every, loaded = languages_of(rows, languages)
    cultures = tuple(dict.fromkeys(row.text("culture") for row in rows))
    items: dict[str, dict[tuple[str, str], Row]] = {}
    for row in rows:
        place = (row.text("culture"), row.language)
        name = f"item {row.item!r} in language {row.language!r} for {place[0]!r}"
        remedy = "remove one of the two rows, or write several answers as a|b"
        add_once(items.setdefault(row.item, {}), place, row, name, remedy)
    topics = {key: same(cells.values(), "topic", "item", required=True) for key, cells in items.items()}
    splits = splits_of(path, topics, "topic")
    built = [_item(key, cells, topics[key], splits[topics[key]], every) for key, cells in items.items()]
    dataset = CulturalSet(
        name=path.name,
        languages=loaded,
        cultures=cultures,
        own_culture={code: culture for code, culture in _own(rows, every).items() if code in loaded},
        items=tuple(_restricted(item, loaded) for item in built if set(item.questions) & set(loaded)),
        cues=_cues(path, rows, cultures, loaded),
        placebos=cues.placebos(loaded),
        reference=REFERENCE,
        option_count=_option_count(rows),
    )
    _check_counts(path, dataset)
    return dataset


def _item(key: str, cells: Cells, topic: str, split: Split, every: Sequence[str]) -> CulturalItem:
    """An item in every language of the file."""
    questions = {}
    for code in every:
        asked = [row for (_, language), row in cells.items() if language == code]
        if asked:
            questions[code] = same(asked, "question", "item and language", required=True)
    names: dict[str, dict[str, str]] = {}
    answers: dict[str, tuple[str, ...]] = {}
    given: dict[str, tuple[str, ...]] = {}
    by_culture: dict[str, list[Row]] = defaultdict(list)
    for culture, code in sorted(cells):
        by_culture[culture].append(cells[culture, code])
    for culture, rows in by_culture.items():
        texts = _parallel(rows, "answer")
        keys = [_concept(names, f"{culture}/{i}", text) for i, text in enumerate(texts)]
        answers[culture] = tuple(dict.fromkeys(keys))
    for culture, rows in by_culture.items():
        if not any(row.filled("options") for row in rows):
            continue
        options = [_concept(names, f"{culture}/option {i}", text) for i, text in enumerate(_parallel(rows, "options"))]
        right = [k for k in options if k in answers[culture]]
        if answers[culture][0] not in right or len(right) > 1:
            raise DataError(
                f"{rows[0].where}: {len(right)} of the options are answers of culture {culture!r}",
                allowed="one: the first answer, written in the same way and at the same place in every language",
                remedy="correct the options",
            )
        given[culture] = tuple(shuffled(options, "position", key, culture))
    return CulturalItem(
        key=key,
        topic=topic,
        split=split,
        questions=questions,
        answers=answers,
        pool=tuple(names),
        names=names,
        given=given,
    )


def _parallel(rows: Sequence[Row], column: str) -> list[dict[str, str]]:
    """The texts of a cell that holds several, parallel over the rows' languages."""
    texts = {row.language: row.texts(column) for row in rows}
    count = len(texts[rows[0].language])
    for row in rows:
        if len(texts[row.language]) != count:
            raise DataError(
                f"{row.where}: {column!r} has {len(texts[row.language])} texts",
                allowed=f"{count}, as at {rows[0].where}, in the same order",
                remedy="give every language the same number of texts in the same order",
            )
    return [{code: own[i] for code, own in texts.items()} for i in range(count)]


def _concept(names: dict[str, dict[str, str]], key: str, text: Text) -> str:
    """The key of an answer: a known one that has the same text in every language that both have, else `key`."""
    for known, other in names.items():
        shared = set(text) & set(other)
        if shared and all(folded(text[code], code) == folded(other[code], code) for code in shared):
            names[known] = {**text, **other}
            return known
    names[key] = dict(text)
    return key


def _restricted(item: CulturalItem, loaded: Sequence[str]) -> CulturalItem:
    """The item in some languages; answers that have no text in any of them go."""
    names = {key: {code: text[code] for code in loaded if code in text} for key, text in item.names.items()}
    names = {key: text for key, text in names.items() if text}

    def with_texts(groups: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        return {culture: keys for culture, keys in groups.items() if all(key in names for key in keys)}

    return replace(
        item,
        questions={code: text for code, text in item.questions.items() if code in loaded},
        answers=with_texts(item.answers),
        pool=tuple(names),
        names=names,
        given=with_texts(item.given),
    )


def _own(rows: Sequence[Row], every: Sequence[str]) -> dict[str, str]:
    """The own culture of each language: its rows', or the only one beside the reference that it has rows for."""
    own = {}
    for code in every:
        own_rows = [row for row in rows if row.language == code]
        named = same(own_rows, "own_culture", "language")
        cultures = list(dict.fromkeys(row.text("culture") for row in own_rows))
        if named and code == "en":
            raise DataError(
                f"{own_rows[0].where}: English has an own culture {named!r}",
                allowed="none, because localization is not scored in English",
                remedy="leave the cell empty",
            )
        if named and named not in cultures:
            raise DataError(
                f"{own_rows[0].where}: own culture {named!r} has no rows in language {code!r}",
                allowed=", ".join(cultures),
                remedy="correct it or add the rows",
            )
        others = [culture for culture in cultures if culture != REFERENCE]
        if code != "en" and (named or len(others) == 1):
            own[code] = named or others[0]
    return own


def _cues(path: Path, rows: Sequence[Row], cultures: Sequence[str], loaded: Sequence[str]) -> dict[str, Text]:
    """The rows' own cue sentences where the file has any, for every culture and language; else ours for all."""
    if not any(row.filled("cue") for row in rows):
        try:
            return cues.cues(cultures, loaded)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
    own_cues: dict[str, Text] = {}
    for culture in cultures:
        own_cues[culture] = sentences = {}
        for code in loaded:
            cell = [row for row in rows if row.language == code and row.text("culture") == culture]
            sentence = same(cell, "cue", "culture and language")
            if not sentence:
                where = cell[0].where if cell else path
                raise DataError(
                    f"{where}: no 'cue' for culture {culture!r} in language {code!r}",
                    allowed="a cue for each culture in each language, or no cues at all",
                    remedy="fill the cell (or add a row), or empty the column to use translocal's cues",
                )
            sentences[code] = sentence
    return own_cues


def _option_count(rows: Sequence[Row]) -> int:
    """How many options the rows name, the same in all that do."""
    with_options = [row for row in rows if row.filled("options")]
    if not with_options:
        return OPTIONS
    first, count = with_options[0], len(with_options[0].texts("options"))
    for row in with_options:
        if len(row.texts("options")) != count:
            raise DataError(
                f"{row.where}: 'options' has {len(row.texts('options'))} texts",
                allowed=f"{count}, as at {first.where}: one number for the whole file",
                remedy="add or remove options",
            )
    return count


def _check_counts(path: Path, dataset: CulturalSet) -> None:
    """Raises DataError for a language that no item counts for."""
    for code, culture in dataset.own_culture.items():
        scored, left_out = counted(dataset, code, culture)
        if not scored:
            raise DataError(
                f"{path}: no item can be scored in language {code!r} for culture {culture!r}: "
                f"{left_out[0].item!r}: {left_out[0].reason}",
                allowed=f"items with {dataset.option_count} options: one right for {culture}, one right for "
                f"{dataset.reference}, the others for neither",
                remedy="add rows of other cultures, or a column 'options'",
            )
