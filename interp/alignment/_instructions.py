"""The user's own training data: a JSONL file of parallel instructions.

One object a line, with the text fields `id`, `language`, `instruction` and `response`; rows of the same `id` say the
same in several languages, each language once. `language` is a code of `interp/data/languages.csv`. Further fields are
ignored.

    {"id": "7", "language": "en", "instruction": "Name a prime number.", "response": "Seven."}
    {"id": "7", "language": "es", "instruction": "Nombra un número primo.", "response": "Siete."}
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from interp.data import language
from interp.data.files import Record, read_records
from interp.errors import DataError
from interp.files import not_a_file

FIELDS = ("id", "language", "instruction", "response")


@dataclass(frozen=True)
class Instruction:
    """An instruction and the response to it in one language; `where` is file and row."""

    instruction: str
    response: str
    where: str


def read_instructions(path: Path) -> dict[str, dict[str, Instruction]]:
    """Instructions by id and language, in the file's order.

    Raises DataError, with file and row, for a field that is missing, empty or no text, an unknown language, a language
    that an id has twice, and for a file without rows.
    """
    if not path.is_file():
        raise DataError(f"{path} {not_a_file(path)}", allowed="a .jsonl file", remedy="check the path")
    instructions: dict[str, dict[str, Instruction]] = {}
    for record in read_records(path):
        key, code, instruction, response = (_field(record, name) for name in FIELDS)
        try:
            language(code)
        except DataError as error:
            raise DataError(f"{record.where}: {error}") from error
        in_languages = instructions.setdefault(key, {})
        if code in in_languages:
            raise DataError(
                f"{record.where}: id {key!r} appears twice in {code!r}",
                allowed=f"once; first at {in_languages[code].where}",
                remedy="drop one row, or give it another id",
            )
        in_languages[code] = Instruction(instruction, response, record.where)
    if not instructions:
        raise DataError(f"{path} is empty", allowed=f"rows with {', '.join(FIELDS)}", remedy="check the file")
    return instructions


def _field(record: Record, name: str) -> str:
    value = record.value(name)
    if not isinstance(value, (str, int)) or isinstance(value, bool) or (name != "id" and not isinstance(value, str)):
        raise DataError(
            f"{record.where}: {name!r} is {str(value)[:60]!r}", allowed="text", remedy="correct it or drop the row"
        )
    return record.text(name)
