"""Published cells made fit to read: text without control characters and stray spaces, JSON text parsed."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

from interp.errors import DataError

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ufeff]")
_SPACES = re.compile(r"\s+")


def tidy(text: str) -> str:
    """Control characters become spaces (they stand where one was lost), runs of spaces one, the ends are bare.

    The joiners of Persian (U+200C, U+200D) stay. The form is NFC.
    """
    return _SPACES.sub(" ", _CONTROL.sub(" ", unicodedata.normalize("NFC", text))).strip()


def parsed(value: Any, where: str) -> Any:
    """A cell's value, or what the JSON text in it says; DataError, which names the place, where that doesn't parse."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise DataError(f"{where}: not valid JSON ({error})", allowed="JSON", remedy="correct the cell") from error
