"""`interp chat`: messages answered by the unsteered and the steered model, side by side."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from interp.cli import options
from interp.cli.steering import SURGICAL, check_asked, load_for, plan_of, read_steering, template_for
from interp.errors import ConfigError

EXAMPLES = (
    "Examples:  interp chat --plan runs/mine --language ko  |  "
    "interp chat --plan runs/mine --language ko --method loc --strength 1.5  |  "
    "interp chat --model google/gemma-3-1b-it --vectors mine.gguf --layer 3  |  "
    "interp chat --vectors mine.gguf --layer 3 --strength 2"
)


def chat(
    plan: options.PlanFile = None,
    language: Annotated[str | None, typer.Option(help="The messages' language, and the plan's.")] = None,
    method: Annotated[str | None, typer.Option(help=f"With --plan: a method of it. Default: {SURGICAL}.")] = None,
    strength: Annotated[
        str | None,
        typer.Option(
            help="Times the plan's strengths; with --vectors times the vector or, such as 0.1r, a share of the "
            "layer's median residual norm. Default: 1."
        ),
    ] = None,
    vectors: options.Vectors = None,
    layer: options.Layer = None,
    operator: options.Operator = None,
    positions: options.VectorPositions = None,
    model: Annotated[str | None, typer.Option(help="As in `interp run`. Default: the plan's, else organism.")] = None,
    adapter: options.Adapter = None,
    revision: options.Revision = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    template: Annotated[str | None, typer.Option(help="As in `interp run`. Default: the plan's, else auto.")] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="The model reads messages as they stand, without history.")
    ] = False,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of an answer.")] = 64,
) -> None:
    """Answer message after message, unsteered and steered side by side, greedily; /help lists what can be changed.

    A chat model reads the conversation in its template, each side its own. Any other model reads each message alone,
    as `interp generate` puts it, and answers up to the end of a line. Messages are typed, or lines of standard input.
    """
    from interp.cli.chatting import Chat, converse
    from interp.model.read import Template

    check_asked(language, raw, template, model, device, dtype)
    found = read_steering(plan, vectors, layer, strength, operator, positions, {"--method": method})
    plan_of(found, language, method, strength)
    try:
        loaded = load_for(
            found, model, adapter=adapter, revision=revision, device=device or "auto", dtype=dtype or "auto"
        )
        through = Template() if raw else template_for(found, loaded, template)
        if language is None and not raw and not through.render:
            raise ConfigError(
                f"no language is given, and {loaded.name} has no chat template",
                remedy="pass --language, or --raw for messages as they stand",
            )
        begun = Chat(loaded, through, found, language, method, strength, max_new_tokens)
        if sys.stdin.isatty():
            print(f"{loaded.name}\n{begun.steers()}\n/help lists the commands")
        converse(begun)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        raise typer.Exit(130) from None
