"""When a response names an annotated answer, and BLEnD's scores.

BLEnD (Myung et al. 2024) counts a response as right where it contains an annotated answer, in the local language or
in English. Its code brings both to lemmas first, with one tool per language. Here they are only normalised: Unicode
form, case, digits, punctuation, spaces, articles. **This deviates from the published scores**: an inflected form
that a lemmatiser would have undone is missed (a plural, a case ending of Azerbaijani), so scores are a little lower.
Where words have spaces an answer must match whole words; Korean words may carry particles; Chinese is searched
without spaces. A number matches as a whole number, whatever counter is glued to it ("12살").
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from interp.data.items import Accepted

_ARTICLES = {
    "en": frozenset({"a", "an", "the"}),
    "es": frozenset({"el", "la", "los", "las", "un", "una", "unos", "unas"}),
    "el": frozenset({"ο", "η", "το", "οι", "τα", "τον", "την", "τη", "του", "της", "των", "τουσ", "τισ"})
    | frozenset({"ένα", "ένασ", "μια", "μία"}),
}
"""As `normalised` writes them: case folding turns a final ς into σ."""

_ARABIC_ARTICLE = re.compile(r"^(?:[وبفك]?ال|لل)(?=\w{2})")
_PARTICLES = (
    "(?:들|에서|에게|한테|까지|부터|으로|이랑|하고|이나|은|는|이|가|을|를|과|와|도|의|에|로|만|랑|나|처럼|보다|"
    "입니다|이에요|예요|이다|이요|요|다|이며|인데|이고|라고|이라고)*"
)
_SAME_LETTER = str.maketrans({"ي": "ی", "ى": "ی", "ك": "ک", "ة": "ه", "أ": "ا", "إ": "ا", "آ": "ا", "ـ": None})
"""Letters of the Arabic script that keyboards mix up; only ever compared, never shown."""

_HAN = re.compile(r"[\u3400-\u9fff]")
_NUMBER = re.compile(r"\d+(?:[:.,/]\d+)*")


@dataclass(frozen=True)
class Score:
    """BLEnD's two scores of one response: `binary` (SEM-B, 0 or 1), `weighted` (SEM-W, 0 to 1)."""

    binary: int
    weighted: float


def score(response: str, language: str, accepted: Sequence[Accepted]) -> Score:
    """SEM-B: 1 where any accepted text is in `response`. SEM-W: its answer's votes over the most votes.

    Of several answers that match, the one with the most votes counts. Texts may be in `language` or in English.
    """
    most = max((answer.votes for answer in accepted), default=0)
    matched = [
        answer.votes
        for answer in accepted
        if any(contains(response, text, code) for text in answer.texts for code in (language, "en"))
    ]
    return Score(1, max(matched) / most) if matched else Score(0, 0.0)


def contains(response: str, answer: str, language: str) -> bool:
    """Whether `answer` occurs in `response`, both normalised; an answer without letters or digits never does."""
    words, within = normalised(answer, language), normalised(response, language)
    if not words:
        return False
    if _NUMBER.fullmatch(words):
        return words in _NUMBER.findall(within)
    if language == "zh" and _HAN.search(words):
        return words.replace(" ", "") in within.replace(" ", "")
    letter = "[a-z0-9]" if language == "zh" else r"\S"
    particles = _PARTICLES if language == "ko" else ""
    return re.search(rf"(?<!{letter}){re.escape(words)}{particles}(?!{letter})", within) is not None


def normalised(text: str, language: str) -> str:
    """Words in one form, joined by single spaces: NFKC, lower case, ASCII digits, no punctuation, no articles.

    A colon, comma, point or slash between digits stays: "12:30" is one word.
    """
    if language == "az":
        text = text.replace("I", "ı").replace("İ", "i")
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\u0307", "")
    spaced = re.sub(r"(?<!\d)[:.,/]|[:.,/](?!\d)", " ", "".join(map(_plain, folded)))
    words = (spaced.translate(_SAME_LETTER) if language in ("ar", "fa") else spaced).split()
    kept = [word for word in words if word not in _ARTICLES.get(language, ())]
    if language == "ar":
        kept = [_ARABIC_ARTICLE.sub("", word) for word in kept]
    return " ".join(kept or words)


def _plain(letter: str) -> str:
    """A letter, an ASCII digit, or a space; "" for apostrophes, joiners and the vowel signs of the Arabic script."""
    kind = unicodedata.category(letter)
    if kind == "Nd":
        return str(unicodedata.decimal(letter))
    if letter in "'’ʼ`" or kind == "Cf" or "\u064b" <= letter <= "\u0652":
        return ""
    return letter if kind[0] in "LNM" or letter in ":.,/" else " "
