"""Case by the rules of a language, for texts that are compared."""

from __future__ import annotations

import unicodedata

DOTLESS = frozenset({"az", "tr"})
"""Languages of `languages.csv` in which I is the capital of ı, and İ that of i."""


def folded(text: str, language: str) -> str:
    """`text` without the difference of small and capital letters: Unicode's case folding, Turkic where it applies."""
    if language in DOTLESS:
        composed = unicodedata.normalize("NFC", text)  # İ may be written as I and a dot above
        return composed.replace("I", "ı").replace("İ", "i").casefold()
    return text.casefold()


def capital(letter: str, language: str) -> str:
    """The capital of a small letter."""
    return "İ" if letter == "i" and language in DOTLESS else letter.upper()
