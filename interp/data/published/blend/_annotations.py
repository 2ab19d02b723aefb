"""BLEnD's annotations: what people of a country answered, in both published layouts.

The repository has one JSON file a country, an object by question ID. The Hub has rows with a column `ID`; there lists
may be written as JSON text, and `idks` may be a list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interp.data.files import Record, by_key
from interp.data.published.blend._text import parsed, tidy
from interp.errors import DataError

IDK_LIMIT, NONE_LIMIT = 5, 3
COUNTED = ("idk", "no-answer", "not-applicable")


@dataclass(frozen=True)
class Answer:
    """One answer with its spellings: `local` in the country's language, `english`; `votes` annotators gave it."""

    local: tuple[str, ...]
    english: tuple[str, ...]
    votes: int


@dataclass(frozen=True)
class Annotated:
    """A question's answers in one country, the most voted first, and how many annotators gave none.

    `abstained` has BLEnD's three counts ("idk", "no-answer", "not-applicable") and whatever else was typed there.
    """

    question: str
    answers: tuple[Answer, ...]
    abstained: Mapping[str, int]

    @property
    def invalid(self) -> str:
        """Why BLEnD leaves the question out for this country, or "".

        Its rule: no answers, `no-answer` and `not-applicable` together 3 or more, or `idk` 5 or more. Other keys
        are remarks and are not counted.
        """
        none = self.abstained.get("no-answer", 0) + self.abstained.get("not-applicable", 0)
        if not self.answers:
            return "no answers"
        if none >= NONE_LIMIT:
            return f"{none} annotators gave no answer or said that the question doesn't apply"
        if self.abstained.get("idk", 0) >= IDK_LIMIT:
            return f"{self.abstained['idk']} annotators did not know"
        return ""


def annotated(records: Sequence[Record]) -> dict[str, Annotated]:
    """Records of either layout by question ID; raises DataError, which names file and row (or ID)."""
    return {key: _annotated(record) for key, record in by_key(records, "ID").items()}


def _annotated(record: Record) -> Annotated:
    groups = parsed(record.value("annotations"), f"{record.where}, annotations")
    if not isinstance(groups, list):
        raise DataError(
            f"{record.where}: 'annotations' is not a list: {str(groups)[:60]!r}",
            allowed="a list of objects with answers, en_answers, count",
            remedy="correct it",
        )
    answers = [_answer(group, record.where) for group in groups]
    return Annotated(
        question=tidy(str(record.value("question") or "")),
        answers=tuple(sorted((a for a in answers if a.local or a.english), key=lambda answer: -answer.votes)),
        abstained=_abstained(parsed(record.value("idks"), f"{record.where}, idks"), record.where),
    )


def _answer(group: Any, place: str) -> Answer:
    if not isinstance(group, dict) or not {"answers", "en_answers", "count"} <= group.keys():
        raise DataError(
            f"{place}: an annotation is {str(group)[:60]!r}",
            allowed="an object with answers, en_answers, count",
            remedy="correct it",
        )
    votes = group["count"]
    if isinstance(votes, bool) or not isinstance(votes, int) or votes < 1:
        raise DataError(f"{place}: count is {votes!r}", allowed="a whole number from 1 on", remedy="correct it")
    return Answer(_texts(group["answers"], place), _texts(group["en_answers"], place), votes)


def _texts(values: Any, place: str) -> tuple[str, ...]:
    """Spellings without empty ones and repetitions."""
    values = parsed(values, place)
    if values is None:
        return ()
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise DataError(f"{place}: answers are {values!r}", allowed="a list of texts", remedy="correct it")
    return tuple(dict.fromkeys(text for value in values if (text := tidy(value))))


def _abstained(values: Any, place: str) -> dict[str, int]:
    """The counts of a dict, or of a list of dicts, of pairs, or of one name per annotator; null counts as 0."""
    pairs: list[tuple[Any, Any]] = []
    for value in values if isinstance(values, list) else [values]:
        if isinstance(value, dict):
            pairs += value.items()
        elif isinstance(value, list | tuple) and len(value) == 2:
            pairs.append((value[0], value[1]))
        elif isinstance(value, str):
            pairs.append((value, 1))
        elif value is not None:
            raise DataError(f"{place}: idks holds {value!r}", allowed="counts by name", remedy="correct it")
    counts = dict.fromkeys(COUNTED, 0)
    for name, count in pairs:
        if count is not None and (isinstance(count, bool) or not isinstance(count, int)):
            raise DataError(f"{place}: idks[{name!r}] is {count!r}", allowed="a whole number", remedy="correct it")
        counts[str(name)] = counts.get(str(name), 0) + (count or 0)
    return counts
