"""`interp model`: models from the Hub, before a run needs them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from interp.errors import ModelError

app = typer.Typer(help="Models from the Hub, before a run needs them.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def model() -> None:
    """Models from the Hub, before a run needs them."""


@app.command(
    epilog="Examples:  interp model fetch google/gemma-3-4b-it  |  "
    "interp model fetch Qwen/Qwen3-0.6B --revision main --quiet"
)
def fetch(
    name: Annotated[str, typer.Argument(help="Hub id, such as org/name.")],
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit. Default: main.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the folder and nothing else.")] = False,
) -> None:
    """Download a model's safetensors, configuration and tokenizer into the Hub's cache; pickles are left out.

    Run it where there is a network (a login node); with HF_HUB_OFFLINE=1 the compute nodes then load from the cache.
    """
    from interp.model.hub import fetch as fetch_model
    from interp.model.sources import check_checkpoint, find_model

    source = find_model(name)
    if source.local:
        raise ModelError(f"model {name!r} is here already: {source.location}", allowed="Hub ids such as org/name")
    try:
        if quiet:
            from huggingface_hub.utils import disable_progress_bars

            disable_progress_bars()
        snapshot = fetch_model(source.location, revision)
    except KeyboardInterrupt:
        print("stopped: what was downloaded stays, the same command goes on from there", file=sys.stderr)
        raise typer.Exit(130) from None
    check_checkpoint(snapshot.folder, f"model {name!r}")
    if quiet:
        print(snapshot.folder)
    else:
        print(f"folder    {snapshot.folder}\nrevision  {snapshot.revision}\nsize      {snapshot.bytes / 2**30:.2f} GiB")
