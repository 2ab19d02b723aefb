"""`interp ablate`: what a finished run's choice is worth, part by part."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.cli import options
from interp.errors import ConfigError

EXAMPLES = (
    "Examples:  interp ablate organism-atlas-atlas  |  interp ablate runs/mine --quiet  |  "
    "interp ablate runs/mine --noise 100"
)


def ablate(
    run: options.RunName,
    noise: Annotated[
        int | None,
        typer.Option(help="In place of ablations: this many searches over random vectors, to see what is found then."),
    ] = None,
    folder: options.RunsFolder = None,
    quiet: options.Quiet = False,
) -> None:
    """Add ablations and regret to a finished run: what each part of its surgical plan is worth on test.

    Writes ablations.csv and regret.csv, or with --noise noise.csv, with a figure into the run's folder, and its report
    again.
    """
    if noise is not None and noise < 1:
        raise ConfigError(f"noise {noise} is not allowed", allowed="whole numbers from 1")
    from interp.studies import finished_folder

    place = finished_folder(folder or Path("runs"), run)
    with options.interruptible("the run is as it was, and the same command goes on from there"):
        from interp.progress import Bars

        if noise is not None:
            from interp.ablation import add_noise

            lines = add_noise(place, noise, Bars(quiet)).lines
        else:
            from interp.ablation import ablate as ablate_run

            lines = ablate_run(place, Bars(quiet)).lines
    if quiet:
        print(place)
        return
    print("Differences from the unsteered model, test, mean over languages [95%]")
    for line in lines:
        print(f"- {line}")
    print(f"tables  {place}")
