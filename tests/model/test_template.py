"""Chat templates: the user's turn, one BOS, and the option at the start of the model's turn."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from interp.data.prompts import Prompt
from interp.errors import ConfigError, ModelError
from interp.model.batching import Tokens
from interp.model.sources import organism_folder
from interp.model.template import check_template, find_template

GEMMA = (
    "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ m['role'] }}\n{{ m['content'] | trim }}<end_of_turn>\n"
    "{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
NO_BOS = "{% for m in messages %}[{{ m['content'] }}]{% endfor %}"


def model_of(tokenizer) -> SimpleNamespace:
    return SimpleNamespace(tokenizer=tokenizer, cfg=SimpleNamespace(n_ctx=512))


@pytest.fixture
def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(organism_folder())


def test_auto_takes_the_tokenizers_own_and_none_changes_nothing(tokenizer) -> None:
    prompt = Prompt("i", "en", "Q? Answer:", (" a", " b"))
    assert find_template(tokenizer).prompt(prompt) == prompt
    tokenizer.chat_template = GEMMA
    assert find_template(tokenizer, "none").prompt(prompt) == prompt
    found = find_template(tokenizer).prompt(prompt)
    assert found.text == "<s><start_of_turn>user\nQ? Answer:<end_of_turn>\n<start_of_turn>model\n"
    assert found.continuations == ("a", "b")


@pytest.mark.parametrize("source", [GEMMA, NO_BOS, "none"])
def test_there_is_one_bos(tokenizer, tmp_path: Path, source: str) -> None:
    path = tmp_path / "chat.jinja"
    path.write_text(source)
    template = find_template(tokenizer, "none" if source == "none" else str(path))
    ids = Tokens(model_of(tokenizer))(template.text("Q?"))
    assert ids[0] == tokenizer.bos_token_id
    assert ids.count(tokenizer.bos_token_id) == 1


def test_what_cannot_be_used_is_refused(tokenizer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        check_template(str(tmp_path / "nothing.jinja"))
    (tmp_path / "bad.jinja").write_text("{{ raise_exception('no system') }}")
    with pytest.raises(ModelError, match="fails on a user's turn"):
        find_template(tokenizer, str(tmp_path / "bad.jinja"))
    (tmp_path / "mute.jinja").write_text("hello")
    with pytest.raises(ModelError, match="drops the user's text"):
        find_template(tokenizer, str(tmp_path / "mute.jinja"))


def test_an_empty_prompt_is_bos_or_eos_alone(tokenizer) -> None:
    tokens = Tokens(model_of(tokenizer))
    context, ending = tokens.split("", "Athens is in Greece.")
    assert context == (tokenizer.bos_token_id,)
    assert ending == tokens("Athens is in Greece.")[1:]

    class Bare:
        bos_token_id, eos_token_id = None, 7

        def __call__(self, text: str) -> dict[str, list[int]]:
            return {"input_ids": [ord(letter) for letter in text]}

    context, ending = Tokens(model_of(Bare())).split("", "ab")
    assert (context, ending) == ((7,), (97, 98))


def test_a_text_longer_than_the_context_is_refused(tokenizer) -> None:
    tokens = Tokens(SimpleNamespace(tokenizer=tokenizer, cfg=SimpleNamespace(n_ctx=3)))
    assert len(tokens("a")) <= 3
    with pytest.raises(ModelError, match="does not fit the model's context: 'one two three four five'"):
        tokens("one two three four five")
