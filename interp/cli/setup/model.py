"""`interp model`: models from the Hub, before a run needs them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.cli import options
from interp.cli.groups import group
from interp.errors import ModelError

app = group("Download models from the Hub ahead of a run.")


@app.callback()
def model() -> None:
    """Download models from the Hub ahead of a run."""


@app.command(
    epilog="Examples:  interp model fetch google/gemma-3-4b-it  |  "
    "interp model fetch Qwen/Qwen3-0.6B --revision main --quiet  |  "
    "interp model fetch org/name-GGUF:name-Q4_K_M.gguf"
)
def fetch(
    name: Annotated[str, typer.Argument(help="Hub id, such as org/name, or org/name:file.gguf.")],
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit. Default: main.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the folder or GGUF file and nothing else.")] = False,
) -> None:
    """Download a model's safetensors, configuration and tokenizer, or its GGUF file, into the Hub's cache.

    Pickles are left out.

    Run it where there is a network (a login node); with HF_HUB_OFFLINE=1 the compute nodes then load from the cache.
    """
    from interp.model.load import at_hand, find_model

    source = find_model(name)
    if source.local:
        raise ModelError(
            f"model {name!r} is already on this machine: {source.location}",
            allowed="Hub ids: org/name, org/name:file.gguf",
        )
    with options.interruptible("downloaded files are kept; give the same command again to continue"):
        if quiet:
            from huggingface_hub.utils import disable_progress_bars

            disable_progress_bars()
        here, commit = at_hand(name, revision)
    if quiet:
        print(here.location)
        return
    place = Path(here.location)
    size = sum(path.stat().st_size for path in (place, *place.rglob("*")) if path.is_file())
    print(f"{'file' if here.gguf else 'folder':<10}{place}\nrevision  {commit}\nsize      {size / 2**30:.2f} GiB")
