"""Published text made fit to read: no control characters, no stray spaces."""

from __future__ import annotations

import re
import unicodedata

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ufeff]")
_SPACES = re.compile(r"\s+")


def tidy(text: str) -> str:
    """Control characters become spaces (they stand where one was lost), runs of spaces one, the ends are bare.

    The joiners of Persian (U+200C, U+200D) stay. The form is NFC.
    """
    return _SPACES.sub(" ", _CONTROL.sub(" ", unicodedata.normalize("NFC", text))).strip()
