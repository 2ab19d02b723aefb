"""`interp matrix`: localization to every culture in every language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from figures import estimate
from interp.cli import options
from interp.cli.printing import wide_console
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
        str | None, typer.Option(help="Cultures to steer towards, such as GR,KR. Default: all that have a cue.")
    ] = None,
    config: options.ConfigFile = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Ask in every language and steer towards every culture, to tell steering of culture from steering of language.

    Localization to each culture is measured unsteered, with the culture's own LOC vector, with the mean vector of all
    cultures, with the mean vector of the others, with another culture's vector, and with an explicit cue; then with the
    cue and a vector: the culture's own, and that of the language's culture. Layers and strengths are chosen on dev;
    results are from test.
    """
    settings = options.run_settings(config, given, "-matrix")
    from interp.matrix import Cultures
    from interp.study.ask import resolve

    inputs = resolve(settings, locating=False)
    cultures = options.names(steered)
    Cultures.of(inputs.cultural, inputs.languages, cultures)
    with options.interruptible(options.GOES_ON):
        from interp.matrix import run_matrix
        from interp.progress import Bars

        result = run_matrix(settings, Bars(quiet), cultures, inputs=inputs, overwrite=overwrite)
    if quiet:
        print(result.folder)
    else:
        summarise(result.summary)
        print(f"\ntables  {result.folder}\npicture {result.folder / 'figures' / 'matrix.png'}")


def summarise(summary: pd.DataFrame) -> None:
    """Print every condition's mean over all cells, over own and over other cultures, with its change."""
    from rich.table import Table

    table = Table(
        title="Localization to a culture, test split, mean over (language, culture) cells [95% interval]",
        caption="change: from base; that of cue_own and cue_home from the cue",
    )
    table.add_column("condition")
    rows = {
        (row["over"], row["condition"], row["against"]): row
        for row in summary[summary["over"] != "cell"].to_dict("records")
    }
    n_cells = {over: int(row["n_cells"]) for (over, _, _), row in rows.items()}
    names = {"all": "all", "diagonal": "own culture", "off_diagonal": "other cultures"}
    for over, n in n_cells.items():
        table.add_column(f"{names[over]} ({n})", justify="right")
        table.add_column("change", justify="right")
    for condition in dict.fromkeys(condition for _, condition, _ in rows):
        cells = []
        for over in n_cells:
            level = rows.get((over, condition, ""))
            change = rows.get((over, condition, "base")) or rows.get((over, condition, "cue"))
            cells.append(estimate(level["estimate"]) if level else "")
            cells.append(estimate(change["estimate"], change["lo"], change["hi"], signed=True) if change else "")
        table.add_row(condition, *cells)
    wide_console().print(table)
