"""Notes of a run: questions that were asked at its desk and what was answered, a line of JSON each."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from interp.errors import ConfigError, OutputError, reason_of
from interp.serve._asking import read_ask

NOTES = "notes.jsonl"
MOST_NOTES = 1000
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""A run from elsewhere may hold a link, or a pipe, of that name."""


def read_notes(folder: Path) -> list[dict[str, Any]]:
    """The notes in a run's folder, oldest first; lines that are no notes are left out.

    Raises OutputError for a file that can't be read.
    """
    try:
        with open(os.open(folder / NOTES, os.O_RDONLY | _NO_LINK), encoding="utf-8") as file:
            lines = file.read().split("\n")
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise OutputError(f"{folder / NOTES} can't be read: {reason_of(error)}", remedy="move it away") from None
    return [note for line in lines if (note := _note(line))]


def _note(line: str) -> dict[str, Any] | None:
    try:
        given = json.loads(line)
        return checked_note(given)
    except (ValueError, ConfigError):
        return None


def checked_note(given: Any) -> dict[str, Any]:
    """A note: what was asked, checked as a request, and what was answered, as text. Raises ConfigError for another."""
    if not isinstance(given, dict) or set(given) != {"ask", "answer"}:
        raise ConfigError("the note can't be read", allowed='an object with "ask" and "answer"')
    asked = read_ask(json.dumps(given["ask"]).encode())
    answer = given["answer"]
    if not isinstance(answer, list) or not all(isinstance(line, str) for line in answer):
        raise ConfigError("the note's answer can't be read", allowed="a list of lines")
    return {"ask": asked.model_dump(exclude_unset=True), "answer": answer}


def add_note(folder: Path, note: dict[str, Any]) -> None:
    """Append a note. Raises OutputError if the file can't be written, is a link, or holds MOST_NOTES already."""
    if len(read_notes(folder)) >= MOST_NOTES:
        raise OutputError(f"{folder / NOTES} holds {MOST_NOTES} notes", remedy="move it away to begin anew")
    try:
        with open(os.open(folder / NOTES, os.O_RDWR | os.O_CREAT | os.O_APPEND | _NO_LINK, 0o644), "rb+") as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                file.write(b"" if file.read(1) == b"\n" else b"\n")
            file.write(json.dumps(note, ensure_ascii=False, sort_keys=True).encode() + b"\n")
    except OSError as error:
        raise OutputError(f"{folder / NOTES} can't be written: {reason_of(error)}") from None
