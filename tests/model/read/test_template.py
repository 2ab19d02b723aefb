"""Chat templates: the user's turn, one BOS, and the option at the start of the model's turn."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from interp.data import Prompt
from interp.errors import ConfigError, ModelError
from interp.model.load import organism_folder
from interp.model.read import Tokens, check_template, find_template

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


def front(tokenizer, *tokens: str) -> None:
    """Make a tokenizer put other special tokens in front of a text."""
    from tokenizers import processors

    single = " ".join((*tokens, "$A"))
    ids = [(token, tokenizer.convert_tokens_to_ids(token)) for token in tokens]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=ids)


@pytest.mark.parametrize("source", [GEMMA, NO_BOS, "</s>" + NO_BOS])
@pytest.mark.parametrize("added", [("<s>",), (), ("</s>",)], ids=["adds BOS", "adds none", "begins with EOS"])
def test_a_chat_is_encoded_as_transformers_encodes_it(tokenizer, tmp_path: Path, added, source: str) -> None:
    """What a template writes is all there is: no second BOS, and none where the template writes none."""
    front(tokenizer, *added)
    path = tmp_path / "chat.jinja"
    path.write_text(source)
    tokens = Tokens(model_of(tokenizer))
    chat = find_template(tokenizer, str(path))
    messages = [{"role": "user", "content": "Q?"}]
    expected = tokenizer.apply_chat_template(messages, chat_template=source, add_generation_prompt=True)["input_ids"]
    assert tokens(chat.text("Q?")) == tuple(expected)
    prompt = chat.prompt(Prompt("i", "en", "Q?", (" a", " b")))
    context, endings = tokens.split(prompt.text, prompt.continuations)
    assert context == tuple(expected)
    assert [tokenizer.decode(ids) for ids in endings] == ["a", "b"]
    assert tokens("Q?") == tuple(tokenizer("Q?")["input_ids"])


def test_a_plain_text_that_begins_with_bos_gets_no_second(tokenizer) -> None:
    """A user's own rendering of a chat, given as a plain text."""
    tokens = Tokens(model_of(tokenizer))
    assert tokens("<s>Q?") == tokens("Q?")
    front(tokenizer, "</s>")
    tokens = Tokens(model_of(tokenizer))
    assert tokens("</s>Q?") == tokens("Q?") == (2, *tokens.text("Q?"))
    assert tokens("<s>Q?") == (2, 1, *tokens.text("Q?"))


DATED = "{% for m in messages %}{{ m['content'] }}{% endfor %}"


def test_a_templates_clock_stands_still(tokenizer, tmp_path: Path) -> None:
    asked = {
        "{{ strftime_now('%d %b %Y') }}": "26 Jul 2024",
        "{% if strftime_now is defined %}{{ strftime_now('%Y-%m-%d') }}{% endif %}": "2024-07-26",
        "\n  {% set d = strftime_now('%B %-d, %Y (100%%)') %}Today: {{ d }}": "\nToday: July 26, 2024 (100%)",
        "{% macro day() %}{{ strftime_now('%A') }}{% endmacro %}{{ day() }}": "Friday",
    }
    for source, expected in asked.items():
        (tmp_path / "dated.jinja").write_text(source + DATED)
        template = find_template(tokenizer, str(tmp_path / "dated.jinja"))
        assert template.text("Q?") == expected + "Q?"
    assert template.described()["template_told"]["clock"] == "2024-07-26 00:00:00"
    tokenizer.chat_template = "{{ strftime_now('%d %b %Y') }} " + DATED
    assert find_template(tokenizer).text("Q?") == "26 Jul 2024 Q?"


def test_the_clocks_directives_are_those_of_strftime() -> None:
    """datetime's own strftime, in the C locale, as the oracle."""
    from datetime import datetime

    from interp.model.read._template import _CLOCK, CLOCK

    moment = datetime.fromisoformat(CLOCK)
    assert {name: moment.strftime(name) for name in _CLOCK} == _CLOCK


def test_a_fixed_clock_leaves_the_rest_of_a_template_as_it_is(tokenizer) -> None:
    """A template that mentions the clock and never asks it renders as Transformers renders it."""
    messages = [{"role": "user", "content": "Q?"}]
    for start in ("", "\n", "  \n", "{# a comment #}\n", "x"):
        source = start + "{% if false %}{{ strftime_now('%d') }}{% endif %}\n" + DATED + "\n"
        tokenizer.chat_template = source
        expected = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        assert find_template(tokenizer).text("Q?") == expected


def test_what_cannot_be_used_is_refused(tokenizer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        check_template(str(tmp_path / "nothing.jinja"))
    (tmp_path / "bad.jinja").write_text("{{ raise_exception('no system') }}")
    with pytest.raises(ModelError, match="fails on a user message"):
        find_template(tokenizer, str(tmp_path / "bad.jinja"))
    (tmp_path / "mute.jinja").write_text("hello")
    with pytest.raises(ModelError, match="drops the user's text"):
        find_template(tokenizer, str(tmp_path / "mute.jinja"))


def test_an_empty_prompt_is_bos_or_eos_alone(tokenizer) -> None:
    tokens = Tokens(model_of(tokenizer))
    context, (ending,) = tokens.split("", ["Athens is in Greece."])
    assert context == (tokenizer.bos_token_id,)
    assert ending == tokens("Athens is in Greece.")[1:]

    class Bare:
        bos_token_id, eos_token_id, unk_token_id = None, 7, None
        all_special_ids = (7,)

        def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
            return {"input_ids": [ord(letter) for letter in text]}

    context, (ending,) = Tokens(model_of(Bare())).split("", ["ab"])
    assert (context, ending) == ((7,), (97, 98))


def test_a_text_longer_than_the_context_is_refused(tokenizer) -> None:
    tokens = Tokens(SimpleNamespace(tokenizer=tokenizer, cfg=SimpleNamespace(n_ctx=3)))
    assert len(tokens("a")) <= 3
    with pytest.raises(ModelError, match="is longer than the model's context: 'one two three four five'"):
        tokens("one two three four five")
