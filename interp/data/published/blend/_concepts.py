"""Answers that mean the same across countries, and how each language writes them.

Within a question two annotated answers are one *concept* where they share a spelling, in English or in one language
(and so are answers linked by a third). English spellings are compared without case, punctuation, articles, spaces
and the plural's ending: "Hot dogs" is "hotdog". Two concepts are *alike* where a spelling of one holds one of the
other ("fried chicken", "chicken"): by BLEnD's matching rule the longer one would count as the shorter.

English texts are shown in lower case: most annotators' are, and an American option must not stand out by its capital.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

from interp.data import normalised
from interp.data.published.blend._annotations import Annotated, Answer

Spelling = tuple[str, str]
"""(language, what is compared of the text)."""


@dataclass(frozen=True)
class Concept:
    """An answer with its text by language and its votes by culture; `key` is unique within its question.

    `spellings` holds every spelling that was annotated or is shown, as (language, words).
    """

    key: str
    names: Mapping[str, str]
    votes: Mapping[str, int]
    spellings: frozenset[Spelling]


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


def alike(answered: Sequence[Concept]) -> dict[str, tuple[str, ...]]:
    """The other concepts that each is alike to, by key."""
    padded = [(concept.key, [(code, f" {words} ") for code, words in concept.spellings]) for concept in answered]
    near: dict[str, set[str]] = {key: set() for key, _ in padded}
    for (a, whole), (b, part) in permutations(padded, 2):
        if _holds(whole, part):
            near[a].add(b)
            near[b].add(a)
    return {key: tuple(sorted(others)) for key, others in near.items()}


def _holds(whole: list[Spelling], part: list[Spelling]) -> bool:
    """Whether a spelling has another in it: whole words, in Korean a word's beginning, in Chinese any part."""
    return any(
        language == other and (inner if inner[-2].isdigit() else _open(inner, language)) in outer
        for language, outer in whole
        for other, inner in part
    )


def _open(words: str, language: str) -> str:
    return {"zh": words.strip(), "ko": words.rstrip()}.get(language, words)


def identity(text: str, language: str) -> str:
    """What is compared of a spelling for being the same: its words without spaces."""
    return _words(text, language).replace(" ", "")


def _words(text: str, language: str) -> str:
    """Normalised words, English ones without the plural's ending, Chinese ones without spaces."""
    words = normalised(text, language).split()
    return ("" if language == "zh" else " ").join(map(_singular, words) if language == "en" else words)


def concepts(
    answers: Mapping[str, Sequence[Answer]], language_of: Mapping[str, str], lexicon: Lexicon
) -> tuple[Concept, ...]:
    """The concepts among one question's answers by culture, the most voted first.

    An answer without English takes that of the lexicon; where that has none either, its concept has no English text.
    """
    groups = [
        (culture, _with_english(answer, language_of[culture], lexicon))
        for culture, given in answers.items()
        for answer in given
    ]
    spellings = [_spellings(answer, language_of[culture]) for culture, answer in groups]
    built = [_concept([groups[i] for i in members], language_of, lexicon) for members in _connected(spellings)]
    return tuple(sorted(built, key=lambda concept: (-sum(concept.votes.values()), concept.key)))


def _with_english(answer: Answer, language: str, lexicon: Lexicon) -> Answer:
    if answer.english:
        return answer
    english = (lexicon.english(text, language) for text in answer.local)
    return replace(answer, english=tuple(dict.fromkeys(filter(None, english))))


def _concept(groups: list[tuple[str, Answer]], language_of: Mapping[str, str], lexicon: Lexicon) -> Concept:
    """A concept of its annotated groups; texts of languages that they lack come from the lexicon."""
    votes: dict[str, int] = {}
    texts: dict[str, Counter[str]] = {}
    for culture, answer in groups:
        votes[culture] = max(votes.get(culture, 0), answer.votes)
        in_language = () if language_of[culture] == "en" else answer.local
        for language, spellings in (("en", answer.english), (language_of[culture], in_language)):
            for text in spellings:
                texts.setdefault(language, Counter())[text] += answer.votes
    names = {language: _shared(spellings, language) for language, spellings in texts.items()}
    code = "en" if "en" in names else next(iter(names))
    key = ("" if code == "en" else f"{code}:") + identity(names[code], code)
    if code == "en":
        names["en"] = names["en"].lower()
        spoken = [names["en"], *(text for text, _ in texts["en"].most_common())]
        for language in sorted({*language_of.values()} - names.keys()):
            local = next(filter(None, (lexicon.local(text, language) for text in spoken)), None)
            if local:
                names[language] = local
            elif not any(letter.isalpha() for letter in names["en"]):
                names[language] = names["en"]
    written = [(language, text) for language, spellings in texts.items() for text in spellings] + [*names.items()]
    compared = ((language, _words(text, language)) for language, text in written)
    return Concept(key, names, votes, frozenset(spelling for spelling in compared if spelling[1]))


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


def _first(texts: Counter[str] | None) -> str | None:
    """The most frequent; the alphabet decides between equals."""
    return min(texts, key=lambda text: (-texts[text], text)) if texts else None
