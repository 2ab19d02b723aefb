"""When a response names an annotated answer, and BLEnD's scores.

BLEnD (Myung et al. 2024) counts a response as right where it contains an annotated answer, in the local language or
in English. Its code brings both to lemmas first, with one tool per language. Here they are only normalised: Unicode
form, case, digits, punctuation, spaces, articles. **This deviates from the published scores**: an inflected form
that a lemmatiser would have undone is missed (a plural, a case ending of Azerbaijani), so scores are a little lower.
Where words have spaces an answer must match whole words; Korean words may carry particles. Chinese, Japanese, Thai,
Lao, Khmer and Burmese write no spaces between words. There an answer is searched without spaces, but not across
punctuation, not within a syllable, and not within a longer run of katakana. A short word that begins or ends a longer
one is still found in it (Thai "นม", milk, in "ขนม", a sweet). Tibetan marks its syllables: answers are whole ones. A
number matches as a whole number, whatever counter is glued to it ("12살").
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from interp.data._items import Accepted
from interp.data.files import folded

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
_SAME_LETTER = str.maketrans(
    {"ي": "ی", "ى": "ی", "ك": "ک", "ة": "ه", "ہ": "ه", "أ": "ا", "إ": "ا", "آ": "ا", "ـ": None}
)
"""Letters of the Arabic script that keyboards mix up; only ever compared, never shown."""

_KATAKANA = "ァ-ヺー-ヿㇰ-ㇿ"
_UNSPACED = (
    r"\u0e01-\u0e3a\u0e40-\u0e4e"  # Thai
    r"\u0e81-\u0edf"  # Lao
    r"\u1000-\u103f\u1050-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Myanmar
    r"\u1780-\u17d3\u17dc-\u17dd"  # Khmer
    r"\u3005-\u3007\u3040-\u3096\u309d-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af" + _KATAKANA
)
"""Letters and marks of scripts that are written without spaces between words."""
_WITHOUT_SPACES = re.compile(f"[{_UNSPACED}]")
_JOINING = re.compile("[·‧・･]")
"""Dots between the words of one name: "ハリー・ポッター"."""
_BEGINS_NO_SYLLABLE = r"(?<![\u0e40-\u0e44\u0ec0-\u0ec4\u1039\u17d2])"
"""Not after a vowel that is written in front of its consonant (Thai, Lao), nor stacked below one (Myanmar, Khmer)."""
_ENDS_NO_SYLLABLE = (
    r"(?![\u0e30-\u0e3a\u0e45\u0e47-\u0e4e\u0eb0-\u0ebd\u0ec8-\u0ece]"  # vowels, tones
    r"|[\u102b-\u103e\u1056-\u1059\u105e-\u1060\u1062-\u1064\u1067-\u106d\u1071-\u1074\u1082-\u108d]"
    r"|[\u1000-\u102a\u103f]\u1037?[\u1039\u103a]"  # a consonant that ends the syllable, or stands on the next
    r"|[\u17b6-\u17d3\u17dd])"
)
_NUMBER = re.compile(r"\d+(?:[:.,/]\d+)*")
_BREAK = "\n"
"""Stands for punctuation while a text is normalised."""


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
    if _WITHOUT_SPACES.search(answer):
        return _contains_unspaced(response, answer, language)
    words, within = (_unaccented(normalised(text, language), language) for text in (answer, response))
    if not words:
        return False
    if _NUMBER.fullmatch(words):
        return words in _NUMBER.findall(within)
    letter = rf"[^\s{_UNSPACED}]"
    particles = _PARTICLES if language == "ko" else ""
    return re.search(rf"(?<!{letter}){re.escape(words)}{particles}(?!{letter})", within) is not None


def _contains_unspaced(response: str, answer: str, language: str) -> bool:
    """`contains` for an answer in a script without spaces between words; its own punctuation may be missing."""
    parts, within = (
        ["".join(part.split()) for part in _spaced(_JOINING.sub("", text), language).split(_BREAK)]
        for text in (answer, response)
    )
    parts = [part for part in parts if part]
    first, last = parts[0][0], parts[-1][-1]
    pattern = f"{_before(first)}{f'{_BREAK}*'.join(map(re.escape, parts))}{_behind(last)}"
    return re.search(pattern, _BREAK.join(within)) is not None


def _before(letter: str) -> str:
    """What may not stand in front of an answer that begins with `letter`."""
    return f"{_BEGINS_NO_SYLLABLE}(?<!{_run(letter)})"


def _behind(letter: str) -> str:
    """What may not come after an answer that ends with `letter`."""
    return f"{_ENDS_NO_SYLLABLE}(?!{_run(letter)})"


def _run(letter: str) -> str:
    """The letters with which `letter` makes one word: katakana, or those of scripts with spaces; else none."""
    if re.match(f"[{_KATAKANA}]", letter):
        return f"[{_KATAKANA}]"
    return r"[^\s\S]" if _WITHOUT_SPACES.match(letter) else rf"[^\s{_UNSPACED}]"


def _unaccented(text: str, language: str) -> str:
    """Greek without the accent, which capitals are written without; other text as it is."""
    if language != "el":
        return text
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).replace("\u0301", ""))


def normalised(text: str, language: str) -> str:
    """Words in one form, joined by single spaces: NFKC, lower case, ASCII digits, no punctuation, no articles.

    A colon, comma, point or slash between digits stays: "12:30" is one word.
    """
    words = _spaced(text, language).split()
    without_articles = [word for word in words if word not in _ARTICLES.get(language, ())]
    if language == "ar":
        without_articles = [_ARABIC_ARTICLE.sub("", word) for word in without_articles]
    return " ".join(without_articles or words)


def _spaced(text: str, language: str) -> str:
    """Letters and digits in one form, spaces, and a `_BREAK` for each mark of punctuation."""
    plain = folded(unicodedata.normalize("NFKC", text), language).replace("\u0307", "")
    broken = re.sub(r"(?<!\d)[:.,/]|[:.,/](?!\d)", _BREAK, "".join(map(_plain, plain)))
    return broken.translate(_SAME_LETTER)


def _plain(letter: str) -> str:
    """A letter, an ASCII digit, a space or a break; "" for apostrophes, joiners and Arabic vowel signs."""
    kind = unicodedata.category(letter)
    if kind == "Nd":
        return str(unicodedata.decimal(letter))
    if letter in "'’ʼ`" or kind == "Cf" or "\u064b" <= letter <= "\u0652":
        return ""
    if kind[0] in "LNM" or letter in ":.,/":
        return letter
    return " " if letter.isspace() and letter not in "\n\r" else _BREAK
