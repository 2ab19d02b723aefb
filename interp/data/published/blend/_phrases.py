"""Implicit questions: the phrase that names the country is taken out.

A row of `phrases.csv` is a construction of one language ("in X", "X's", "people of X"), with what is left of it
where it must leave something (a possessive ending that loses its owner, a people's name that becomes "people").
`names.csv` has the countries' names and the stems of their adjectives and peoples. The first row that fits
decides. A country that is the sentence's subject or object, or the place that a verb asks for, stays:
the sentence would break; so does one that is named twice. Such a question is no implicit question and is listed.

"Your country" names no place. It goes by the same rows, so that all prompts have one form; where the sentence
needs it, it stays, and the question is implicit as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from interp.data.files import capital, read_table
from interp.data.published.blend._text import tidy

ANYWHERE = "*"
UNSPACED = frozenset({"ko", "zh", "fa", "ar", "am", "as"})
"""Languages where a particle, a preposition or (by mistake) a word is glued to the name."""


@dataclass(frozen=True)
class Implicit:
    """A question that names no place; `removed` is the stretch that a row replaced, "" where none had to be."""

    text: str
    removed: str


@dataclass(frozen=True)
class NotImplicit:
    """Why a question can't be asked without its country."""

    reason: str


@dataclass(frozen=True)
class _Rule:
    """Where `pattern` fits, the phrase goes for `replacement`, or stays for the reason `kept_because`."""

    pattern: re.Pattern[str]
    replacement: str
    kept_because: str


def implicit(question: str, language: str, culture: str) -> Implicit | NotImplicit:
    """`question`, written in `language` for the country `culture`, without the phrase that names the country."""
    text = tidy(question)
    if not text:
        return NotImplicit("the question is empty")
    mentions = list(_mention(language, culture).finditer(text))
    if not mentions:
        return _placeless(text, language, culture)
    if len(mentions) > 1:
        return NotImplicit(f"the country is named {len(mentions)} times")
    result = _without(text, language, culture)
    if isinstance(result, Implicit) and _mention(language, culture).search(result.text):
        return NotImplicit("a form of the country's name remains in the question")
    return result


def _placeless(text: str, language: str, culture: str) -> Implicit | NotImplicit:
    """A question without a known name: "your country" goes, or stays where the sentence needs it."""
    mentions = _mention(language, ANYWHERE).findall(text)
    if mentions:
        shorter = _without(text, language, ANYWHERE) if len(mentions) == 1 else None
        return shorter if isinstance(shorter, Implicit) else Implicit(text, "")
    wrong = _misspelt(text, _names()[language, culture][0])
    return NotImplicit(f"the country's name is misspelt: {wrong}" if wrong else "no phrase names the country")


def _without(text: str, language: str, culture: str) -> Implicit | NotImplicit:
    for rule in _rules(language, culture):
        match = rule.pattern.search(text)
        if match is None:
            continue
        if rule.kept_because:
            return NotImplicit(rule.kept_because)
        left = text[: match.start()] + match.expand(rule.replacement) + text[match.end() :]
        return Implicit(_mend(left, text, language), match[0].strip())
    return NotImplicit("the country's name is a subject, an object or part of a word")


def _mend(left: str, before: str, language: str) -> str:
    """Punctuation and spaces that lost their phrase go; the first letter is a capital where it was one."""
    text = re.sub(r"^[\s,،，、፣]+", "", tidy(left))
    text = re.sub(r" +(?=[?？؟;!.,،，)）])", "", text)
    first = next((i for i, letter in enumerate(text) if letter.isalpha()), None)
    was = next((letter for letter in before if letter.isalpha()), "")
    if first is None or not was.isupper():
        return text
    return text[:first] + capital(text[first], language) + text[first + 1 :]


def _misspelt(text: str, names: tuple[str, ...]) -> str:
    """A stretch of `text` that differs from one of the names (four letters or more) in one letter, or ""."""
    for name in names:
        for start in range(len(text) - len(name) + 1 if len(name) >= 4 else 0):
            piece = text[start : start + len(name)]
            if sum(a != b for a, b in zip(piece, name, strict=True)) == 1:
                return piece
    return ""


@lru_cache(maxsize=1)
def _names() -> dict[tuple[str, str], tuple[tuple[str, ...], tuple[str, ...]]]:
    """By language and culture: the country's names, and the stems of its adjectives and peoples, the longest first."""
    rows = read_table(Path(__file__).with_name("names.csv"), ("language", "culture", "names", "stems"), ("stems",))
    return {
        (row["language"], row["culture"]): (
            tuple(sorted(row["names"].split("|"), key=len, reverse=True)),
            tuple(sorted((stem for stem in row["stems"].split("|") if stem), key=len, reverse=True)),
        )
        for row in rows
    }


@lru_cache(maxsize=64)
def _mention(language: str, culture: str) -> re.Pattern[str]:
    names, stems = _names()[language, culture]
    end = "" if language in UNSPACED else r"(?!\w)"
    forms = [rf"(?i:{re.escape(stem)}\w*)" for stem in stems] + [re.escape(name) + end for name in names]
    return re.compile(("" if language in UNSPACED else r"(?<!\w)") + f"(?:{'|'.join(forms)})")


@lru_cache(maxsize=64)
def _rules(language: str, culture: str) -> tuple[_Rule, ...]:
    names, stems = _names()[language, culture]
    forms = f"(?:{'|'.join(map(re.escape, names))})"
    parts = {
        "{name}": forms,
        "{adjective}": rf"(?!{forms}(?!\w))(?i:(?:{'|'.join(map(re.escape, stems))})\w+)" if stems else r"(?!)",
    }
    columns = ("language", "kind", "pattern", "replacement", "why")
    rules = []
    for row in read_table(Path(__file__).with_name("phrases.csv"), columns, ("replacement", "why")):
        if row["language"] == language:
            pattern = row["pattern"]
            for part, regex in parts.items():
                pattern = pattern.replace(part, regex)
            kept_because = row["why"] if row["kind"] == "keep" else ""
            rules.append(_Rule(re.compile(pattern), row["replacement"], kept_because))
    return tuple(rules)
