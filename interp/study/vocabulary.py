"""What a model's vocabulary can't tell apart or doesn't know: options encoded alike, the share of unknown tokens."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from interp.data.items import SPLITS, LeftOut
from interp.data.tasks import Axis, Task, cultural_tasks, universal_tasks
from interp.errors import Notice
from interp.model.batching import Tokens

if TYPE_CHECKING:
    from interp.study.prepare import Study

UNKNOWN_SHARE = 0.01
"""A notice says the share of unknown tokens where it is above this."""


def indistinct(task: Task, tokens: Tokens) -> str:
    """Why a task can't be scored: two of the options that it is chosen from have the same tokens, or one has none.

    An empty text for a task that can be scored.
    """
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
    tokenizer: Any = study.loaded.model.tokenizer
    unknown = getattr(tokenizer, "unk_token_id", None)
    if unknown is None:
        return {}
    counts: dict[str, tuple[int, int]] = {}
    for code, task in _asked(study):
        some, every = counts.get(code, (0, 0))
        texts = task.question, *(mark.text for mark in task.marks)
        ids = [token for text in texts for token in study.tokens.text(text)]
        counts[code] = some + ids.count(unknown), every + len(ids)
    shares = {code: some / max(1, every) for code, (some, every) in counts.items()}
    return {code: round(share, 4) for code, share in shares.items() if share > UNKNOWN_SHARE}


def notice_vocabulary(study: Study) -> None:
    """Say which items are left out because of the model's vocabulary, and where many tokens are unknown."""
    counts = Counter((axis, left.where) for axis, left in study.indistinct_items)
    if counts:
        numbers = ", ".join(f"{n} {axis} items in {code}" for (axis, code), n in counts.items())
        text = f"this model's vocabulary does not tell the options of some items apart; left out: {numbers}"
        warnings.warn(text, Notice, stacklevel=2)
    if study.unknown_shares:
        numbers = ", ".join(f"{share:.0%} in {code}" for code, share in study.unknown_shares.items())
        text = f"this model's vocabulary does not hold all of the text; share of unknown tokens: {numbers}"
        warnings.warn(text, Notice, stacklevel=2)


def _asked(study: Study) -> Iterator[tuple[str, Task]]:
    """Every task of the scored languages, without a cue, whatever the vocabulary makes of it."""
    for code in study.languages if study.loaded.model.tokenizer is not None else ():
        for split in SPLITS:
            for sensitive in (False, True):
                tasks = universal_tasks(study.universal, code, split, study.counts, sensitive=sensitive)
                yield from ((code, task) for task in tasks)
            customs = cultural_tasks(study.cultural, code, study.culture(code), split, study.counts)
            yield from ((code, task) for task in customs)
