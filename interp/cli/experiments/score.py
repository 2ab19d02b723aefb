"""`interp score`: existing plans, on any model and datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from interp.cli import options
from interp.cli.planes import layer_range, show_plane
from interp.cli.steering import AppliedVectors, SteeringOptions, read_steering
from interp.data import SPLITS
from interp.errors import ConfigError
from interp.settings import check_choice
from interp.study.config import RunConfig

if TYPE_CHECKING:
    from interp.study.rescoring import Rescored

EXAMPLES = (
    "Examples:  interp score --plan runs/mine/plan.json --methods surgical,en --out runs/again  |  "
    "interp score --plan runs/mine --universal bmlama --cultural blend --data-dir data --out runs/elsewhere  |  "
    "interp score --vectors mine.gguf --layer 3 --strength 1 --languages es --out runs/theirs"
)


SETTINGS = (
    "model", "adapter", "revision", "quantization", "n_devices", "universal", "cultural", "data_dir", "languages",
    "cultures", "limit", "out", "seed", "template", "shots", "normalisation", "device", "dtype", "memory",
)  # fmt: skip
"""Settings of a run that play a part in scoring plans."""
HELPS = {
    "model": "As in `interp run`. Default: the plan's, else organism.",
    "languages": "Languages to score. Default: those of the plan that the data has.",
    "template": "As in `interp run`. Default: the plan's.",
    "out": options.out_in("-score"),
}
STRENGTH = {
    "strength": "With --vectors: what they are multiplied by or, such as 0.1r, a share of the layer's median residual "
    "norm. Default: 1."
}


@options.grouped(
    steering=options.Group(SteeringOptions, helps=STRENGTH), given=options.Group(RunConfig, SETTINGS, HELPS)
)
def score(
    steering: SteeringOptions,
    given: options.Given,
    methods: Annotated[
        str | None, typer.Option(help="With --plan: methods of it, such as surgical,en. Default: all.")
    ] = None,
    split: Annotated[str, typer.Option(help="test (default), dev or fit.")] = "test",
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Score existing plans, or vectors, beside the unsteered model; nothing is fitted or chosen.

    The plans of a run, or vectors made elsewhere, on any model and datasets. Writes plane.csv, contrasts.csv (every
    method against base), scores/ and manifest.json.
    """
    scored = check_choice("split", split, SPLITS)
    if steering.plan is not None and steering.strength is not None:
        raise ConfigError("--strength makes no sense with --plan", remedy="leave it out: a plan has its own strengths")
    options.run_settings(None, given)  # before anything heavy is imported
    source = read_steering(steering, {"--methods": methods})
    if source is None:
        raise ConfigError("no plan or vectors are given", remedy="pass --plan, or --vectors with --layer")
    from interp.steering import template_choice
    from interp.study.rescoring import Candidates, rescore

    if isinstance(source, AppliedVectors):
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
        show_plane(result.plane, split, {name: _layers(name, result) for name in result.layers})
        print(f"tables  {result.folder}")


def _layers(method: str, result: Rescored) -> str:
    """The range over languages of each steer's layer, in the order of the steers."""
    counts = {len(layers) for layers in result.layers[method]}
    if len(counts) > 1:
        return layer_range([layer for layers in result.layers[method] for layer in layers])
    return ", ".join(layer_range(steers) for steers in zip(*result.layers[method], strict=True))
