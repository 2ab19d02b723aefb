"""What a page may ask: one request, read from JSON and checked before the model sees any of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

import interp.steering as steering  # its operators need torch: they are loaded with the first request
from interp.errors import ConfigError
from interp.steering import Strength, read_strength, size

MOST_BYTES = 64 * 1024
"""The longest request."""

MOST_STRENGTH = 1000.0
_STRICT = ConfigDict(extra="forbid", frozen=True)
Line = Annotated[str, Field(max_length=200)]


class HandSteer(BaseModel):
    """One vector at one layer, as it is set by hand. `vectors`: its name at the desk, such as `loc.ko`."""

    model_config = _STRICT

    vectors: Annotated[str, Field(max_length=100)]
    layer: Annotated[int, Field(ge=0, le=10_000)]
    strength: Strength
    operator: str = "add"
    positions: str = "last"

    @model_validator(mode="after")
    def _known(self) -> HandSteer:
        if abs(size(read_strength(self.strength))) > MOST_STRENGTH:
            raise ConfigError(f"strength {self.strength!r} is not allowed", allowed=f"up to {MOST_STRENGTH:g}")
        for name, value, allowed in (
            ("operator", self.operator, steering.OPERATORS), ("positions", self.positions, steering.POSITIONS),
        ):  # fmt: skip
            if value not in allowed:
                raise ConfigError(f"{name} {value!r} is unknown", allowed=", ".join(allowed))
        return self


class Ask(BaseModel):
    """A question, how it is answered, and what steers.

    item: axis and name of an item of the test split; then its own question and options are asked. cue: `none`, the
    own culture's (`explicit`), or `own` for the text of `cue_text`. answer: `options` (scored) or `free` (generated).
    """

    model_config = _STRICT

    language: Annotated[str, Field(max_length=20)]
    question: Annotated[str, Field(max_length=4000)] = ""
    item: tuple[Literal["universal", "cultural"], Annotated[str, Field(max_length=200)]] | None = None
    cue: Literal["none", "explicit", "own"] = "none"
    cue_text: Annotated[str, Field(max_length=400)] = ""
    answer: Literal["options", "free"] = "options"
    options: Annotated[tuple[Line, ...], Field(max_length=12)] = ()
    max_new_tokens: Annotated[int, Field(ge=1, le=256)] = 32
    steers: Annotated[tuple[HandSteer, ...], Field(max_length=4)] = ()

    @model_validator(mode="after")
    def _whole(self) -> Ask:
        if self.item is None and not self.question.strip():
            raise ConfigError("there is no question", remedy="type one, or open an item")
        if self.item is None and self.answer == "options":
            texts = [text.strip() for text in self.options]
            if len(texts) < 2 or not all(texts) or len(set(texts)) < len(texts):
                raise ConfigError(
                    "the options can't be compared", allowed="two or more different texts, one a line",
                    remedy="add options, or ask for a free answer",
                )  # fmt: skip
        return self


def read_ask(body: bytes) -> Ask:
    """The request in a JSON body. Raises ConfigError, in one line, for anything that is not allowed in one."""
    try:
        return Ask.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"the request can't be read: {f'{place}: ' if place else ''}{first['msg']}") from None
