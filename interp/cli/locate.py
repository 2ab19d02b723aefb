"""`interp locate`: the analysis half of the main job."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from interp.cli import options
from interp.cli.dry import say_plan

EXAMPLES = (
    "Examples:  interp locate  |  interp locate --languages es,ko --out runs/where  |  "
    "interp locate --model path/to/checkpoint --attribution-items 0"
)


def locate(
    context: typer.Context,
    config: options.Config = None,
    model: options.Model = None,
    adapter: options.Adapter = None,
    revision: options.Revision = None,
    quantization: options.Quantization = None,
    n_devices: options.NDevices = None,
    universal: options.Universal = None,
    cultural: options.Cultural = None,
    parallel: options.Parallel = None,
    data_dir: options.DataDir = None,
    languages: options.Languages = None,
    cultures: options.Cultures = None,
    limit: options.Limit = None,
    out: Annotated[
        str | None, typer.Option(help="Output folder. Default: runs/<model>-<universal>-<cultural>-locate.")
    ] = None,
    seed: options.Seed = None,
    template: options.Template = None,
    shots: options.Shots = None,
    normalisation: options.Normalisation = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    memory: options.Memory = None,
    attribution_items: options.AttributionItems = None,
    dry_run: options.DryRun = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Find the layers from which universal facts and cultures can be read, and whether they separate.

    Writes probes.csv, alignment.csv, directions.csv, onsets.csv, attribution.csv and layers.csv, and says in plain
    words what was found and how sure it is.
    """
    from dataclasses import replace

    from interp.study.config import RunConfig, read_config

    settings = read_config(config, options.given(context), RunConfig)
    if not settings.out:
        settings = replace(settings, out=f"{settings.folder}-locate")
    if dry_run:
        say_plan(settings, whole=False)
        return
    from interp.study.ask import resolve

    inputs = resolve(settings)
    try:
        from interp.progress import Bars
        from interp.study.run import run_locate

        result = run_locate(settings, Bars(quiet), inputs=inputs, overwrite=overwrite)
    except KeyboardInterrupt:
        print(options.GOES_ON, file=sys.stderr)
        raise typer.Exit(130) from None
    if quiet:
        print(result.folder)
    else:
        say(FOUND, result.findings)
        print(f"tables  {result.folder}")


FOUND = "Where directions separate (means over languages; 95% intervals)"


def say(heading: str, lines: Sequence[str]) -> None:
    """Print lines below a heading, one item each; nothing where there are none."""
    from rich.console import Console

    console = Console()
    for text in (f"\n{heading}", *(f"- {line}" for line in lines)) if lines else ():
        console.print(text, markup=False, highlight=False)
