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


LANGUAGE = {"language": "The messages' language, and the plan's."}


@options.grouped(steering=options.Group(SteeringOptions), reading=options.Group(ReadingOptions, helps=LANGUAGE))
def chat(
    steering: SteeringOptions,
    reading: ReadingOptions,
    raw: Annotated[
        bool, typer.Option("--raw", help="The model reads messages as they stand, without history.")
    ] = False,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of an answer.")] = 64,
) -> None:
    """Answer message after message, unsteered and steered side by side, greedily; /help lists what can be changed.

    A chat model reads the conversation in its template, each side its own. Any other model reads each message alone,
    as `interp generate` puts it, and answers up to the end of a line. Messages are typed, or lines of standard input.
    """
    from interp.cli.answers._chatting import Chat, converse
    from interp.model.read import Template

    check_reading(reading, raw)
    source = read_steering(steering, {"--method": reading.method})
    plan_of(source, reading.language, reading.method, steering.strength)
    with options.interruptible():
        loaded = reading.load(source)
        template = Template() if raw else reading.find_template(source, loaded)
        if reading.language is None and not raw and not template.render:
            raise ConfigError(
                f"no language is given, and {loaded.name} has no chat template",
                remedy="pass --language, or --raw for messages as they stand",
            )
        begun = Chat(loaded, template, source, reading.language, reading.method, steering.strength, max_new_tokens)
        if sys.stdin.isatty():
            print(f"{loaded.name}\n{begun.steers()}\n/help lists the commands")
        converse(begun)
