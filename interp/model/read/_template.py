"""Chat templates: a prompt as the user's turn, with the model's turn begun."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from interp.data import ChatText, Prompt, option_text
from interp.errors import ConfigError, ModelError, reason_of

AUTO, NONE = "auto", "none"
CHAT = "chat"
"""Name of a model's own template."""

FIXED = {"date_string": "26 Jul 2024", "enable_thinking": False}
"""What some templates ask for: without it the prompt would hold today's date, or an open block of thoughts."""

CLOCK = "2024-07-26 00:00:00"
"""What time it is for a template that reads the clock (`strftime_now`): the date of `date_string`."""

_CLOCK = {
    "%a": "Fri", "%A": "Friday", "%w": "5", "%d": "26", "%-d": "26", "%e": "26", "%b": "Jul", "%h": "Jul",
    "%B": "July", "%m": "07", "%-m": "7", "%y": "24", "%Y": "2024", "%C": "20", "%H": "00", "%-H": "0", "%I": "12",
    "%-I": "12", "%p": "AM", "%M": "00", "%-M": "0", "%S": "00", "%-S": "0", "%f": "000000", "%z": "", "%Z": "",
    "%j": "208", "%-j": "208", "%U": "29", "%W": "30", "%V": "30", "%G": "2024", "%u": "5", "%F": "2024-07-26",
    "%T": "00:00:00", "%R": "00:00", "%D": "07/26/24", "%c": "Fri Jul 26 00:00:00 2024", "%x": "07/26/24",
    "%X": "00:00:00", "%n": "\n", "%t": "\t",
}  # fmt: skip
"""CLOCK in each directive of strftime, in English whatever the machine's locale is."""

_PROBE = "What the user says"

Message = Mapping[str, str]
"""A turn as chat templates take it: `role` (user, assistant) and `content`."""


@dataclass(frozen=True)
class Template:
    """What turns a text into what the model reads; `name` says which. The plain one changes nothing."""

    name: str = NONE
    render: Callable[[Sequence[Message]], str] | None = None

    def text(self, text: str) -> str:
        """A text as the model reads it; from a chat template it is a `ChatText`, which gets no more special tokens."""
        return self.conversation((), text)

    def conversation(self, exchanges: Sequence[tuple[str, str]], text: str) -> str:
        """A text after exchanges of a user's text and an answer; the plain template knows no conversation.

        Raises ModelError if the chat template fails on them.
        """
        if not self.render:
            return text
        before = [
            message
            for asked, answered in exchanges
            for message in ({"role": "user", "content": asked}, {"role": "assistant", "content": answered})
        ]
        return ChatText(self.render([*before, {"role": "user", "content": text}]))

    def described(self) -> dict[str, Any]:
        """What a manifest states: the name and, of a chat template, what it is told and what time it is for it."""
        return {"template": self.name} | ({"template_told": FIXED | {"clock": CLOCK}} if self.render else {})

    def prompt(self, prompt: Prompt) -> Prompt:
        """A prompt as the model reads it; after a template an option begins the model's turn, without a separator."""
        if not self.render:
            return prompt
        endings = tuple(option_text(ending) for ending in prompt.continuations)
        return replace(prompt, text=self.text(prompt.text), continuations=endings)


def find_template(tokenizer: Any, choice: str = AUTO) -> Template:
    """The template of a choice: `auto` (the tokenizer's own, if it has one), `none`, or a Jinja file.

    Raises ConfigError for a file that can't be read, ModelError for a template that fails on a single user's turn.
    """
    if choice == NONE or (choice == AUTO and not getattr(tokenizer, "chat_template", None)):
        return Template()
    given = None if choice == AUTO else _read(choice)

    def render(messages: Sequence[Message]) -> str:
        try:
            return str(
                tokenizer.apply_chat_template(
                    list(messages), chat_template=_clocked(tokenizer.get_chat_template(given)), tokenize=False,
                    add_generation_prompt=True, **FIXED,
                )
            )  # fmt: skip
        except Exception as error:  # Jinja's errors, and whatever a template raises
            reason = reason_of(error)
            raise ModelError(
                f"chat template {choice!r} fails on a user message: {reason}",
                allowed="auto, none, or a Jinja file that takes `messages`",
                remedy="pass --template none, or correct the file",
            ) from error

    chosen = Template(CHAT if choice == AUTO else Path(choice).name, render)
    if _PROBE not in chosen.text(_PROBE):
        raise ModelError(
            f"chat template {choice!r} drops the user's text", remedy="pass --template none, or correct the file"
        )
    return chosen


def _clocked(source: str) -> str:
    """A template with a fixed clock: a macro in its first line takes the place of Transformers' `strftime_now`.

    Transformers gives templates data alone, no functions. `+%}` leaves the template's own first line as it is.
    """
    if "strftime_now" not in source:
        return source
    pairs = "".join(f"|replace({name!r}, {value!r})" for name, value in _CLOCK.items())
    text = f"(format|replace('%%', '\x00'){pairs}|replace('\x00', '%'))"
    return f"{{%- macro strftime_now(format) -%}}{{{{- {text} -}}}}{{%- endmacro +%}}{source}"


def check_template(choice: str) -> None:
    """Raise ConfigError for a choice that is neither `auto` nor `none` nor a file that can be read."""
    if choice not in (AUTO, NONE):
        _read(choice)


def _read(choice: str) -> str:
    try:
        return Path(choice).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"template {choice!r} can't be read: {reason_of(error)}",
            allowed="auto, none, or a Jinja file",
            remedy="check the path",
        ) from error
