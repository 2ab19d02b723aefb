"""Prompts: item x language x cue -> the text that the model reads, and the texts it may go on with."""

from __future__ import annotations

from dataclasses import dataclass

from interp.data.items import CulturalItem, CulturalSet, Text, UniversalItem
from interp.data.languages import language


@dataclass(frozen=True)
class Prompt:
    """A text in a language, and the continuations to be scored, each with its separator in front."""

    item: str
    language: str
    text: str
    continuations: tuple[str, ...] = ()


def question_text(question: str, code: str, cue: str = "") -> str:
    """A question as the model reads it: an optional cue, the question, the language's word for "Answer:"."""
    gap = language(code).separator
    return gap.join(part for part in (cue, question, language(code).answer) if part)


def continuation(text: str, code: str) -> str:
    """An option as it follows the prompt in language `code`."""
    return language(code).separator + text


def universal_prompt(item: UniversalItem, code: str, texts: tuple[str, ...] | None = None) -> Prompt:
    """A universal item asked in `code`; `texts` are the options' texts (default: the item's options in `code`)."""
    if texts is None:
        texts = tuple(option[code] for option in item.options)
    return Prompt(item.key, code, question_text(item.question(code), code), tuple(continuation(t, code) for t in texts))


def cultural_prompt(item: CulturalItem, code: str, texts: tuple[str, ...] = (), cue: Text | None = None) -> Prompt:
    """A cultural item asked in `code`, with or without a cue sentence in front."""
    text = question_text(item.questions[code], code, cue[code] if cue else "")
    return Prompt(item.key, code, text, tuple(continuation(t, code) for t in texts))


def option_texts(item: CulturalItem, dataset: CulturalSet, culture: str, code: str) -> tuple[str, ...] | None:
    """Texts in `code` of the item's options for `culture`, or None where the item doesn't count for it."""
    options = item.options(culture, dataset.reference, dataset.option_count)
    return None if options is None else tuple(item.names[key][code] for key in options.keys)
