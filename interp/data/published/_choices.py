"""Multiple-choice rows: which columns a source has them in, and the items that they become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from interp.data import CulturalItem, LeftOut, Split, UniversalItem, shuffled
from interp.data.files import Record
from interp.data.published._collected import Collected
from interp.errors import DataError

LETTERS, NUMBERS = "ABCD", "0123"
TEN = "ABCDEFGHIJ"


@dataclass(frozen=True)
class Choice:
    """A question with its options as a row has it in one language; `where` is the file and the row."""

    subject: str
    question: str
    options: tuple[str, ...]
    answer: int
    where: str


@dataclass(frozen=True)
class Columns:
    """Where a source's rows have their parts.

    options: the columns of the options, or one column with a list of them. answer: the column with the right option's
    mark. marks: those of the options, in their order. question, subject: what `choice` reads too. fewer: the last
    columns may be empty, where a question has fewer options.
    """

    options: tuple[str, ...]
    answer: str
    marks: str = LETTERS
    question: str = ""
    subject: str = ""
    fewer: bool = False

    def choice(self, record: Record) -> Choice:
        """A row's question; DataError if question or subject is empty, or options or answer can't be read.

        Where no column has the subject it is "".
        """
        options, answer = self.options_and_answer(record)
        subject = record.text(self.subject) if self.subject else ""
        return Choice(subject, record.text(self.question), options, answer, record.where)

    def options_and_answer(self, record: Record) -> tuple[tuple[str, ...], int]:
        """A row's options, of which some may be empty, and the right one's place."""
        if len(self.options) > 1:
            texts = [record.maybe(column) for column in self.options]
        else:
            texts = record.listed(self.options[0])
        answer = record.letter(self.answer, self.marks) if self.fewer else None
        while answer is not None and len(texts) > answer + 1 and not texts[-1]:
            texts.pop()
        if len(texts) != len(self.marks) and not self.fewer:
            raise DataError(
                f"{record.where}: {len(texts)} choices",
                allowed=str(len(self.marks)),
                remedy="use the file as published",
            )
        return tuple(texts), record.letter(self.answer, self.marks) if answer is None else answer


def unusable(question: str, options: Sequence[str], count: int = 4) -> str:
    """Why a question in one language can't be an item of so many options, or ""."""
    if not question or len(options) != count or not all(options):
        return "the question or an option is empty or missing"
    return "two options are the same" if len(set(options)) < len(options) else ""


def local_item(
    key: str, row: Choice, *, language: str, culture: str, split: Split = "fit", cluster: str = ""
) -> CulturalItem:
    """A question that one country asks in one language, its options in an order drawn by hash; `subject` is its topic.

    The options' keys are their places in the row.
    """
    keys = tuple(str(place) for place in range(len(row.options)))
    return CulturalItem(
        key=key,
        topic=row.subject,
        split=split,
        questions={language: row.question},
        answers={culture: (keys[row.answer],)},
        pool=keys,
        names={place: {language: text} for place, text in zip(keys, row.options, strict=True)},
        cluster=cluster,
        given={culture: tuple(shuffled(keys, "position", key))},
    )


def choice_item(
    key: str, rows: Mapping[str, Choice], *, cluster: str, split: Split, sensitive: bool = False
) -> UniversalItem | LeftOut:
    """The item of a row in every language, or why it can't be one: options that are empty or equal.

    Raises DataError if a language has another subject or right answer than English.
    """
    first = rows["en"]
    for row in rows.values():
        _check(key, row, first)
    for code, row in rows.items():
        if "" in row.options:
            return LeftOut(key, row.where, f"option {TEN[row.options.index('')]} is empty in {code!r}")
        if len(row.options) != len(first.options):
            reason = f"{len(row.options)} options in {code!r}, {len(first.options)} in English"
            return LeftOut(key, row.where, reason)
        if len(set(row.options)) < len(row.options):
            return LeftOut(key, row.where, f"two options are the same in {code!r}")
    options = tuple({code: row.options[index] for code, row in rows.items()} for index in range(len(first.options)))
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
    pairs = (("subject", row.subject, first.subject), ("answer", TEN[row.answer], TEN[first.answer]))
    for name, own, english in pairs:
        if own != english:
            raise DataError(
                f"{row.where}: the languages don't line up: {key!r} has the {name} {own!r}",
                allowed=f"{english!r}, as at {first.where}",
                remedy="use files of one revision in all languages",
            )


def in_every_language(
    keys: Sequence[str], rows: Mapping[str, Mapping[str, Choice]], collected: Collected[UniversalItem]
) -> dict[str, dict[str, Choice]]:
    """The rows (language -> key -> row) by key, where every language has them; `collected` takes note of the others.

    `keys` are English's; what it lacks is noted too.
    """
    complete: dict[str, dict[str, Choice]] = {}
    lacking: dict[str, list[str]] = {}
    for key in keys:
        absent = [code for code, own in rows.items() if key not in own]
        if absent:
            lacking.setdefault(", ".join(absent), []).append(key)
        else:
            complete[key] = {code: own[key] for code, own in rows.items()}
    for codes, missing in lacking.items():
        collected.leave_out(missing, rows["en"], f"missing in {codes}")
    for code, own in rows.items():
        collected.leave_out([key for key in own if key not in rows["en"]], own, f"in {code} but not in English")
    return complete
