"""Items: one question in every language, with options that are parallel too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

from interp.data.draws import draw

Split = Literal["fit", "dev", "test"]
SPLITS: tuple[Split, ...] = ("fit", "dev", "test")
Text = Mapping[str, str]
"""Language code -> text."""


@dataclass(frozen=True)
class UniversalItem:
    """A fact that is the same for everyone: one question in every language, one right option.

    `questions[language]` holds one rendering per template; `candidates` are all answers of the relation
    and `options` (of which `answer` is right) are some of them.
    """

    key: str
    relation: str
    cluster: str
    split: Split
    questions: Mapping[str, tuple[str, ...]]
    options: tuple[Text, ...]
    answer: int
    candidates: tuple[Text, ...]

    def question(self, language: str) -> str:
        """The rendering that is scored; the template is drawn once per item, the same in every language."""
        renderings = self.questions[language]
        return renderings[draw(len(renderings), "template", self.key)]


@dataclass(frozen=True)
class CulturalOptions:
    """Options of a cultural item for one culture: keys of its `names`; `local` and `reference` are indices."""

    keys: tuple[str, ...]
    local: int
    reference: int


@dataclass(frozen=True)
class CulturalItem:
    """A question that names no place, with right answers per culture, rendered in every language.

    `answers[culture]` are keys of `names`, the most typical first; `pool` holds the keys that can serve as
    options; `names[key][language]` is the answer's text.
    """

    key: str
    topic: str
    split: Split
    questions: Text
    answers: Mapping[str, tuple[str, ...]]
    pool: tuple[str, ...]
    names: Mapping[str, Text]

    def options(self, culture: str, reference: str, language: str, count: int = 4) -> CulturalOptions | None:
        """Options for `culture`: one right for it, one for `reference` (the US), the others right for neither.

        None where the two cultures share an answer, or where too few other answers exist: such an item does
        not count for that culture. Other cultures' answers come first. They are chosen so that the local
        option's place among the four lengths in `language` is one drawn by hash (names at home are short, and
        length must not give them away); the order of the options is drawn by hash too.
        """
        local, other = self.answers[culture], self.answers[reference]
        if set(local) & set(other):
            return None
        right = {*local, *other}
        elsewhere = {k for keys in self.answers.values() for k in keys} - right
        able = [k for k in sorted(elsewhere) if all(self._distinct(k, r) for r in right)]
        wanted = count - 2
        sets = [s for s in combinations(shuffled(able, "option", self.key, culture), wanted) if self._all_distinct(s)]
        if not sets:
            rest = shuffled(sorted({*self.pool} - right - elsewhere), "option", self.key, culture)
            pool = [k for k in (*able, *rest) if all(self._distinct(k, r) for r in right)][: 2 * count]
            sets = [s for s in combinations(pool, wanted) if self._all_distinct(s)]
        if not sets or not self._distinct(local[0], other[0]):
            return None
        target = draw(count, "length", self.key, culture)
        best = min(sets, key=lambda s: abs(self._length_rank(local[0], (other[0], *s), language) - target))
        keys = tuple(shuffled((local[0], other[0], *best), "position", self.key, culture))
        return CulturalOptions(keys, keys.index(local[0]), keys.index(other[0]))

    def _length_rank(self, key: str, others: Sequence[str], language: str) -> float:
        """How many of `others` have a shorter text; an equal one counts half."""
        own = len(self.names[key][language])
        lengths = [len(self.names[k][language]) for k in others]
        return sum(length < own for length in lengths) + sum(length == own for length in lengths) / 2

    def _all_distinct(self, keys: Sequence[str]) -> bool:
        return all(self._distinct(a, b) for a, b in combinations(keys, 2))

    def _distinct(self, a: str, b: str) -> bool:
        return all(text != self.names[b][language] for language, text in self.names[a].items())


def shuffled(values: Sequence[str], *salt: str) -> list[str]:
    """`values` in an order drawn by hash: it does not depend on the order given, nor on a random state."""
    return sorted(values, key=lambda value: draw(2**53, *salt, value))


@dataclass(frozen=True)
class UniversalSet:
    """Universal items with the name of their dataset and its languages."""

    name: str
    languages: tuple[str, ...]
    items: tuple[UniversalItem, ...]

    @property
    def chance(self) -> float:
        """Mean accuracy of a uniform choice among the options."""
        return sum(1 / len(item.options) for item in self.items) / len(self.items)


@dataclass(frozen=True)
class CulturalSet:
    """Cultural items with their languages, cultures and cue sentences.

    `own_culture[language]` is the culture that the language is scored for; English has none. `cues[culture]`
    and each of `placebos` are sentences in every language; `reference` is the culture whose answer counts as bias.
    """

    name: str
    languages: tuple[str, ...]
    cultures: tuple[str, ...]
    own_culture: Mapping[str, str]
    items: tuple[CulturalItem, ...]
    cues: Mapping[str, Text]
    placebos: tuple[Text, ...]
    reference: str = "US"
    option_count: int = 4


@dataclass(frozen=True)
class ParallelText:
    """Sentences that state no fact, aligned over languages; `sentences[i][language]`."""

    name: str
    sentences: tuple[Text, ...] = field(default_factory=tuple)
