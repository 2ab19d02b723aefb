"""User mistakes. Each says what was given, what is allowed and what to do; the command line prints it in one line."""

from __future__ import annotations


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
