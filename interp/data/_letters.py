"""Multiple choice by letter: the options listed in the prompt, in every rotation of their order."""

from __future__ import annotations

from collections.abc import Sequence

from interp.data._items import CulturalSet, UniversalItem, UniversalSet
from interp.data._languages import language
from interp.data._prompts import Prompt, continuation
from interp.data._tasks import Task
from interp.errors import DataError


def rotations(task: Task, examples: str = "") -> list[Prompt]:
    """A task's options as a lettered list, rotated so that each stands once at every place.

    Prompt r has option (i + r) mod n at place i; its continuations are the letters of the task's options, in the task's
    order. Where a model's bias for a letter adds to the log-likelihood, the mean over the rotations is free of it.
    """
    texts = [mark.text for mark in task.marks]
    n, code = len(texts), task.prompt.language
    letters = _letters(code, n, task.prompt.item)
    prompts = []
    for r in range(n):
        shown = [texts[(i + r) % n] for i in range(n)]
        endings = tuple(continuation(letters[(j - r) % n], code) for j in range(n))
        prompts.append(Prompt(task.prompt.item, code, examples + listed(task.question, shown, code), endings))
    return prompts


def listed(question: str, options: Sequence[str], code: str) -> str:
    """A question, its lettered options line by line, and the language's word for "Answer:"."""
    letters = _letters(code, len(options), question)
    lines = [f"{letter}. {option}" for letter, option in zip(letters, options, strict=True)]
    return "\n".join((question, *lines, language(code).answer))


def lettered_examples(items: Sequence[UniversalItem], code: str) -> str:
    """Items with lettered options and the right letter, each followed by an empty line."""
    return "".join(
        listed(item.question(code), [option[code] for option in item.options], code)
        + continuation(language(code).letters[item.answer], code)
        + "\n\n"
        for item in items
    )


def check_letters(facts: UniversalSet, customs: CulturalSet, codes: Sequence[str], shots: int = 0) -> None:
    """Raise DataError for the first item, or worked example, with more options than a language has letters."""
    for code in codes:
        for fact in (*facts.items, *facts.examples[:shots]):
            _letters(code, len(fact.options), fact.key)
        for custom in customs.items:
            given = custom.given.get(customs.own_culture[code], ())
            _letters(code, len(given) or customs.option_count, custom.key)


def _letters(code: str, count: int, item: str) -> tuple[str, ...]:
    letters = language(code).letters
    if count > len(letters):
        raise DataError(
            f"item {item!r} has {count} options, but language {code!r} has only {len(letters)} letters",
            remedy="add letters to interp/data/languages.csv, or choose another --normalisation",
        )
    return letters[:count]
