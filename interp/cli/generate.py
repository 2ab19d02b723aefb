"""`interp generate`: what a model says, unsteered and steered."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli import options
from interp.cli.steering import Asked, Reading, check_reading, plan_of, read_steering, template_for
from interp.errors import ConfigError
from interp.files import json_text

if TYPE_CHECKING:
    from interp.cli.steering import Bare
    from interp.model import LoadedModel
    from interp.steering import Generated, Plan, SavedPlans

EXAMPLES = (
    'Examples:  interp generate --plan runs/mine/plan.json --language es "¿Cuál es la capital de Japón?"  |  '
    'interp generate --vectors mine.gguf --layer 3 --strength 2 --raw "Once upon a time"  |  '
    'interp generate --model google/gemma-3-1b-it --language en "Where is Seoul?" --json'
)


@options.grouped(steering=options.Group(Asked), reading=options.Group(Reading))
def generate(
    questions: Annotated[list[str], typer.Argument(help="One question or more.", show_default=False)],
    steering: options.Given,
    reading: options.Given,
    raw: Annotated[bool, typer.Option("--raw", help="The model reads the text as it stands.")] = False,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of an answer.")] = 32,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print what a model answers, unsteered and steered side by side; greedily, up to the end of a line.

    A question becomes the prompt that `interp run` makes of it: the language's word for "Answer:" behind it, in the
    chat model's template. Without a plan and vectors only the plain model answers.
    """
    from interp.steering import Plan, check_fits

    asked = Reading(**reading)
    language = asked.language
    if language is None and not raw:
        raise ConfigError("no language is given", remedy="pass --language, or --raw for texts as they stand")
    check_reading(asked, raw)
    found = read_steering(Asked(**steering), {"--method": asked.method})
    steer = plan_of(found, language, asked.method, steering["strength"])
    try:
        loaded = asked.load(found)
        prompts, name = _prompts(loaded, questions, "" if raw else str(language), asked.template, found)
        plans = {"unsteered": Plan()} | ({"steered": steer} if steer else {})
        for one in plans.values():
            check_fits(loaded.model, one)
        if not as_json and sys.stdout.isatty():
            _watch(loaded, questions, prompts, plans, max_new_tokens)
            return
        rows = _answers(loaded, prompts, plans, max_new_tokens)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        raise typer.Exit(130) from None
    if as_json:
        print(json_text(_described(loaded, name, language, steer, questions, prompts, rows)), end="")
    else:
        _show(questions, rows)


def _prompts(
    loaded: LoadedModel, questions: list[str], language: str, template: str | None, found: SavedPlans | Bare | None
) -> tuple[list[str], str]:
    """What the model reads, and the template's name; without a language the texts as they stand."""
    from interp.data import question_text
    from interp.model.read import NONE

    if not language:
        return questions, NONE
    through = template_for(found, loaded, template)
    return [through.text(question_text(question, language)) for question in questions], through.name


def _watch(
    loaded: LoadedModel, questions: list[str], prompts: list[str], plans: dict[str, Plan], max_new_tokens: int
) -> None:
    from interp.cli.side_by_side import watch
    from interp.steering import stream

    sides = list(plans.values())
    pieces = (stream(loaded.model, [prompt] * len(sides), sides, max_new_tokens=max_new_tokens) for prompt in prompts)
    watch(["question", *plans], zip([[question] for question in questions], pieces, strict=True), len(sides))


def _answers(
    loaded: LoadedModel, prompts: list[str], plans: dict[str, Plan], max_new_tokens: int
) -> list[dict[str, Generated]]:
    from interp.steering import generate as continued

    said = continued(loaded.model, prompts, list(plans.values()), max_new_tokens=max_new_tokens)
    return [dict(zip(plans, row, strict=True)) for row in zip(*said, strict=True)]


def _described(
    loaded: LoadedModel,
    template: str,
    language: str | None,
    steer: Plan | None,
    questions: list[str],
    prompts: list[str],
    rows: list[dict[str, Generated]],
) -> dict[str, Any]:
    return {
        "model": loaded.described(),
        "template": template,
        "language": language,
        "steers": [
            {"layer": one.layer, "strength": one.strength, "operator": one.operator, "positions": one.positions}
            for one in (steer.steers if steer else ())
        ],
        "answers": [
            {"question": question, "prompt": prompt}
            | {kind: {"text": said.text, "ended": said.ended} for kind, said in row.items()}
            for question, prompt, row in zip(questions, prompts, rows, strict=True)
        ],
    }


def _show(questions: list[str], rows: list[dict[str, Generated]]) -> None:
    from rich.console import Console

    from interp.cli.side_by_side import columns, written

    cells = [[question, *map(written, row.values())] for question, row in zip(questions, rows, strict=True)]
    Console().print(columns(["question", *rows[0]], cells))
