"""`interp organism`: the embedded model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.cli import options
from interp.cli.groups import group
from interp.errors import ConfigError, OutputError

app = group("The embedded model: train it again from a seed.")


@app.callback()
def organism() -> None:
    """The embedded model: train it again from a seed."""


@app.command(
    epilog="Examples:  interp organism train --out my-organism  |  interp organism train --seed 1 --out second"
)
def train(
    out: Annotated[Path, typer.Option(help="Folder for the checkpoint. It must not exist yet.")] = Path("organism"),
    seed: Annotated[
        int, typer.Option(help="Random seed of the initial weights, the corpus order and the batches.")
    ] = 0,
    steps: Annotated[
        int | None, typer.Option(help="Optimiser steps of 256 sentences each. Default: as for the embedded model.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the folder.")] = False,
) -> None:
    """Train the embedded model from a seed, and write its checkpoint, exposure table and training report."""
    if steps is not None and steps < 1:
        raise ConfigError(f"steps {steps} is not allowed", allowed="whole numbers from 1")
    if seed < 0:
        raise ConfigError(f"seed {seed} is not allowed", allowed="whole numbers from 0")
    if out.exists():
        raise OutputError(f"{out} exists", allowed="a folder that does not exist yet", remedy="pass another --out")
    from interp.organism import Recipe
    from interp.organism import train as train_organism

    recipe = Recipe(seed=seed) if steps is None else Recipe(seed=seed, steps=steps)
    with options.interruptible("nothing was written"):
        report = train_organism(recipe, out, progress=not quiet)
    if not quiet:
        print(f"{report['sentences']} sentences in {report['seconds']} s, final loss {report['loss'][-1]['loss']}")  # type: ignore[index]
    print(out)
