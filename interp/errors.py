"""User mistakes. Each says what was given, what is allowed and what to do; the command line prints it in one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator


class TranslocalError(Exception):
    """A mistake in what the user gave, with the remedy in the message."""

    def __init__(self, given: str, *, allowed: str = "", remedy: str = "") -> None:
        parts = [given]
        if allowed:
            parts.append(f"allowed: {allowed}")
        if remedy:
            parts.append(f"to do: {remedy}")
        super().__init__("; ".join(parts))


class DataError(TranslocalError):
    """A dataset, an item or a language that can't be used as asked."""


class ModelError(TranslocalError):
    """A model that can't be loaded or hooked."""


class ConfigError(TranslocalError):
    """A setting that doesn't exist or has a value that isn't allowed."""


class OutputError(TranslocalError):
    """A folder that can't be written, or that holds something else."""


class Notice(UserWarning):
    """Something the user should know while work goes on; the command line prints it in one line."""


def nearest(name: str, names: Iterable[str], otherwise: str) -> str:
    """What to do about an unknown name: the one of `names` that it looks like, else `otherwise`."""
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"did you mean {close[0]!r}?" if close else otherwise


def reason_of(error: BaseException, most: int = 300) -> str:
    """What an error says, in one line of at most `most` characters; the system's errors without number and path."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    return " ".join(str(error).split())[:most]


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what it was raised from, and so on."""
    seen: list[BaseException] = []
    while error is not None and not any(error is earlier for earlier in seen):
        yield error
        seen.append(error)
        error = error.__cause__ or error.__context__
