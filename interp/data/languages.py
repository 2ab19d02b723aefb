"""What a prompt needs to know of a language."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from interp.data.tables import read_table
from interp.errors import DataError


@dataclass(frozen=True)
class Language:
    """A language's code, the word for "Answer:" and the separator between that word and the answer."""

    code: str
    answer: str
    separator: str


@lru_cache(maxsize=1)
def languages() -> dict[str, Language]:
    """All languages that prompts can be written in."""
    rows = read_table(files(__package__) / "languages.csv", ("language", "answer", "separator"))
    return {
        row["language"]: Language(row["language"], row["answer"], " " if row["separator"] == "space" else "")
        for row in rows
    }


def language(code: str) -> Language:
    """The language of a code; raises DataError where it is unknown."""
    known = languages()
    if code not in known:
        raise DataError(
            f"language {code!r} is unknown", allowed=", ".join(known), remedy="add a row to interp/data/languages.csv"
        )
    return known[code]
