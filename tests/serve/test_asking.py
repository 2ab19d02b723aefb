"""Requests: what is read, and that anything else is one clear line."""

from __future__ import annotations

import json

import pytest

from interp.errors import ConfigError
from interp.serve import read_ask

STEER = {"vectors": "en.el", "layer": 2, "strength": "0.1r"}
GOOD = {"language": "el", "question": "Τι;", "options": ["α", "β"], "steers": [STEER]}


def test_a_request_is_read() -> None:
    ask = read_ask(json.dumps(GOOD).encode())
    assert (ask.language, ask.options, ask.answer, ask.cue) == ("el", ("α", "β"), "options", "none")
    assert (ask.steers[0].strength, ask.steers[0].operator, ask.steers[0].positions) == ("0.1r", "add", "last")
    assert read_ask(json.dumps({**GOOD, "item": ["universal", "x"], "question": ""}).encode()).item == (
        "universal",
        "x",
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"question": " "}, "there is no question"),
        ({"options": ["α"]}, "the options can't be compared"),
        ({"options": ["α", "α "]}, "the options can't be compared"),
        ({"options": ["α", " "]}, "the options can't be compared"),
        ({"options": ["x" * 201, "b"]}, "options.0"),
        ({"options": [str(number) for number in range(13)]}, "options"),
        ({"question": "x" * 4001}, "question"),
        ({"max_new_tokens": 257}, "max_new_tokens"),
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"answer": "run"}, "answer"),
        ({"code": "import os"}, "code"),
        ({"steers": [STEER] * 5}, "steers"),
        ({"steers": [{**STEER, "strength": "much"}]}, "strength 'much' is not allowed"),
        ({"steers": [{**STEER, "strength": "nanr"}]}, "is not allowed"),
        ({"steers": [{**STEER, "operator": "erase"}]}, "operator 'erase' is unknown"),
        ({"steers": [{**STEER, "positions": "first"}]}, "positions 'first' is unknown"),
        ({"steers": [{**STEER, "layer": -1}]}, "layer"),
        ({"item": ["../..", "x"]}, "item"),
    ],
)
def test_a_mistake_is_one_line(change: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        read_ask(json.dumps({**GOOD, **change}).encode())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"null", b'{"language": 3, "question": "x"}'])
def test_what_is_no_request(body: bytes) -> None:
    with pytest.raises(ConfigError):
        read_ask(body)
