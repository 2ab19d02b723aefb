"""When a response names an annotated answer, and BLEnD's scores.

BLEnD (Myung et al. 2024) counts a response as right where it contains an annotated answer, in the local language or
in English. Its code brings both to lemmas first, with one tool per language. Here they are only normalised: Unicode
form, case, digits, punctuation, spaces, articles. **This deviates from the published scores**: an inflected form
that a lemmatiser would have undone is missed (a plural, a case ending of Azerbaijani), so scores are a little lower.
Where words have spaces an answer must match whole words; Korean words may carry a particle; Chinese is searched
without spaces.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from interp.data.blend.annotations import Answer

_ARTICLES = {
    "en": frozenset("a an the".split()),
    "es": frozenset("el la los las un una unos unas".split()),
    "el": frozenset("ο η το οι τα τον την τη του της των τουσ τισ ένα ένασ μια μία".split()),
}
_ARABIC_ARTICLE = re.compile(r"^(?:[وبفك]?ال|لل)(?=\w{2})")
_PARTICLES = (
    "(?:은|는|이|가|을|를|과|와|도|의|에|로|으로|에서|에게|한테|까지|부터|만|랑|이랑|하고|이나|나|들|들이|들은|들을|"
    "이다|다|입니다|이에요|예요|이요|요|이며|인데|이고|라고|이라고|처럼|보다)?"
)
_SAME_LETTER = str.maketrans({"ي": "ی", "ى": "ی", "ك": "ک", "ة": "ه", "أ": "ا", "إ": "ا", "آ": "ا", "ـ": None})
"""Letters of the Arabic script that keyboards mix up; only ever compared, never shown."""


@dataclass(frozen=True)
class Score:
    """BLEnD's two scores of one response: `binary` (SEM-B, 0 or 1), `weighted` (SEM-W, 0 to 1)."""

    binary: int
    weighted: float


def score(response: str, language: str, answers: Sequence[Answer]) -> Score:
    """SEM-B: 1 where any answer, local or English, is in `response`. SEM-W: its votes over the most votes.

    Of several answers that match, the one with the most votes counts.
    """
    most = max((answer.votes for answer in answers), default=0)
    matched = [
        answer.votes
        for answer in answers
        if any(contains(response, text, language) for text in answer.local)
        or any(contains(response, text, "en") for text in answer.english)
    ]
    return Score(1, max(matched) / most) if matched else Score(0, 0.0)


def contains(response: str, answer: str, language: str) -> bool:
    """Whether `answer` occurs in `response`, both normalised; an answer without letters or digits never does."""
    words, within = normalised(answer, language), normalised(response, language)
    if not words:
        return False
    if language == "zh":
        return words.replace(" ", "") in within.replace(" ", "")
    particle = _PARTICLES if language == "ko" else ""
    return re.search(rf"(?<!\S){re.escape(words)}{particle}(?!\S)", within) is not None


def normalised(text: str, language: str) -> str:
    """Words in one form, joined by single spaces: NFKC, lower case, ASCII digits, no punctuation, no articles."""
    if language == "az":
        text = text.replace("I", "ı").replace("İ", "i")
    text = unicodedata.normalize("NFKC", text).casefold().replace("\u0307", "")
    letters = []
    for letter in text:
        kind = unicodedata.category(letter)
        if kind == "Nd":
            letters.append(str(unicodedata.decimal(letter)))
        elif kind[0] in "LN" or (kind[0] == "M" and language not in ("ar", "fa")):
            letters.append(letter)
        elif kind[0] not in "MC" and letter not in "'’":
            letters.append(" ")
        elif kind == "Cc":
            letters.append(" ")
    words = "".join(letters)
    if language in ("ar", "fa"):
        words = words.translate(_SAME_LETTER)
    articles = _ARTICLES.get(language, frozenset())
    kept = [word for word in words.split() if word not in articles]
    if language == "ar":
        kept = [_ARABIC_ARTICLE.sub("", word) for word in kept]
    return " ".join(kept or words.split())
