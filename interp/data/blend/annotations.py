"""BLEnD's annotations: what people of a country answered, in both published layouts.

The repository has one JSON file a country, an object by question ID. The Hub has rows with a column `ID`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from interp.data.blend.text import tidy
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

    id: str
    question: str
    english_question: str
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
            return f"{none} annotators gave no answer or said that it doesn't apply"
        if self.abstained.get("idk", 0) >= IDK_LIMIT:
            return f"{self.abstained['idk']} annotators did not know"
        return ""


def annotations_by_id(text: str, file: str) -> dict[str, Annotated]:
    """The repository's layout: a JSON object of records by question ID. Raises DataError with file and ID."""
    try:
        records = json.loads(text, object_pairs_hook=_no_twins(file))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{file}, line {error.lineno}: not JSON ({error.msg})",
            allowed="an object of records by question ID",
            remedy="fetch the file again",
        ) from None
    if not isinstance(records, dict):
        raise DataError(
            f"{file}: a JSON {type(records).__name__}",
            allowed="an object of records by question ID",
            remedy="pass a file data/annotations/<Country>_data.json",
        )
    return {key: annotated({"ID": key} | _mapping(record, f"{file}, {key}"), f"{file}, {key}")
            for key, record in records.items()}  # fmt: skip


def annotations_of_rows(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Annotated]:
    """The Hub's layout: (place, row) with the columns ID, question, en_question, annotations, idks.

    `place` names the file and the row in errors. Raises DataError.
    """
    found: dict[str, Annotated] = {}
    for place, row in rows:
        record = annotated(row, place)
        if record.id in found:
            raise DataError(f"{place}: the ID {record.id!r} occurs twice", remedy="keep one of the rows")
        found[record.id] = record
    return found


def annotated(row: Mapping[str, Any], place: str) -> Annotated:
    """One record of either layout; cells that hold JSON text are parsed. Raises DataError with `place`."""
    for column in ("ID", "question", "en_question", "annotations", "idks"):
        if column not in row:
            raise DataError(
                f"{place}: {column!r} is missing",
                allowed="ID, question, en_question, annotations, idks",
                remedy="fetch the file again",
            )
    groups = _parsed(row["annotations"], f"{place}, annotations")
    if not isinstance(groups, list):
        raise DataError(f"{place}: annotations is a {type(groups).__name__}", allowed="a list", remedy="correct it")
    answers = [_answer(_mapping(group, f"{place}, annotations"), place) for group in groups]
    return Annotated(
        id=tidy(str(row["ID"])),
        question=tidy(str(row["question"] or "")),
        english_question=tidy(str(row["en_question"] or "")),
        answers=tuple(sorted((a for a in answers if a.local or a.english), key=lambda answer: -answer.votes)),
        abstained=_abstained(_parsed(row["idks"], f"{place}, idks"), place),
    )


def _answer(group: Mapping[str, Any], place: str) -> Answer:
    missing = [column for column in ("answers", "en_answers", "count") if column not in group]
    if missing:
        raise DataError(
            f"{place}: an answer has no {missing[0]!r}", allowed="answers, en_answers, count", remedy="correct it"
        )
    votes = group["count"]
    if isinstance(votes, bool) or not isinstance(votes, int) or votes < 1:
        raise DataError(f"{place}: count is {votes!r}", allowed="a whole number from 1 on", remedy="correct it")
    return Answer(_texts(group["answers"], place), _texts(group["en_answers"], place), votes)


def _texts(values: Any, place: str) -> tuple[str, ...]:
    """Spellings without empty ones and repetitions."""
    values = _parsed(values, place)
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


def _parsed(value: Any, place: str) -> Any:
    """A cell as it is, or what the JSON text in it says."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise DataError(f"{place}: not JSON ({error.msg})", allowed="JSON", remedy="correct the cell") from None


def _mapping(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{place}: a {type(value).__name__}", allowed="an object", remedy="correct it")
    return value


def _no_twins(file: str) -> Any:
    """A hook for json.loads: an object that has a key twice is refused."""

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        built = dict(pairs)
        if len(built) < len(pairs):
            keys = [key for key, _ in pairs]
            twin = next(key for key in keys if keys.count(key) > 1)
            raise DataError(f"{file}: {twin!r} occurs twice", remedy="keep one of the two")
        return built

    return build
