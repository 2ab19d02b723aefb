"""`interp matrix`: localization to every culture in every language."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from figures import estimate
from interp.cli import options
from interp.settings import read_settings
from interp.study.config import RunConfig

if TYPE_CHECKING:
    import pandas as pd

EXAMPLES = (
    "Examples:  interp matrix  |  interp matrix --languages el,ko --steered GR,KR --out runs/two  |  "
    "interp matrix --model path/to/checkpoint --cultural blend"
)


SETTINGS = (
    "model", "adapter", "revision", "quantization", "n_devices", "universal", "cultural", "data_dir", "languages",
    "cultures", "limit", "out", "seed", "template", "shots", "normalisation", "positions", "strengths", "device",
    "dtype", "memory",
)  # fmt: skip
"""Settings of a run that play a part in a matrix."""


@options.grouped(given=options.Group(RunConfig, SETTINGS, {"out": options.out_in("-matrix")}))
def matrix(
    given: options.Given,
    steered: Annotated[
        str | None, typer.Option(help="Cultures to steer to, such as GR,KR. Default: all that have a cue.")
    ] = None,
    config: options.ConfigFile = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Ask in every language and steer to every culture: is it the culture that is steered, or the language?

    Localization to each culture: unsteered, with its own LOC vector, with the mean over cultures, with the mean of the
    others, with another culture's vector, and behind an explicit cue. Layers and strengths are chosen on dev, all is
    reported on test.
    """
    settings = read_settings(config, given, RunConfig)
    if not settings.out:
        settings = replace(settings, out=f"{settings.folder}-matrix")
    from interp.matrix import Cultures
    from interp.study.ask import resolve

    inputs = resolve(settings, locating=False)
    asked = tuple(part.strip() for part in steered.split(",")) if steered else ()
    Cultures.of(inputs.cultural, inputs.languages, asked)
    try:
        from interp.matrix import run_matrix
        from interp.progress import Bars

        result = run_matrix(settings, Bars(quiet), asked, inputs=inputs, overwrite=overwrite)
    except KeyboardInterrupt:
        print(options.GOES_ON, file=sys.stderr)
        raise typer.Exit(130) from None
    if quiet:
        print(result.folder)
    else:
        summarise(result.summary)
        print(f"\ntables  {result.folder}\npicture {result.folder / 'figures' / 'matrix.png'}")


def summarise(summary: pd.DataFrame) -> None:
    """Print every condition's mean over all cells, over own and over other cultures, with its change from base."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Localization to a culture, test split, mean over (language, culture) cells [95% interval]")
    table.add_column("condition")
    found = {
        (row["over"], row["condition"], row["against"]): row
        for row in summary[summary["over"] != "cell"].to_dict("records")
    }
    over = {name: int(row["n_cells"]) for (name, _, _), row in found.items()}
    names = {"all": "all", "diagonal": "own culture", "off_diagonal": "other cultures"}
    for name, n in over.items():
        table.add_column(f"{names[name]} ({n})", justify="right")
        table.add_column("Δ base", justify="right")
    for condition in dict.fromkeys(one for _, one, _ in found):
        cells = []
        for name in over:
            change = found.get((name, condition, "base"))
            cells.append(estimate(found[name, condition, ""]["estimate"]))
            cells.append(
                "" if change is None else estimate(change["estimate"], change["lo"], change["hi"], signed=True)
            )
        table.add_row(condition, *cells)
    console = Console(width=max(Console().width, 150))
    console.print(table)
