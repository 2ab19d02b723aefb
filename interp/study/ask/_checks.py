"""What is checked before a run: enough items for every stage, and options that the model's vocabulary tells apart."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from interp.data import (
    SPLITS,
    Axis,
    Counts,
    CulturalSet,
    LeftOut,
    Split,
    Task,
    counted,
    cultural_tasks,
    everything,
    universal_tasks,
)
from interp.errors import DataError, Notice

if TYPE_CHECKING:
    from interp.model.read import Tokens
    from interp.study.ask._resolve import Inputs
    from interp.study.ask._study import Study


CLUSTERS = 2
"""The fewest clusters that have an interval."""

ALIGNED = 4
"""The fewest parallel items whose similarity (CKA, unbiased) can be measured."""


@dataclass(frozen=True)
class _Scored:
    """What a language scores on an axis and a split: (item, cluster) each; seen: how many items training showed."""

    axis: str
    language: str
    split: Split
    items: tuple[tuple[str, str], ...]
    seen: int

    def among(self, keys: frozenset[str]) -> _Scored:
        """The items of these keys alone."""
        return replace(self, items=tuple(pair for pair in self.items if pair[0] in keys))


def check_enough(
    inputs: Inputs,
    counts: Counts,
    splits: Sequence[Split] = SPLITS,
    tokens: Tokens | None = None,
    *,
    least: int = 1,
    locating: bool = False,
) -> None:
    """Raise DataError if a stage has too few items, with the smallest sufficient limit (from `least` on).

    Every language needs items from `CLUSTERS` clusters per axis and split. Vectors are fitted on all items of the fit
    split; `counts` decides which items are scored on dev and test. tokens: if given, items whose options have the same
    tokens are not counted. locating: also check that parallel test items can be compared within their relation.
    """
    scored = partial(_scored, counts=counts, splits=splits, tokens=tokens)
    problem = _problem(inputs, scored(inputs), locating)
    if problem is None:
        return
    text, allowed = problem
    raise DataError(text, allowed=allowed, remedy=_remedy(inputs, scored, least, locating))


def _scored(inputs: Inputs, counts: Counts, splits: Sequence[Split], tokens: Tokens | None) -> list[_Scored]:
    groups = []
    for code in inputs.languages:
        culture = inputs.cultural.own_culture[code]
        for split in splits:
            facts = universal_tasks(inputs.universal, code, split, everything)
            customs = cultural_tasks(inputs.cultural, code, culture, split, everything)
            for axis, every in (("universal", facts), ("cultural", customs)):
                tasks = [task for task in every if not indistinct(task, tokens)]
                own = [task for task in tasks if split == "fit" or counts(task.axis, task.prompt.item, code)]
                items = tuple((task.prompt.item, task.cluster) for task in own)
                groups.append(_Scored(axis, code, split, items, len(tasks) - len(own)))
    return groups


def _problem(inputs: Inputs, scored: Sequence[_Scored], locating: bool) -> tuple[str, str] | None:
    """What is missing, and what is needed."""
    for group in scored:
        if len({cluster for _, cluster in group.items}) < CLUSTERS:
            why = _why(inputs.cultural, group.language) if group.axis == "cultural" else ""
            seen = (
                f"; {group.seen} more can't be scored because they were in the model's training text"
                if group.seen
                else ""
            )
            items = f"{len(group.items)} {group.axis} item{'s' * (len(group.items) != 1)}"
            text = f"language {group.language!r} has {items} to score in the {group.split} split{why}{seen}"
            return text, f"items from at least {CLUSTERS} clusters"
    aligned = Counter(item.relation for item in inputs.universal.items if item.split == "test" and not item.sensitive)
    if locating and (aligned.total() < ALIGNED or max(aligned.values()) < 2):
        name, relations = inputs.universal.name, len(aligned)
        text = f"dataset {name!r} has {aligned.total()} items of {relations} relations in the test split"
        return (
            text,
            f"at least {ALIGNED}, two of one relation, because parallel questions are compared within a relation",
        )
    return None


def _why(dataset: CulturalSet, code: str) -> str:
    culture = dataset.own_culture[code]
    items, left_out = counted(dataset, code, culture)
    if not left_out:
        return ""
    reason, n = Counter(left.reason for left in left_out).most_common(1)[0]
    return f" ({len(items)} of {len(dataset.items)} can be scored for {culture}; {n} of the others can't: {reason})"


def _remedy(inputs: Inputs, scored: Callable[[Inputs], list[_Scored]], least: int, locating: bool) -> str:
    facts, customs = inputs.unlimited
    whole = scored(inputs.limited_to(None))

    def suffices(limit: int) -> bool:
        cut = inputs.limited_to(limit)
        keys = {
            "universal": frozenset(item.key for item in cut.universal.items),
            "cultural": frozenset(item.key for item in cut.cultural.items),
        }
        return _problem(cut, [group.among(keys[group.axis]) for group in whole], locating) is None

    most = max(len(facts), len(customs))
    if not suffices(most):
        return "add items, pass fewer --languages, or choose other datasets"
    low, high = least, most  # more items never lack what fewer have
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle + 1, high)
    return f"pass --limit {low} or more"


UNKNOWN_SHARE = 0.01
"""A notice says the share of unknown tokens where it is above this."""


def indistinct(task: Task, tokens: Tokens | None) -> str:
    """Why a task can't be scored: two of the options that it is chosen from have the same tokens, or one has none.

    An empty text for a task that can be scored, and where no tokens are known.
    """
    if tokens is None:
        return ""
    known: dict[tuple[int, ...], str] = {}
    for mark in task.marks:
        if not (mark.own and mark.index >= 0):
            continue
        ids = tokens.text(mark.text)
        if not ids:
            return f"option {mark.text!r} has no token in this model's vocabulary"
        if ids in known:
            return f"options {known[ids]!r} and {mark.text!r} have the same tokens in this model's vocabulary"
        known[ids] = mark.text
    return ""


def indistinct_items(study: Study) -> list[tuple[Axis, LeftOut]]:
    """Items that this model can't be scored on in a language, with axis and reason. The study leaves them out."""
    rows: dict[tuple[Axis, str, str], str] = {}
    for code, task in _asked(study):
        if reason := indistinct(task, study.tokens):
            rows[task.axis, task.prompt.item, code] = reason
    return [(axis, LeftOut(item, code, reason)) for (axis, item, code), reason in rows.items()]


def unknown_shares(study: Study) -> dict[str, float]:
    """The share of unknown tokens in questions and options, by language, where it is above UNKNOWN_SHARE."""
    tokens, unknown = study.tokens, getattr(study.loaded.model.tokenizer, "unk_token_id", None)
    if tokens is None or unknown is None:
        return {}
    counts: dict[str, tuple[int, int]] = {}
    for code, task in _asked(study):
        some, every = counts.get(code, (0, 0))
        texts = task.question, *(mark.text for mark in task.marks)
        ids = [token for text in texts for token in tokens.text(text)]
        counts[code] = some + ids.count(unknown), every + len(ids)
    shares = {code: some / max(1, every) for code, (some, every) in counts.items()}
    return {code: round(share, 4) for code, share in shares.items() if share > UNKNOWN_SHARE}


def notice_vocabulary(study: Study) -> None:
    """Give notices about items left out because of the model's vocabulary, and about many unknown tokens."""
    counts = Counter((axis, left.where) for axis, left in study.indistinct_items)
    if counts:
        numbers = ", ".join(f"{n} {axis} items in {code}" for (axis, code), n in counts.items())
        text = f"items whose options have the same tokens in this model's vocabulary are left out: {numbers}"
        warnings.warn(text, Notice, stacklevel=2)
    if study.unknown_shares:
        numbers = ", ".join(f"{share:.0%} in {code}" for code, share in study.unknown_shares.items())
        text = f"this model's vocabulary lacks parts of the text; share of unknown tokens: {numbers}"
        warnings.warn(text, Notice, stacklevel=2)


def _asked(study: Study) -> Iterator[tuple[str, Task]]:
    """Every task of the scored languages, without a cue, whatever the vocabulary makes of it."""
    for code in study.languages if study.tokens else ():
        for split in SPLITS:
            for sensitive in (False, True):
                tasks = universal_tasks(study.universal, code, split, study.counts, sensitive=sensitive)
                yield from ((code, task) for task in tasks)
            customs = cultural_tasks(study.cultural, code, study.culture(code), split, study.counts)
            yield from ((code, task) for task in customs)
