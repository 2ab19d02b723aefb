"""Multiple-choice rows of parallel files: one question in every language, its options in the same order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from interp.data import LeftOut, Split, UniversalItem
from interp.data.published._aligned import Sorted, several
from interp.errors import DataError

LETTERS = "ABCD"


@dataclass(frozen=True)
class Choice:
    """A question with four options as a row has it in one language; `where` is the file and the row."""

    subject: str
    question: str
    options: tuple[str, ...]
    answer: int
    where: str


def choice_item(
    key: str, rows: Mapping[str, Choice], *, cluster: str, split: Split, sensitive: bool = False
) -> UniversalItem | LeftOut:
    """The item of a row in every language, or why it can't be one: options that are empty or equal.

    Raises DataError where a language has another subject or right answer than English.
    """
    first = rows["en"]
    for row in rows.values():
        _check(key, row, first)
    for code, row in rows.items():
        if "" in row.options:
            return LeftOut(key, row.where, f"option {LETTERS[row.options.index('')]} is empty in {code!r}")
        if len(set(row.options)) < len(row.options):
            return LeftOut(key, row.where, f"two options are the same in {code!r}")
    options = tuple({code: row.options[index] for code, row in rows.items()} for index in range(len(LETTERS)))
    return UniversalItem(
        key=key,
        relation=first.subject,
        cluster=cluster,
        split=split,
        questions={code: (row.question,) for code, row in rows.items()},
        options=options,
        answer=first.answer,
        candidates=options,
        sensitive=sensitive,
    )


def _check(key: str, row: Choice, first: Choice) -> None:
    pairs = (("subject", row.subject, first.subject), ("answer", LETTERS[row.answer], LETTERS[first.answer]))
    for name, here, there in pairs:
        if here != there:
            raise DataError(
                f"{row.where}: the languages don't line up: {key!r} has the {name} {here!r}",
                allowed=f"{there!r}, as at {first.where}",
                remedy="use files of one revision in all languages",
            )


def in_every_language(
    keys: Sequence[str], rows: Mapping[str, Mapping[str, Choice]], found: Sorted
) -> dict[str, dict[str, Choice]]:
    """The rows (language -> key -> row) by key, where every language has them; `found` takes note of the others.

    `keys` are English's; what it lacks is noted too.
    """
    lacking: dict[str, list[str]] = {}
    for key in keys:
        absent = [code for code, known in rows.items() if key not in known]
        if absent:
            lacking.setdefault(", ".join(absent), []).append(key)
    for codes, missing in lacking.items():
        found.left_out.append(several(missing, rows["en"][missing[0]].where, f"not there in {codes}"))
    for code, known in rows.items():
        further = [key for key in known if key not in rows["en"]]
        if further:
            found.left_out.append(several(further, known[further[0]].where, f"there in {code} but not in English"))
    return {
        key: {code: known[key] for code, known in rows.items()}
        for key in keys
        if all(key in known for known in rows.values())
    }
