"""The prompt loop of `interp chat`: what is typed, what it changes, and the answers of both sides."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from interp.cli.answers._side_by_side import harmless, watch, written
from interp.cli.steering import SURGICAL, AppliedVectors, plan_of
from interp.errors import ConfigError, TranslocalError, nearest

if TYPE_CHECKING:
    from interp.cli.steering import Source
    from interp.model import LoadedModel
    from interp.model.read import Template
    from interp.steering import Generated, Plan, Strength

UNSTEERED, STEERED = "unsteered", "steered"

HELP = """/strength X     multiply the plan's strengths, or the vector, by X
/method NAME    use another method of the plan
/language CODE  use another language for the prompt and the plan
/plan           show what is steered
/off, /on       hide or show the steered answer
/new            start a new conversation
/quit           quit (also Ctrl-D); Ctrl-C stops an answer"""

_FORGOTTEN = "stopped: this exchange is dropped from the conversation"


@dataclass
class Chat:
    """A conversation with a model on two sides, each with its own history; commands change what steers.

    A model without a chat template has no history: each message becomes the prompt that `interp generate` makes of it.
    """

    loaded: LoadedModel
    template: Template
    source: Source
    language: str | None
    method: str | None
    strength: Strength | None
    max_new_tokens: int
    steering: bool = True
    plan: Plan | None = field(init=False)
    histories: dict[str, list[tuple[str, str]]] = field(init=False)

    def __post_init__(self) -> None:
        self.histories = {UNSTEERED: [], STEERED: []}
        self.plan = self._fitting(self.language, self.method, self.strength)

    def obey(self, line: str) -> str:
        """Follow a command. Returns what it changed, or what was asked for, in words.

        Raises TranslocalError for a command that can't be followed.
        """
        name, _, value = line.partition(" ")
        known: dict[str, Callable[[str], str]] = {
            "/strength": self._set_strength, "/method": self._set_method, "/language": self._set_language,
        }  # fmt: skip
        plain: dict[str, Callable[[], str]] = {
            "/plan": self.steers, "/off": lambda: self._switch(False), "/on": lambda: self._switch(True),
            "/new": self._forget, "/help": lambda: HELP,
        }  # fmt: skip
        value = value.strip()
        if name in known:
            if not value:
                raise ConfigError(f"{name} needs a value", remedy="/help lists the commands")
            return known[name](value)
        if name not in plain:
            remedy = nearest(name, [*known, *plain, "/quit"], "/help lists the commands")
            raise ConfigError(f"command {name!r} is unknown", remedy=remedy)
        if value:
            raise ConfigError(f"{name} takes no value, got {value!r}", remedy="/help lists the commands")
        return plain[name]()

    def answers(self, message: str, shown: bool) -> dict[str, Generated]:
        """The answers of the sides that are on; `shown` while they come. They enter the histories when all are whole.

        Raises ModelError if a conversation no longer fits the model's context.
        """
        from interp.steering import Plan, stream

        sides = {UNSTEERED: Plan()} | ({STEERED: self.plan} if self.plan and self.steering else {})
        texts = [self._prompt(side, message) for side in sides]
        stop = None if self.template.render else "\n"
        pieces = stream(self.loaded.model, texts, list(sides.values()), max_new_tokens=self.max_new_tokens, stop=stop)
        if shown:
            [said] = watch(list(sides), [([], pieces)], len(sides))
        else:
            whole = {piece.side: piece.whole for piece in pieces if piece.whole}
            said = [whole[side] for side in range(len(sides))]
        answers = dict(zip(sides, said, strict=True))
        for side, answer in answers.items():
            self.histories[side].append((message, answer.text))
        return answers

    def steers(self) -> str:
        """What is steered, a line per steer."""
        if self.plan is None:
            return "nothing is steered"
        plain = self.source is None or isinstance(self.source, AppliedVectors)
        head = "" if plain else f"{self.method or SURGICAL}, {self.language}: "
        lines = [
            f"{head}layer {steer.layer}, strength {steer.strength:g}, {steer.operator}, positions {steer.positions}"
            for steer in self.plan.steers
        ]
        return "\n".join(lines) + ("" if self.steering else "\nthe steered side is off")

    def _prompt(self, side: str, message: str) -> str:
        from interp.data import question_text

        if self.template.render:
            return self.template.conversation(self.histories[side], message)
        return question_text(message, self.language) if self.language else message

    def _fitting(self, language: str | None, method: str | None, strength: Strength | None) -> Plan | None:
        from interp.steering import check_fits

        plan = plan_of(self.source, language, method, strength)
        if plan is not None:
            check_fits(self.loaded.model, plan)
        return plan

    def _set_strength(self, value: str) -> str:
        from interp.steering import read_strength

        strength = read_strength(value)
        if self.source is None:
            raise ConfigError("nothing is steered", remedy="start with --plan, or --vectors and --layer")
        self.plan, self.strength = self._fitting(self.language, self.method, strength), strength
        return self.steers()

    def _set_method(self, value: str) -> str:
        if self.source is None or isinstance(self.source, AppliedVectors):
            raise ConfigError("no plan is loaded, so there are no methods", remedy="start with --plan")
        self.plan, self.method = self._fitting(self.language, value, self.strength), value
        return self.steers()

    def _set_language(self, value: str) -> str:
        from interp.data import language

        language(value)
        self.plan, self.language = self._fitting(value, self.method, self.strength), value
        return f"language {value}" if self.plan is None else self.steers()

    def _switch(self, on: bool) -> str:
        if self.plan is None:
            raise ConfigError("nothing is steered", remedy="start with --plan, or --vectors and --layer")
        self.steering = on
        return "the steered side is on" if on else "the steered side is off"

    def _forget(self) -> str:
        self.histories = {UNSTEERED: [], STEERED: []}
        return "the conversation is forgotten"


def converse(chat: Chat) -> None:
    """Read messages and commands until the input ends or `/quit`; every mistake is one line, and the loop goes on.

    At a terminal Ctrl-C stops the answer, or what is being typed. Elsewhere it is raised.
    """
    typed, shown = sys.stdin.isatty(), sys.stdout.isatty()
    for line in _lines(typed):
        message = line.strip()
        if not message:
            continue
        if message == "/quit":
            return
        try:
            if message.startswith("/"):
                print(chat.obey(message))
                continue
            answers = chat.answers(message, shown)
        except TranslocalError as error:
            print(" ".join(f"error: {error}".split()))
        except KeyboardInterrupt:
            if not typed:
                raise
            print(_FORGOTTEN)
        else:
            if not shown:
                for side, answer in answers.items():
                    print(f"{side}: {harmless(written(answer))}", flush=True)


def _lines(typed: bool) -> Iterator[str]:
    if not typed:
        yield from sys.stdin
        return
    with suppress(ImportError):
        import readline  # noqa: F401  # line editing and history for input(), where the system has it

    while True:
        try:
            yield input("> ")
        except EOFError:
            print()
            return
        except KeyboardInterrupt:
            print("\n/quit or Ctrl-D ends")
