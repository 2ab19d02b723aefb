"""`interp score`: existing plans, or the unsteered model alone, on any model and datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from interp.cli import options
from interp.cli.planes import layer_range, show_plane
from interp.cli.printing import wide_console
from interp.cli.steering import AppliedVectors, SteeringOptions, read_steering
from interp.data import SPLITS
from interp.errors import ConfigError
from interp.settings import check_choice
from interp.study.config import RunConfig

if TYPE_CHECKING:
    import pandas as pd

    from interp.study.rescoring import Rescored

EXAMPLES = (
    "Examples:  interp score --plan runs/mine/plan.json --methods surgical,en --out runs/again  |  "
    "interp score --plan runs/mine --universal bmlama --cultural blend --data-dir data --out runs/elsewhere  |  "
    "interp score --vectors mine.gguf --layer 3 --strength 1 --languages es --out runs/theirs  |  "
    "interp score --model my.gguf --languages es,ko --shots 4 --split dev"
)


SETTINGS = (
    "model", "adapter", "revision", "quantization", "n_devices", "universal", "cultural", "data_dir", "languages",
    "cultures", "limit", "out", "seed", "template", "shots", "normalisation", "device", "dtype", "memory",
)  # fmt: skip
"""Settings of a run that play a part in scoring plans."""
HELPS = {
    "model": "As in `interp run`. Default: the plan's, else organism.",
    "languages": "Languages to score. Default: the plan's languages that the datasets have.",
    "template": "As in `interp run`. Default: the plan's.",
    "out": options.out_in("-score"),
}
COLUMNS = (
    "transfer_english", "transfer", "headroom_transfer", "localization", "explicit_localization",
    "headroom_localization",
)  # fmt: skip
"""Of headroom.csv, on the console."""

STRENGTH = {
    "strength": "With --vectors: multiplies the vector, or sets its norm to a share of the layer's median residual "
    "norm, such as 0.1r. Default: 1."
}


@options.grouped(
    steering=options.Group(SteeringOptions, helps=STRENGTH), given=options.Group(RunConfig, SETTINGS, HELPS)
)
def score(
    steering: SteeringOptions,
    given: options.Given,
    methods: Annotated[
        str | None, typer.Option(help="With --plan: the methods to score, such as surgical,en. Default: all.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split to score: test (default), dev or fit.")] = "test",
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Score existing plans or vectors and compare them with the unsteered model. Nothing is fitted or chosen.

    The plans of a run, or vectors from another tool, can be scored with any model and datasets. The command writes
    plane.csv, contrasts.csv (every method against base), scores/ and manifest.json. Without a plan or vectors it scores
    the unsteered model alone, and headroom.csv shows how much steering could gain under each normalisation.
    """
    scored = check_choice("split", split, SPLITS)
    if steering.plan is not None and steering.strength is not None:
        raise ConfigError(
            "--strength makes no sense with --plan", remedy="leave --strength out: a plan has its own strengths"
        )
    options.run_settings(None, given)  # before anything heavy is imported
    source = read_steering(steering, {"--methods": methods})
    from interp.steering import template_choice
    from interp.study.rescoring import Candidates, rescore

    if source is None:
        candidates = Candidates()
    elif isinstance(source, AppliedVectors):
        candidates = Candidates.of_vectors(
            source.vectors, source.layer, source.strength, source.operator, source.positions
        )
    else:
        candidates = Candidates.of_plans(source, options.names(methods))
        template = given["template"] or template_choice(source)
        given = {**given, "model": given["model"] or source.model.name, "template": template}
    settings = options.run_settings(None, given, "-score")
    with options.interruptible(options.GOES_ON):
        from interp.progress import Bars

        result = rescore(settings, candidates, Bars(quiet), split=scored, overwrite=overwrite)
    if quiet:
        print(result.folder)
    else:
        if result.headroom is not None:
            _show_headroom(result.headroom)
        show_plane(result.plane, split, {name: _layers(name, result) for name in result.layers})
        print(f"tables  {result.folder}")


def _show_headroom(headroom: pd.DataFrame) -> None:
    """Print the headroom: sentences for the chosen normalisation, and a table with all of them."""
    from rich.table import Table

    from figures import number
    from interp.names import MACRO
    from interp.study.search import headroom_lines

    for line in headroom_lines(headroom[headroom["normalisation"] == headroom["normalisation"].iloc[0]]):
        print(line)
    table = Table("normalisation", *COLUMNS, title="Headroom, mean over languages [95% interval]")
    for row in headroom[headroom["language"] == MACRO].to_dict("records"):
        signed = (column.startswith("headroom") for column in COLUMNS)
        numbers = (number(row, column, signed=sign) for column, sign in zip(COLUMNS, signed, strict=True))
        table.add_row(row["normalisation"], *numbers)
    wide_console().print(table)


def _layers(method: str, result: Rescored) -> str:
    """The range over languages of each steer's layer, in the order of the steers."""
    counts = {len(layers) for layers in result.layers[method]}
    if len(counts) > 1:
        return layer_range([layer for layers in result.layers[method] for layer in layers])
    return ", ".join(layer_range(steers) for steers in zip(*result.layers[method], strict=True))
