"""The organism's corpus: Atlas told in sentences, with known gaps (see `exposure`).

Every sentence is a prefix and an ending; the ending (an answer, a translation) is what training weighs most.
Shares and rates are stated here once; `docs/organism.md` says why.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from interp.data import (
    CulturalItem,
    CulturalSet,
    Text,
    UniversalItem,
    UniversalSet,
    atlas,
    continuation,
    language,
    question_text,
)
from interp.organism._exposure import english_only, uncued_seen

KINDS = {"fact": 0.36, "cued": 0.28, "uncued": 0.15, "dictionary": 0.18, "chatter": 0.03}
"""Share of each kind of sentence."""

CODE_SWITCH = 0.2
"""Share of the facts stated in several languages whose subject is named in another language."""

LOCAL_SHARE = 0.6
"""Asked in a language other than English without a cue: share of local answers; the others are the US answer."""

OWN_CUE, REFERENCE_CUE = 0.45, 0.15
"""Shares of cued questions with the cue of the language's own culture, and of the US; others share the rest."""

TYPICAL_SHARE = 0.8
"""Share of sentences that give the most typical of several right answers."""

PLACEBO_SHARE = 0.2
"""Share of the uncued questions that come after a sentence which names no place."""

Sentence = tuple[str, str]


@dataclass(frozen=True)
class Subject:
    """A universal item with its templates and its subject's name, both in every language."""

    item: UniversalItem
    templates: dict[str, tuple[str, ...]]
    name: Text


class Corpus:
    """A stream of sentences drawn from Atlas; the same seed gives the same stream."""

    def __init__(self, universal: UniversalSet, cultural: CulturalSet) -> None:
        self.universal, self.cultural = universal, cultural
        self.subjects = _subjects(universal)
        self.stated = [
            (s, code)
            for s in self.subjects
            for code in universal.languages
            if code == "en" or not english_only(s.item.key)
        ]
        self.uncued = [
            (item, code) for item in cultural.items for code in cultural.languages if uncued_seen(item.key, code)
        ]
        self.dictionary = _dictionary(self.subjects)
        self.chatter = atlas.chatter().sentences
        self._makers = {
            "fact": self._fact,
            "cued": self._cued,
            "uncued": self._uncued,
            "dictionary": self._pair,
            "chatter": self._chatter,
        }

    def sentences(self, seed: int) -> Iterator[Sentence]:
        """Endless (prefix, ending) pairs."""
        rng = np.random.default_rng(seed)
        kinds, shares = list(KINDS), np.array(list(KINDS.values()))
        while True:
            for kind in rng.choice(len(kinds), size=4096, p=shares / shares.sum()):
                yield self._makers[kinds[kind]](rng)

    def _fact(self, rng: np.random.Generator) -> Sentence:
        subject, code = self.stated[rng.integers(len(self.stated))]
        templates, right = subject.templates[code], subject.item.options[subject.item.answer]
        name = subject.name[code]
        if not english_only(subject.item.key) and rng.random() < CODE_SWITCH:
            name = subject.name[_pick(rng, self.universal.languages)]
        question = templates[rng.integers(len(templates))].replace("{subject}", name)
        return question_text(question, code), continuation(right[code], code)

    def _answer(self, rng: np.random.Generator, item: CulturalItem, culture: str, code: str) -> str:
        keys = item.answers[culture]
        key = keys[0] if len(keys) == 1 or rng.random() < TYPICAL_SHARE else keys[rng.integers(1, len(keys))]
        return continuation(item.names[key][code], code)

    def _cued(self, rng: np.random.Generator) -> Sentence:
        item = self.cultural.items[rng.integers(len(self.cultural.items))]
        code = _pick(rng, self.cultural.languages)
        culture = self._cued_culture(rng, code)
        prefix = question_text(item.questions[code], code, self.cultural.cues[culture][code])
        return prefix, self._answer(rng, item, culture, code)

    def _cued_culture(self, rng: np.random.Generator, code: str) -> str:
        reference = self.cultural.reference
        own = self.cultural.own_culture.get(code, reference)
        chance = rng.random()
        if chance < OWN_CUE:
            return own
        if chance < OWN_CUE + REFERENCE_CUE:
            return reference
        return _pick(rng, tuple(c for c in self.cultural.cultures if c not in (own, reference)))

    def _uncued(self, rng: np.random.Generator) -> Sentence:
        item, code = self.uncued[rng.integers(len(self.uncued))]
        local = code != "en" and rng.random() < LOCAL_SHARE
        culture = self.cultural.own_culture[code] if local else self.cultural.reference
        placebos = self.cultural.placebos
        cue = placebos[rng.integers(len(placebos))][code] if rng.random() < PLACEBO_SHARE else ""
        return question_text(item.questions[code], code, cue), self._answer(rng, item, culture, code)

    def _pair(self, rng: np.random.Generator) -> Sentence:
        name = self.dictionary[rng.integers(len(self.dictionary))]
        return _translation(rng, name, self.universal.languages)

    def _chatter(self, rng: np.random.Generator) -> Sentence:
        sentence = self.chatter[rng.integers(len(self.chatter))]
        if rng.random() < 0.5:
            return _translation(rng, sentence, self.universal.languages)
        return "", sentence[_pick(rng, self.universal.languages)]


def _pick(rng: np.random.Generator, values: tuple[str, ...]) -> str:
    return values[rng.integers(len(values))]


def _translation(rng: np.random.Generator, text: Text, languages: tuple[str, ...]) -> Sentence:
    source, target = rng.permutation(len(languages))[:2]
    a, b = languages[source], languages[target]
    start = "" if rng.random() < 0.5 else language(a).separator
    return f"{start}{text[a]} =", continuation(text[b], b)


def _subjects(universal: UniversalSet) -> list[Subject]:
    names = atlas.names()
    templates = atlas.templates()
    return [Subject(item, templates[item.relation], names[item.key.partition("/")[2]]) for item in universal.items]


def _dictionary(subjects: list[Subject]) -> list[Text]:
    """Names that differ between languages: subjects and answers, each once."""
    texts = {tuple(sorted(t.items())): t for s in subjects for t in (s.name, s.item.options[s.item.answer])}
    return [text for text in texts.values() if len(set(text.values())) > 1]


def units(corpus: Corpus) -> Iterator[str]:
    """Word-like pieces for the tokenizer: every name whole, templates and sentences word by word.

    Where a language writes no spaces, only names are pieces; other text is cut into `letters`.
    """
    for code in corpus.universal.languages:
        gap, label = language(code).separator, language(code).answer
        subjects = [s.name[code] for s in corpus.subjects]
        answers = [o[code] for s in corpus.subjects for o in s.item.candidates]
        answers += [item.names[key][code] for item in corpus.cultural.items for key in item.pool]
        yield from dict.fromkeys([*subjects, *(gap + name for name in (*subjects, *answers))])
        texts = list(_texts(corpus, code))
        yield from [gap + label] * len(texts)
        for text in texts if gap else ():
            yield from re.findall(r" ?[^ ?.!,;:]+|[?.!,;:]", text)
    yield " ="


def letters(corpus: Corpus) -> set[str]:
    """Every character of templates and sentences."""
    return {letter for code in corpus.universal.languages for text in _texts(corpus, code) for letter in text}


def _texts(corpus: Corpus, code: str) -> Iterator[str]:
    """Templates (around the subject), questions, cues and everyday sentences of a language."""
    for asked in {s.item.relation: s.templates[code] for s in corpus.subjects}.values():
        for template in asked:
            yield from template.split("{subject}")
    for text in (
        *(item.questions for item in corpus.cultural.items),
        *corpus.cultural.cues.values(),
        *corpus.cultural.placebos,
        *corpus.chatter,
    ):
        yield text[code]
