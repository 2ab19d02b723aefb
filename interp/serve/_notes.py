"""Notes of a run: questions that were asked at its desk and what was answered, a line of JSON each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from interp.errors import OutputError

NOTES = "notes.jsonl"
MOST_NOTES = 1000


def read_notes(folder: Path) -> list[dict[str, Any]]:
    """The notes in a run's folder, oldest first; lines that are no notes are left out."""
    path = folder / NOTES
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            note = json.loads(line)
        except ValueError:
            continue
        if isinstance(note, dict):
            found.append(note)
    return found


def add_note(folder: Path, note: dict[str, Any]) -> None:
    """Append a note. Raises OutputError if the folder can't be written, or holds MOST_NOTES already."""
    if len(read_notes(folder)) >= MOST_NOTES:
        raise OutputError(f"{folder / NOTES} holds {MOST_NOTES} notes", remedy="move it away to begin anew")
    try:
        with (folder / NOTES).open("a", encoding="utf-8") as file:
            file.write(json.dumps(note, ensure_ascii=False, sort_keys=True) + "\n")
    except OSError as error:
        raise OutputError(f"{folder / NOTES} can't be written: {error.strerror}") from None
