"""`interp score`: plans that are there already, on any model and datasets."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from interp.cli import options
from interp.cli.planes import layer_range, show_plane
from interp.errors import ConfigError

if TYPE_CHECKING:
    from interp.study.rescoring import Rescored

EXAMPLES = (
    "Examples:  interp score --plan runs/mine/plan.json --methods surgical,en --out runs/again  |  "
    "interp score --plan runs/mine --universal bmlama --cultural blend --data-dir data --out runs/elsewhere  |  "
    "interp score --vectors mine.gguf --layer 3 --strength 1 --languages es --out runs/theirs"
)


def score(
    plan: options.PlanFile = None,
    methods: Annotated[
        str | None, typer.Option(help="With --plan: methods of it, such as surgical,en. Default: all.")
    ] = None,
    vectors: options.Vectors = None,
    layer: options.Layer = None,
    strength: Annotated[
        str | None,
        typer.Option(
            help="With --vectors: what they are multiplied by or, such as 0.1r, a share of the layer's median "
            "residual norm. Default: 1."
        ),
    ] = None,
    operator: options.Operator = None,
    positions: options.VectorPositions = None,
    model: Annotated[str | None, typer.Option(help="As in `interp run`. Default: the plan's, else organism.")] = None,
    adapter: options.Adapter = None,
    revision: options.Revision = None,
    quantization: options.Quantization = None,
    n_devices: options.NDevices = None,
    universal: options.Universal = None,
    cultural: options.Cultural = None,
    data_dir: options.DataDir = None,
    languages: Annotated[
        str | None, typer.Option(help="Languages to score. Default: those of the plan that the data has.")
    ] = None,
    cultures: options.Cultures = None,
    limit: options.Limit = None,
    split: Annotated[str, typer.Option(help="test (default), dev or fit.")] = "test",
    out: Annotated[
        str | None, typer.Option(help="Output folder. Default: runs/<model>-<universal>-<cultural>-score.")
    ] = None,
    seed: options.Seed = None,
    template: Annotated[str | None, typer.Option(help="As in `interp run`. Default: the plan's.")] = None,
    shots: options.Shots = None,
    normalisation: options.Normalisation = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    memory: options.Memory = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Score plans that are there already beside the unsteered model; nothing is fitted and nothing is chosen.

    The plans of a run, or vectors made elsewhere, on any model and datasets. Writes plane.csv, contrasts.csv (every
    method against base), scores/ and manifest.json.
    """
    from interp.cli.steering import Bare, read_steering
    from interp.data import SPLITS
    from interp.study.config import RunConfig, read_config

    if split not in SPLITS:
        raise ConfigError(f"split {split!r} is unknown", allowed=", ".join(SPLITS))
    if plan is not None and strength is not None:
        raise ConfigError("--strength makes no sense with --plan", remedy="leave it out: a plan has its own strengths")
    given = {
        "model": model, "adapter": adapter, "revision": revision, "quantization": quantization, "n_devices": n_devices,
        "universal": universal, "cultural": cultural, "data_dir": data_dir, "languages": languages,
        "cultures": cultures, "limit": limit, "out": out, "seed": seed, "template": template, "shots": shots,
        "normalisation": normalisation, "device": device, "dtype": dtype, "memory": memory,
    }  # fmt: skip
    read_config(None, given, RunConfig)  # before anything heavy is imported
    found = read_steering(plan, vectors, layer, strength, operator, positions, {"--methods": methods})
    if found is None:
        raise ConfigError("there is nothing to score", remedy="pass --plan, or --vectors with --layer")
    from interp.steering import template_choice
    from interp.study.rescoring import Candidates, rescore

    if isinstance(found, Bare):
        candidates = Candidates.of_vectors(found.vectors, found.layer, found.strength, found.operator, found.positions)
    else:
        names = [name.strip() for name in methods.split(",")] if methods else []
        candidates = Candidates.of_plans(found, names)
        given |= {"model": model or found.model.name, "template": template or template_choice(found)}
    settings = read_config(None, given, RunConfig)
    if not settings.out:
        settings = read_config(None, given | {"out": f"{settings.folder}-score"}, RunConfig)
    try:
        from interp.progress import Bars

        result = rescore(settings, candidates, Bars(quiet), split=split, overwrite=overwrite)
    except KeyboardInterrupt:
        print(options.GOES_ON, file=sys.stderr)
        raise typer.Exit(130) from None
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
