"""Prompts: item x language x cue -> the text that the model reads, and the texts it may go on with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from interp.data._items import UniversalItem
from interp.data._languages import language


class ChatText(str):
    """A text that a chat template has written: no special tokens are put around it. What is appended becomes part."""

    __slots__ = ()

    def __add__(self, more: str) -> ChatText:
        return ChatText(str.__add__(self, more))


@dataclass(frozen=True)
class Prompt:
    """A text in a language, and the continuations to be scored, each with its separator in front.

    The continuations are the options of one item: all are scored after the tokens that they share.
    """

    item: str
    language: str
    text: str
    continuations: tuple[str, ...] = ()


def question_text(question: str, code: str, cue: str = "", examples: str = "") -> str:
    """A question as the model reads it: examples, an optional cue, the question, the language's word for "Answer:"."""
    gap = language(code).separator
    return examples + gap.join(part for part in (cue, question, language(code).answer) if part)


def continuation(text: str, code: str) -> str:
    """An option as it follows the prompt in language `code`."""
    return language(code).separator + text


def option_text(ending: str) -> str:
    """An option without its separator, which is a space or nothing."""
    return ending.removeprefix(" ")


def worked_examples(items: Sequence[UniversalItem], code: str) -> str:
    """Items with their right answers, each followed by an empty line: what stands in front of a few-shot prompt."""
    return "".join(
        question_text(item.question(code), code) + continuation(item.options[item.answer][code], code) + "\n\n"
        for item in items
    )
