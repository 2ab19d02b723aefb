"""`interp generate`: what a model says, unsteered and steered."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from interp.cli import options
from interp.cli.answers._side_by_side import columns, watch, written
from interp.cli.steering import ReadingOptions, SteeringOptions, check_reading, plan_of, read_steering
from interp.data import question_text
from interp.errors import ConfigError
from interp.files import json_text

EXAMPLES = (
    'Examples:  interp generate --plan runs/mine/plan.json --language es "¿Cuál es la capital de Japón?"  |  '
    'interp generate --vectors mine.gguf --layer 3 --strength 2 --raw "Once upon a time"  |  '
    'interp generate --model google/gemma-3-1b-it --language en "Where is Seoul?" --json'
)


@options.grouped(steering=options.Group(SteeringOptions), reading=options.Group(ReadingOptions))
def generate(
    questions: Annotated[list[str], typer.Argument(help="One or more questions.", show_default=False)],
    steering: SteeringOptions,
    reading: ReadingOptions,
    raw: Annotated[
        bool, typer.Option("--raw", help="Give the model the text as it is, without question format or chat template.")
    ] = False,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 32,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the unsteered and the steered model's answers side by side.

    A question is turned into the same prompt as in `interp run`: followed by the language's word for "Answer:", and in
    the chat template of a chat model. Decoding is greedy and stops at the end of a line. Without a plan or vectors only
    the unsteered model answers.
    """
    if reading.language is None and not raw:
        raise ConfigError("no language is given", remedy="pass --language, or --raw to give the texts as they are")
    check_reading(reading, raw, steering.plan is not None)
    from interp.model.read import Template
    from interp.steering import Plan, check_fits, stream
    from interp.steering import generate as answer

    source = read_steering(steering, {"--method": reading.method})
    steer = plan_of(source, reading.language, reading.method, steering.strength)
    with options.interruptible():
        loaded = reading.load(source)
        template = Template() if raw else reading.find_template(source, loaded)
        texts = questions if raw else [question_text(question, str(reading.language)) for question in questions]
        prompts = [template.text(text) for text in texts]
        plans = {"unsteered": Plan()} | ({"steered": steer} if steer else {})
        sides = list(plans.values())
        for plan in sides:
            check_fits(loaded.model, plan)
        if not as_json and sys.stdout.isatty():
            pieces = (
                stream(loaded.model, [prompt] * len(sides), sides, max_new_tokens=max_new_tokens) for prompt in prompts
            )
            rows = zip([[question] for question in questions], pieces, strict=True)
            watch(["question", *plans], rows, len(sides))
            return
        by_side = answer(loaded.model, prompts, sides, max_new_tokens=max_new_tokens)
    answers = [dict(zip(plans, row, strict=True)) for row in zip(*by_side, strict=True)]
    if not as_json:
        cells = [[question, *map(written, row.values())] for question, row in zip(questions, answers, strict=True)]
        from rich.console import Console

        Console().print(columns(["question", *plans], cells))
        return
    described = {
        "model": loaded.described(),
        "template": template.name,
        "language": reading.language,
        "steers": [
            {"layer": one.layer, "strength": one.strength, "operator": one.operator, "positions": one.positions}
            for one in (steer.steers if steer else ())
        ],
        "answers": [
            {"question": question, "prompt": prompt}
            | {side: {"text": said.text, "ended": said.ended} for side, said in row.items()}
            for question, prompt, row in zip(questions, prompts, answers, strict=True)
        ],
    }
    print(json_text(described), end="")
