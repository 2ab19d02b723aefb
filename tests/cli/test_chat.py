"""`interp chat`, and `interp generate` at a terminal: the answers of `generate`, and commands on the fly."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from interp import steering as streaming
from interp.cli.answers import _chatting as chatting
from interp.data import ChatText, question_text
from interp.model import LoadedModel
from interp.model import load as loading
from interp.steering import Plan, Steer, SteeringVectors, generate, write_plans
from tests.cli.conftest import Done

NEW = 6
MOST = ("--max-new-tokens", str(NEW))
QUESTION, OTHER = "¿Cuál es la capital de Japón?", "¿Dónde está Seúl?"
TEMPLATE = (
    "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)

Talk = Callable[..., Done]


@pytest.fixture
def vectors(organism: LoadedModel) -> torch.Tensor:
    return 8 * torch.randn(8, organism.model.cfg.d_model, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def folder(tmp_path: Path, organism: LoadedModel, vectors: torch.Tensor) -> Path:
    """Plans for Spanish and Korean, and the vectors as another tool has them."""
    (tmp_path / "vectors").mkdir()
    SteeringVectors("es", vectors, {"processing": "none"}).save(tmp_path / "vectors" / "es.safetensors")
    save_file({"layer.3": vectors[3].clone()}, tmp_path / "theirs.safetensors")
    steer = {"vectors": "vectors/es.safetensors", "layer": 3, "strength": 2.0, "operator": "add", "positions": "text"}
    model = {"name": "organism", "fingerprint": organism.fingerprint, "processing": "none"}
    both = {"es": {"steers": [steer]}, "ko": {"steers": [steer | {"layer": 2}]}}
    half = {"es": {"steers": [steer | {"strength": 1.0}]}}
    write_plans(tmp_path / "plan.json", model=model, template="none", methods={"surgical": both, "half": half})
    return tmp_path


@pytest.fixture
def talk(
    call: Callable[..., Done], folder: Path, organism: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Talk]:
    """Runs `interp chat` on lines of standard input, with the organism in place of whatever is loaded."""
    monkeypatch.setattr(loading, "load_model", lambda name, **settings: organism)

    def run(*lines: str, options: tuple[str, ...] = ("--plan", ".", "--language", "es")) -> Done:
        monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines) + "\n"))
        return call("chat", *options, *MOST, cwd=folder)

    yield run
    organism.model.tokenizer.chat_template = None


def said(organism: LoadedModel, text: str, *steers: Steer, stop: str | None = "\n") -> str:
    [[one]] = generate(organism.model, [text], [Plan(steers)], max_new_tokens=NEW, stop=stop)
    return one.text.strip() + ("" if one.ended else " …")


def expected(organism: LoadedModel, text: str, *steers: Steer) -> list[str]:
    return [f"unsteered: {said(organism, text)}", *([f"steered: {said(organism, text, *steers)}"] if steers else [])]


def test_both_sides_answer_line_by_line(talk: Talk, organism: LoadedModel, vectors: torch.Tensor) -> None:
    done = talk(QUESTION, "", OTHER)
    steer = Steer(3, vectors[3], 2.0)
    lines = [line for q in (QUESTION, OTHER) for line in expected(organism, question_text(q, "es"), steer)]
    assert (done.code, done.out.splitlines(), done.err) == (0, lines, "")
    assert lines[0].partition(": ")[2] != lines[1].partition(": ")[2]


def test_commands_change_what_steers(talk: Talk, organism: LoadedModel, vectors: torch.Tensor) -> None:
    es, ko = question_text(QUESTION, "es"), question_text(QUESTION, "ko")
    done = talk(
        "/strength 0.5", QUESTION, "/strength 1", "/method half", QUESTION, "/method surgical", "/language ko", QUESTION,
        "/off", QUESTION, "/on", "/plan", "/quit", QUESTION,
    )  # fmt: skip
    assert done.out.splitlines() == [
        "surgical, es: layer 3, strength 1, add, positions text",
        *expected(organism, es, Steer(3, vectors[3], 1.0)),
        "surgical, es: layer 3, strength 2, add, positions text",
        "half, es: layer 3, strength 1, add, positions text",
        *expected(organism, es, Steer(3, vectors[3], 1.0)),
        "surgical, es: layer 3, strength 2, add, positions text",
        "surgical, ko: layer 2, strength 2, add, positions text",
        *expected(organism, ko, Steer(2, vectors[2], 2.0)),
        "the steered side is off",
        *expected(organism, ko),
        "the steered side is on",
        "surgical, ko: layer 2, strength 2, add, positions text",
    ]


BAD = {
    "/stength 2": "command '/stength' is unknown; to do: did you mean '/strength'?",
    "/x": "command '/x' is unknown; to do: /help lists the commands",
    "/strength": "/strength needs a value",
    "/strength two": "strength 'two' is not allowed",
    "/strength inf": "strength 'inf' is not allowed",
    "/method hal": "method 'hal' is not in plan.json; allowed: half, surgical; to do: did you mean 'half'?",
    "/language el": "method 'surgical' has no plan for language 'el'; allowed: es, ko",
    "/language klingon": "language 'klingon' is unknown",
    "/off now": "/off takes no value, got 'now'",
}


def test_a_bad_command_is_one_line_and_changes_nothing(
    talk: Talk, organism: LoadedModel, vectors: torch.Tensor
) -> None:
    done = talk(*BAD, QUESTION)
    *mistakes, first, second = done.out.splitlines()
    assert done.code == 0
    for line, words in zip(mistakes, BAD.values(), strict=True):
        assert line.startswith(f"error: {words}")
    assert [first, second] == expected(organism, question_text(QUESTION, "es"), Steer(3, vectors[3], 2.0))


def test_vectors_without_a_plan_and_nothing_at_all(talk: Talk, organism: LoadedModel, vectors: torch.Tensor) -> None:
    theirs = ("--vectors", "theirs.safetensors", "--layer", "3", "--raw")
    done = talk(QUESTION, "/method half", "/strength 2", QUESTION, options=theirs)
    first = expected(organism, QUESTION, Steer(3, vectors[3], 1.0))
    second = expected(organism, QUESTION, Steer(3, vectors[3], 2.0))
    told = "layer 3, strength 2, add, positions text"
    mistake = "error: no plan is loaded, so there are no methods; to do: start with --plan"
    assert done.out.splitlines() == [*first, mistake, told, *second]
    done = talk("/off", "/plan", "/strength 2", QUESTION, options=("--language", "es"))
    off, plan, strength, *answers = done.out.splitlines()
    assert off == strength == "error: nothing is steered; to do: start with --plan, or --vectors and --layer"
    assert (plan, answers) == ("nothing is steered", expected(organism, question_text(QUESTION, "es")))


def test_a_chat_model_keeps_a_history_for_each_side(talk: Talk, organism: LoadedModel, vectors: torch.Tensor) -> None:
    organism.model.tokenizer.chat_template = TEMPLATE
    begun = ChatText(f"[user] {QUESTION}\n[assistant]")
    after = "[user] {0}\n[assistant] {1}\n[user] {2}\n[assistant]"
    sides = {"unsteered": (), "steered": (Steer(3, vectors[3], 2.0),)}
    lines = []
    for name, steers in sides.items():
        [[one]] = generate(organism.model, [begun], [Plan(steers)], max_new_tokens=NEW, stop=None)
        second = said(organism, ChatText(after.format(QUESTION, one.text, OTHER)), *steers, stop=None)
        lines.append((f"{name}: {said(organism, begun, *steers, stop=None)}", f"{name}: {second}"))
    first, second = zip(*lines, strict=True)
    auto = ("--plan", ".", "--language", "es", "--template", "auto")
    done = talk(QUESTION, OTHER, "/new", QUESTION, options=auto)
    assert "the prompts use 'chat'" in done.err
    assert done.out == "\n".join([*first, *second, "the conversation is forgotten", *first]) + "\n"


def test_a_conversation_that_grew_too_long_is_one_line(talk: Talk, organism: LoadedModel) -> None:
    done = talk("a " * 5000, "/plan")
    error, plan = done.out.splitlines()
    assert error.startswith("error: a text of")
    assert plan.startswith("surgical")


def test_a_mistake_in_the_options_ends_it(talk: Talk) -> None:
    for options, words in {
        ("--plan", "."): "a plan needs a language; allowed: es, ko",
        (): "no language is given, and organism has no chat template",
        ("--plan", ".", "--language", "es", "--layer", "3"): "--layer 3 makes no sense without --vectors",
    }.items():
        done = talk(QUESTION, options=options)
        assert (done.code, done.out) == (2, "")
        assert words in done.err


class Terminal(io.StringIO):
    """Standard output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_ctrl_c_stops_the_answer_and_not_the_chat(
    folder: Path, organism: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    typed = iter([QUESTION, KeyboardInterrupt, OTHER, EOFError])
    screen = Terminal()

    def type_next(prompt: str) -> str:
        found: Any = next(typed)
        if isinstance(found, str):
            return found
        raise found

    real, calls = streaming.stream, []

    def interrupted(*arguments: Any, **settings: Any) -> Iterator[streaming.Piece]:
        calls.append(arguments)
        for i, piece in enumerate(real(*arguments, **settings)):
            if len(calls) == 1 and i == 2:
                raise KeyboardInterrupt
            yield piece

    monkeypatch.setattr(streaming, "stream", interrupted)
    monkeypatch.setattr("builtins.input", type_next)
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(sys, "stdout", screen)
    from interp.model.read import Template
    from interp.steering import load_plans

    chat = chatting.Chat(organism, Template(), load_plans("."), "es", None, None, NEW)
    chatting.converse(chat)
    shown = screen.getvalue()
    assert "stopped: this exchange is dropped from the conversation" in shown
    assert "/quit or Ctrl-D ends" in shown
    assert [len(history) for history in chat.histories.values()] == [1, 1]
    assert chat.histories["unsteered"][0][0] == OTHER
    assert chat.histories["unsteered"][0][1].split()[0] in shown


def test_ctrl_c_ends_a_chat_that_is_not_typed(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: Any, **settings: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(streaming, "stream", stop)
    done = talk(QUESTION)
    assert (done.code, done.err) == (130, "stopped\n")


def test_answers_of_generate_come_piece_by_piece_at_a_terminal(
    folder: Path, organism: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Terminal()
    monkeypatch.setattr(loading, "load_model", lambda name, **settings: organism)
    monkeypatch.setattr(sys, "argv", ["interp", "generate", "--plan", str(folder), "--language", "es", *MOST, QUESTION])
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm")
    from interp.cli import main

    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    shown = screen.getvalue()
    assert "\x1b[" in shown  # the table was drawn over itself
    final = shown[shown.rindex("unsteered") :]
    assert all(word in final for word in said(organism, question_text(QUESTION, "es")).split())


def test_what_a_model_says_does_not_move_the_cursor() -> None:
    from interp.cli.answers._side_by_side import harmless

    assert harmless("a\x1b[2J\x07b\rc\u200cd\ne") == "a [2J b c\u200cd\ne"
