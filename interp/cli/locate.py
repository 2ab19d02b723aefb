"""`interp locate`: the analysis half of the main job."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

import typer

from interp.cli import options
from interp.cli.dry import say_plan
from interp.settings import read_settings
from interp.study.config import RunConfig

EXAMPLES = (
    "Examples:  interp locate  |  interp locate --languages es,ko --out runs/where  |  "
    "interp locate --model path/to/checkpoint --attribution-items 0"
)


LOCATING = (
    "model", "adapter", "revision", "quantization", "n_devices", "universal", "cultural", "parallel", "data_dir",
    "languages", "cultures", "limit", "out", "seed", "template", "shots", "normalisation", "device", "dtype", "memory",
    "attribution_items",
)  # fmt: skip
"""Settings that play a part in locating."""


@options.grouped(given=options.Group(RunConfig, LOCATING, {"out": options.out_in("-locate")}))
def locate(
    given: options.Given,
    config: options.ConfigFile = None,
    dry_run: options.DryRun = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Find the layers from which universal facts and cultures can be read, and whether they separate.

    Writes probes.csv, alignment.csv, directions.csv, onsets.csv, attribution.csv and layers.csv, and says in plain
    words what was found and how sure it is.
    """
    settings = read_settings(config, given, RunConfig)
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
