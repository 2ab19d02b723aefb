"""Lengths and contexts of options."""

from __future__ import annotations

import pytest

from interp.data import Prompt, continuation, language
from interp.model import LoadedModel
from interp.model.read import Template, Tokens
from interp.steering.engine import tokenise


@pytest.mark.parametrize("code", ["es", "el", "zh"])
def test_an_options_bytes_are_those_of_its_text_alone(organism: LoadedModel, code: str) -> None:
    """The same name has the same length whether its language puts a space in front or nothing."""
    texts = ("Madrid", "Αθήνα", "北京")
    prompt = Prompt("i", code, language(code).answer, tuple(continuation(text, code) for text in texts))
    chat = Template("chat", lambda messages: messages[0]["content"] + "\n").prompt(prompt)
    for asked in (prompt, chat):
        assert tokenise([asked], Tokens(organism.model)).bytes.tolist() == [6, 10, 6]


def test_all_options_of_a_prompt_have_one_context(organism: LoadedModel) -> None:
    prompts = [Prompt("a", "en", "Where? Answer:", (" Paris", " Rome")), Prompt("b", "en", "Who? Answer:", (" Rome",))]
    tokens = Tokens(organism.model)
    layout = tokenise(prompts, tokens)
    assert [stem.context for stem in layout.stems] == [tokens.prompt(prompt.text) for prompt in prompts]
    assert [len(stem.endings) for stem in layout.stems] == [2, 1]
