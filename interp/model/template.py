"""Chat templates: a prompt as the user's turn, with the model's turn begun."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from interp.data.prompts import Prompt
from interp.errors import ConfigError, ModelError

AUTO, NONE = "auto", "none"
CHAT = "chat"
"""Name of a model's own template."""

FIXED = {"date_string": "26 Jul 2024", "enable_thinking": False}
"""What some templates ask for: without it the prompt would hold today's date, or an open block of thoughts."""

_PROBE = "What the user says"

Message = Mapping[str, str]
"""A turn as chat templates take it: `role` (user, assistant) and `content`."""


@dataclass(frozen=True)
class Template:
    """What turns a text into what the model reads; `name` says which. The plain one changes nothing."""

    name: str = NONE
    render: Callable[[Sequence[Message]], str] | None = None

    def text(self, text: str) -> str:
        """A text as the model reads it."""
        return self.conversation((), text)

    def conversation(self, exchanges: Sequence[tuple[str, str]], text: str) -> str:
        """A text after exchanges of a user's text and an answer; the plain template knows no conversation.

        Raises ModelError where the chat template fails on them.
        """
        if not self.render:
            return text
        before = [
            message
            for asked, answered in exchanges
            for message in ({"role": "user", "content": asked}, {"role": "assistant", "content": answered})
        ]
        return self.render([*before, {"role": "user", "content": text}])

    def prompt(self, prompt: Prompt) -> Prompt:
        """A prompt as the model reads it; behind a template an option begins the model's turn, without a separator."""
        if not self.render:
            return prompt
        endings = tuple(ending.removeprefix(" ") for ending in prompt.continuations)
        return replace(prompt, text=self.text(prompt.text), continuations=endings)


def find_template(tokenizer: Any, choice: str = AUTO) -> Template:
    """The template of a choice: `auto` (the tokenizer's own, if it has one), `none`, or a Jinja file.

    Raises ConfigError for a file that can't be read, ModelError for a template that fails on a single user's turn.
    """
    if choice == NONE or (choice == AUTO and not getattr(tokenizer, "chat_template", None)):
        return Template()
    source = None if choice == AUTO else _read(choice)

    def render(messages: Sequence[Message]) -> str:
        try:
            return str(
                tokenizer.apply_chat_template(
                    list(messages), chat_template=source, tokenize=False, add_generation_prompt=True, **FIXED
                )
            )
        except Exception as error:  # Jinja's errors, and whatever a template raises
            reason = " ".join(str(error).split())[:200]
            raise ModelError(
                f"chat template {choice!r} fails on a user's turn: {reason}",
                allowed="auto, none, or a Jinja file that takes `messages`",
                remedy="pass --template none, or mend the file",
            ) from error

    found = Template(CHAT if choice == AUTO else Path(choice).name, render)
    if _PROBE not in found.text(_PROBE):
        raise ModelError(
            f"chat template {choice!r} drops the user's text", remedy="pass --template none, or mend the file"
        )
    return found


def check_template(choice: str) -> None:
    """Raise ConfigError for a choice that is neither `auto` nor `none` nor a file that can be read."""
    if choice not in (AUTO, NONE):
        _read(choice)


def _read(choice: str) -> str:
    try:
        return Path(choice).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"template {choice!r} can't be read: {error}",
            allowed="auto, none, or a Jinja file",
            remedy="check the path",
        ) from error
