"""Items: one question in every language, with options that are parallel too."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, islice
from typing import Final, Literal, TypeVar

from interp.data._draws import draw
from interp.errors import DataError

Split = Literal["fit", "dev", "test"]
SPLITS: tuple[Split, ...] = ("fit", "dev", "test")
Text = Mapping[str, str]
"""Language code -> text."""

BLANK: Final = "<mask>"
"""Stands for the answer in `UniversalItem.sentences`."""

MOST_SETS = 20_000
"""Most combinations of further options that are looked through for one item."""


@dataclass(frozen=True)
class LeftOut:
    """Part of a dataset that a run can't use: an item (or one of its languages or cultures), with the reason.

    One record can stand for several items of a kind; `count` is their number.
    """

    item: str
    where: str
    reason: str
    count: int = 1


@dataclass(frozen=True)
class UniversalItem:
    """A fact that is the same for everyone: one question in every language, one right option.

    `questions[language]` holds one rendering per template; `candidates` are all answers of the relation
    and `options` (of which `answer` is right) are some of them. `sentences[language]`, where a source has them, is a
    sentence with BLANK in the answer's place. `sensitive` items need cultural knowledge and are reported apart.
    """

    key: str
    relation: str
    cluster: str
    split: Split
    questions: Mapping[str, tuple[str, ...]]
    options: tuple[Text, ...]
    answer: int
    candidates: tuple[Text, ...]
    sentences: Text = field(default_factory=dict)
    sensitive: bool = False

    def question(self, language: str) -> str:
        """The wording that is scored. The template is drawn once per item and is the same in every language."""
        renderings = self.questions[language]
        return renderings[draw(len(renderings), "template", self.key)]


@dataclass(frozen=True)
class CulturalOptions:
    """Options of a cultural item for one culture: keys of its `names`, all written in the language `written`.

    `local` and `reference` are indices; `reference` is None if the source has no answer of the reference culture.
    """

    keys: tuple[str, ...]
    local: int
    reference: int | None
    written: str


@dataclass(frozen=True)
class Accepted:
    """Texts that count as one answer, and how many people gave it."""

    texts: tuple[str, ...]
    votes: int = 1


@dataclass(frozen=True)
class CulturalItem:
    """A question that names no place, with right answers per culture.

    `cluster` (the topic, unless named) is what splits and intervals keep together. `questions[language]` may lack
    languages in sets that are not parallel. `answers[culture]` are keys of `names`, the
    most typical first; `pool` holds the keys that can serve as options; `names[key][language]` is the answer's text.
    `given[culture]` are the options where the source fixes them. `alike[key]` are keys that never stand beside it, as
    one could be taken for the other. `accepted[culture]` is what a generated answer may be; without it, the right
    answers' texts.
    """

    key: str
    topic: str
    split: Split
    questions: Text
    answers: Mapping[str, tuple[str, ...]]
    pool: tuple[str, ...]
    names: Mapping[str, Text]
    cluster: str = ""
    given: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    alike: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    accepted: Mapping[str, tuple[Accepted, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cluster", self.cluster or self.topic)

    def options(self, culture: str, reference: str, language: str, count: int = 4) -> CulturalOptions | None:
        """Options for `culture`: one right for it, one for `reference` (the US), the others right for neither.

        None if the item has no answer for the culture, if the two cultures share an answer, or if too few other
        answers exist: such an item is not scored for that culture. All options are written in `language`, or all in
        English if one of them has no text in `language`.
        """
        for written in dict.fromkeys((language, "en")):
            options = self._options(culture, reference, written, count)
            if options is not None:
                return options
        return None

    def _options(self, culture: str, reference: str, written: str, count: int) -> CulturalOptions | None:
        local, other = self.answers.get(culture, ()), self.answers.get(reference, ())
        if not local or set(local) & set(other):
            return None
        fixed = (local[0], *other[:1])
        if not all(written in self.names[key] for key in fixed) or not self._all_distinct(fixed):
            return None
        if culture in self.given:
            keys = self._given(culture, written)
        else:
            keys = self._drawn(culture, reference, fixed, written, count)
        if keys is None or not set(fixed) <= set(keys):
            return None
        return CulturalOptions(keys, keys.index(local[0]), keys.index(other[0]) if other else None, written)

    def _given(self, culture: str, written: str) -> tuple[str, ...] | None:
        keys = self.given[culture]
        return keys if all(written in self.names[key] for key in keys) and self._all_distinct(keys) else None

    def _drawn(
        self, culture: str, reference: str, fixed: tuple[str, ...], written: str, count: int
    ) -> tuple[str, ...] | None:
        """`fixed` with other answers, other cultures' first.

        They are chosen so that the local option's place among the lengths is one drawn by hash (names at home are
        short, and length must not give them away); the order of the options is drawn by hash too.
        """
        right = {*self.answers[culture], *self.answers.get(reference, ())}
        elsewhere = {k for keys in self.answers.values() for k in keys} - right
        able = [k for k in sorted(elsewhere) if self._fits(k, right, written)]
        wanted = count - len(fixed)
        drawn = shuffled(able, "option", self.key, culture)
        sets = list(islice((s for s in combinations(drawn, wanted) if self._all_distinct(s)), MOST_SETS))
        if not sets:
            rest = shuffled({*self.pool} - right - elsewhere, "option", self.key, culture)
            pool = [k for k in (*able, *rest) if self._fits(k, right, written)][: 2 * count]
            sets = [s for s in combinations(pool, wanted) if self._all_distinct(s)]
        if not sets:
            return None
        target = draw(count, "length", self.key, culture)
        best = min(sets, key=lambda s: abs(self._length_rank(fixed[0], (*fixed[1:], *s), written) - target))
        return tuple(shuffled((*fixed, *best), "position", self.key, culture))

    def _fits(self, key: str, right: set[str], written: str) -> bool:
        return written in self.names[key] and all(self._distinct(key, other) for other in right)

    def _length_rank(self, key: str, others: Sequence[str], language: str) -> float:
        """How many of `others` have a shorter text; an equal one counts half."""
        own = len(self.names[key][language])
        lengths = [len(self.names[k][language]) for k in others]
        return sum(length < own for length in lengths) + sum(length == own for length in lengths) / 2

    def _all_distinct(self, keys: Sequence[str]) -> bool:
        return all(self._distinct(a, b) for a, b in combinations(keys, 2))

    def _distinct(self, a: str, b: str) -> bool:
        other = self.names[b]
        return b not in self.alike.get(a, ()) and all(
            text != other.get(language) for language, text in self.names[a].items()
        )


def shuffled(values: Iterable[str], *salt: str) -> list[str]:
    """`values` in an order drawn by hash: it does not depend on the order given, nor on a random state."""
    return sorted(values, key=lambda value: draw(2**53, *salt, value))


Option = TypeVar("Option")


def placed(right: Option, wrong: Sequence[Option], key: str) -> tuple[tuple[Option, ...], int]:
    """The options with the right one inserted at a place drawn by hash of the item's key, and that place."""
    place = draw(len(wrong) + 1, "position", key)
    return (*wrong[:place], right, *wrong[place:]), place


def fingerprint(items: Sequence[UniversalItem] | Sequence[CulturalItem]) -> str:
    """SHA-256 (16 hex digits) of the items' content, independent of their order."""
    digest = hashlib.sha256()
    for item in sorted(items, key=lambda item: item.key):
        fields = {name: value for name, value in vars(item).items() if name not in ("names", "pool", "candidates")}
        if isinstance(item, CulturalItem):
            keys = {*item.pool, *(key for keys in item.answers.values() for key in keys)}
            fields |= {"names": {key: dict(item.names[key]) for key in sorted(keys)}}
        digest.update(json.dumps(fields, sort_keys=True, ensure_ascii=False, default=_plain).encode())
    return digest.hexdigest()[:16]


def _plain(value: object) -> object:
    return vars(value) if isinstance(value, Accepted) else dict(value) if isinstance(value, Mapping) else str(value)


@dataclass(frozen=True)
class UniversalSet:
    """Universal items with the name of their dataset, its languages and the revision that was read.

    `examples` are further items for few-shot prompts, in no split. `left_out` lists unused content.
    """

    name: str
    languages: tuple[str, ...]
    items: tuple[UniversalItem, ...]
    examples: tuple[UniversalItem, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    revision: str = ""

    @property
    def chance(self) -> float:
        """Mean accuracy of a uniform choice among the options."""
        return sum(1 / len(item.options) for item in self.items) / len(self.items)

    def with_examples(self, count: int) -> UniversalSet:
        """The set with at least `count` worked examples.

        A set without examples of its own gives up items of its fit split, in an order drawn by hash: one of each
        relation, then a second of each. Raises DataError if there are fewer examples, or fewer than twice as many items
        to take them from.
        """
        if len(self.examples) >= count:
            return self
        fit = {item.key: item for item in self.items if item.split == "fit" and not item.sensitive}
        most = len(self.examples) or len(fit) // 2
        if count > most:
            raise DataError(
                f"--shots {count}: dataset {self.name!r} has {most} items for worked examples",
                allowed=f"0 to {most}",
                remedy="lower --shots, or choose a dataset with more items",
            )
        earlier = Counter[str]()
        turns: dict[str, int] = {}
        for key in shuffled(fit, "examples"):
            turns[key] = earlier[fit[key].relation]
            earlier[fit[key].relation] += 1
        chosen = tuple(fit[key] for key in sorted(turns, key=turns.__getitem__)[:count])
        return replace(self, items=tuple(item for item in self.items if item not in chosen), examples=chosen)


@dataclass(frozen=True)
class CulturalSet:
    """Cultural items with their languages, cultures and cue sentences.

    `own_culture[language]` is the culture that the language is scored for; English has none. `cues[culture]` and each
    of `placebos` hold a sentence per language. Answers of the `reference` culture count as bias.
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
    left_out: tuple[LeftOut, ...] = ()
    revision: str = ""

    @property
    def parallel(self) -> bool:
        """Whether every item is asked in every language."""
        return all(code in item.questions for item in self.items for code in self.languages)


@dataclass(frozen=True)
class ParallelText:
    """Sentences aligned over languages, `sentences[i][language]`, with the split of each."""

    name: str
    languages: tuple[str, ...]
    sentences: tuple[Text, ...]
    splits: tuple[Split, ...]
    left_out: tuple[LeftOut, ...] = ()
    revision: str = ""
