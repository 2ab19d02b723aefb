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
        typer.Option(help="Instead of ablations, repeat the search over random vectors this many times."),
    ] = None,
    folder: options.RunsFolder = None,
    quiet: options.Quiet = False,
) -> None:
    """Measure on test what each part of a finished run's surgical plan contributes.

    The command adds ablations.csv and regret.csv (with --noise: noise.csv) and a figure to the run's folder, and
    rewrites its report.
    """
    if noise is not None and noise < 1:
        raise ConfigError(f"noise {noise} is not allowed", allowed="whole numbers from 1")
    from interp.studies import finished_folder

    place = finished_folder(folder or Path("runs"), run)
    with options.interruptible("the run is unchanged; give the same command again to continue"):
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
    print("Differences from the unsteered model on test, mean over languages [95% interval]")
    for line in lines:
        print(f"- {line}")
    print(f"tables  {place}")
