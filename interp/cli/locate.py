"""`interp locate`: the analysis half of the main job."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = (
    "Examples:  interp locate  |  interp locate --languages es,ko --out runs/where  |  "
    "interp locate --model path/to/checkpoint --attribution-items 0"
)


def locate(
    config: Annotated[Path | None, typer.Option(help="YAML file with settings; flags override it.")] = None,
    model: Annotated[str | None, typer.Option(help="Hub id, checkpoint folder, or 'organism' (embedded).")] = None,
    universal: Annotated[str | None, typer.Option(help="Dataset of universal facts.")] = None,
    cultural: Annotated[str | None, typer.Option(help="Dataset of cultural customs.")] = None,
    languages: Annotated[str | None, typer.Option(help="Languages, such as es,zh. Default: all.")] = None,
    limit: Annotated[int | None, typer.Option(help="At most this many items per dataset (20 or more).")] = None,
    out: Annotated[
        str | None, typer.Option(help="Output folder. Default: runs/<model>-<universal>-<cultural>-locate.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of controls and intervals.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    dtype: Annotated[str | None, typer.Option(help="auto, float32, bfloat16 or float16.")] = None,
    memory: Annotated[
        str | None, typer.Option(help="For activations, such as 8GiB. Default: 1 GiB, a quarter of a GPU.")
    ] = None,
    attribution_items: Annotated[
        int | None, typer.Option(help="Test items per language that attribution looks at; 0 leaves it out.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the output folder and nothing else.")] = False,
) -> None:
    """Find the layers from which universal facts and cultures can be read, and whether they separate.

    Writes probes.csv, alignment.csv, directions.csv, onsets.csv, attribution.csv and layers.csv, and says in plain
    words what was found and how sure it is.
    """
    from dataclasses import replace

    from interp.study.config import read_config

    settings = read_config(
        config,
        {
            "model": model, "universal": universal, "cultural": cultural, "languages": languages, "limit": limit,
            "out": out, "seed": seed, "device": device, "dtype": dtype, "memory": memory,
            "attribution_items": attribution_items,
        },
    )  # fmt: skip
    if not settings.out:
        settings = replace(settings, out=f"{settings.folder}-locate")
    from interp.study.resolve import resolve

    resolve(settings)
    try:
        from interp.cli.progress import Bars
        from interp.study.experiment import run_locate

        result = run_locate(settings, Bars(quiet))
    except KeyboardInterrupt:
        print("stopped: nothing was written", file=sys.stderr)
        raise typer.Exit(130) from None
    if quiet:
        print(result.folder)
    else:
        say(result.findings)
        print(f"tables  {result.folder}")


def say(findings: Sequence[str]) -> None:
    """Print findings, one item each."""
    from rich.console import Console

    console = Console()
    console.print("\nWhere directions separate (macro over languages; 95% intervals)")
    for finding in findings:
        console.print(f"- {finding}", markup=False, highlight=False)
