"""`interp chat`: messages answered by the unsteered and the steered model, side by side."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from interp.cli import options
from interp.cli.steering import ReadingOptions, SteeringOptions, check_reading, plan_of, read_steering
from interp.errors import ConfigError

EXAMPLES = (
    "Examples:  interp chat --plan runs/mine --language ko  |  "
    "interp chat --plan runs/mine --language ko --method loc --strength 1.5  |  "
    "interp chat --model google/gemma-3-1b-it --vectors mine.gguf --layer 3  |  "
    "interp chat --vectors mine.gguf --layer 3 --strength 2"
)


LANGUAGE = {"language": "Language of the messages, and of the plan that is applied."}


@options.grouped(steering=options.Group(SteeringOptions), reading=options.Group(ReadingOptions, helps=LANGUAGE))
def chat(
    steering: SteeringOptions,
    reading: ReadingOptions,
    raw: Annotated[
        bool, typer.Option("--raw", help="Give the model each message as it is, without earlier messages.")
    ] = False,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 64,
) -> None:
    """Chat with the unsteered and the steered model side by side. /help lists the commands.

    With a chat model, each side keeps its own conversation, in the model's chat template. Any other model gets each
    message on its own, as in `interp generate`, and answers up to the end of a line. Messages are typed, or read line
    by line from standard input. Decoding is greedy.
    """
    from interp.cli.answers._chatting import Chat, converse
    from interp.model.read import Template

    check_reading(reading, raw, steering.plan is not None)
    source = read_steering(steering, {"--method": reading.method})
    plan_of(source, reading.language, reading.method, steering.strength)
    with options.interruptible():
        loaded = reading.load(source)
        template = Template() if raw else reading.find_template(source, loaded)
        if reading.language is None and not raw and not template.render:
            raise ConfigError(
                f"no language is given, and {loaded.name} has no chat template",
                remedy="pass --language, or --raw to give messages as they are",
            )
        begun = Chat(loaded, template, source, reading.language, reading.method, steering.strength, max_new_tokens)
        if sys.stdin.isatty():
            print(f"{loaded.name}\n{begun.steers()}\n/help lists the commands")
        converse(begun)
