"""Answers that mean the same across countries, and how each language writes them.

Within a question two annotated answers are one *concept* where they share a spelling, in English or in one language
(and so are answers linked by a third). English spellings are compared without case, punctuation, articles, spaces
and the plural's ending: "Hot dogs" is "hotdog".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from interp.data.blend.annotations import Annotated, Answer
from interp.data.blend.matching import normalised

Spelling = tuple[str, str]
"""(language, identity): two spellings are the same where both are equal."""


@dataclass(frozen=True)
class Concept:
    """An answer with its texts by language and its votes by culture; `key` is unique within its question."""

    key: str
    names: Mapping[str, str]
    votes: Mapping[str, int]


class Lexicon:
    """How each language writes an English answer, learnt from all countries and questions.

    A pair counts where one side of the annotated group has a single spelling, so that the group says what is meant.
    """

    def __init__(self, annotated: Iterable[tuple[str, Annotated]]) -> None:
        self._local: dict[tuple[str, str], Counter[str]] = {}
        self._english: dict[Spelling, Counter[str]] = {}
        for language, record in annotated:
            for answer in record.answers:
                local = {identity(text, language): text for text in reversed(answer.local)}
                english = {identity(text, "en"): text for text in reversed(answer.english)}
                if language == "en" or not english or not local or min(len(local), len(english)) > 1:
                    continue
                for spelling in english:
                    self._local.setdefault((language, spelling), Counter())[answer.local[0]] += answer.votes
                for spelling in local:
                    self._english.setdefault((language, spelling), Counter())[answer.english[0]] += answer.votes

    def local(self, english: str, language: str) -> str | None:
        """The text that `language` most often has for an English answer, or None."""
        return _first(self._local.get((language, identity(english, "en"))))

    def english(self, local: str, language: str) -> str | None:
        """The English text that was most often given for a local answer, or None."""
        return _first(self._english.get((language, identity(local, language))))


def identity(text: str, language: str) -> str:
    """What is compared of a spelling: normalised words without spaces, English ones without the plural's ending."""
    words = normalised(text, language).split()
    return "".join(map(_singular, words) if language == "en" else words)


def concepts(
    answers: Mapping[str, tuple[Answer, ...]], language_of: Mapping[str, str], lexicon: Lexicon
) -> tuple[Concept, ...]:
    """The concepts among one question's answers by culture, the most voted first."""
    groups = [(culture, answer) for culture, found in answers.items() for answer in found]
    spellings = [_spellings(answer, language_of[culture]) for culture, answer in groups]
    built = []
    for members in _connected(spellings):
        ranked = sorted(members, key=lambda i: (-groups[i][1].votes, groups[i][0]))
        built.append(_concept([groups[i] for i in ranked], language_of, lexicon))
    return tuple(sorted(built, key=lambda concept: (-sum(concept.votes.values()), concept.key)))


def _concept(ranked: list[tuple[str, Answer]], language_of: Mapping[str, str], lexicon: Lexicon) -> Concept:
    """A concept of its annotated groups, the most voted first; texts that they lack come from the lexicon."""
    votes: dict[str, int] = {}
    spoken: dict[str, Counter[str]] = {"en": Counter()}
    for culture, answer in ranked:
        votes[culture] = max(votes.get(culture, 0), answer.votes)
        for text in answer.english:
            spoken["en"][text] += answer.votes
        if language_of[culture] != "en":
            for text in answer.local:
                spoken.setdefault(language_of[culture], Counter())[text] += answer.votes
    names = {language: _shared(texts, language) for language, texts in spoken.items() if texts}
    if "en" not in names:
        pairs = [(text, language) for language, texts in spoken.items() for text in texts]
        known = next((text for pair in pairs if (text := lexicon.english(*pair))), None)
        names |= {"en": known} if known else {}
    for language in sorted(set(language_of.values()) - names.keys()) if "en" in names else ():
        known = next(
            (text for english in (spoken["en"] or [names["en"]]) if (text := lexicon.local(english, language))), None
        )
        if known or not any(letter.isalpha() for letter in names["en"]):
            names[language] = known or names["en"]
    culture, answer = ranked[0]
    key = identity(names["en"], "en") if "en" in names else f"{language_of[culture]}:{answer.local[0]}"
    return Concept(key, names, votes)


def _shared(texts: Counter[str], language: str) -> str:
    """The spelling that most annotators share; the shortest, then the alphabet, decides between equals."""
    totals: Counter[str] = Counter()
    for text, votes in texts.items():
        totals[identity(text, language)] += votes
    return min(texts, key=lambda text: (-totals[identity(text, language)], -texts[text], len(text), text))


def _spellings(answer: Answer, language: str) -> set[Spelling]:
    local = {(language, identity(text, language)) for text in answer.local}
    return {spelling for spelling in local | {("en", identity(text, "en")) for text in answer.english} if spelling[1]}


def _connected(spellings: list[set[Spelling]]) -> list[list[int]]:
    """Indices of the sets, grouped where they are linked by shared members."""
    groups: list[tuple[set[Spelling], list[int]]] = []
    for index, own in enumerate(spellings):
        linked = [group for group in groups if group[0] & own]
        groups = [group for group in groups if not group[0] & own]
        merged = (set(own).union(*(group[0] for group in linked)), [i for group in linked for i in group[1]] + [index])
        groups.append(merged)
    return [sorted(members) for _, members in groups]


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith("ie"):
        return word[:-2] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and word[-2:] not in ("ss", "us", "is") else word


def _first(found: Counter[str] | None) -> str | None:
    """The most frequent; the alphabet decides between equals."""
    return min(found, key=lambda text: (-found[text], text)) if found else None
