"""`interp run`: the main job."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from interp.cli import options
from interp.cli.dry import say_plan
from interp.cli.locate import say

if TYPE_CHECKING:
    from interp.study.experiment import RunResult

EXAMPLES = (
    "Examples:  interp run  |  interp run --languages es,zh --limit 100 --out runs/small  |  "
    "interp run --methods all  |  interp run --model path/to/checkpoint --device cuda --dtype bfloat16"
)


def run(
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
    methods: options.Methods = None,
    training: options.Training = None,
    training_seeds: options.TrainingSeeds = None,
    training_data: options.TrainingData = None,
    trained_dir: options.TrainedDir = None,
    out: Annotated[
        str | None, typer.Option(help="Output folder. Default: runs/<model>-<universal>-<cultural>.")
    ] = None,
    seed: options.Seed = None,
    template: options.Template = None,
    shots: options.Shots = None,
    normalisation: options.Normalisation = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    memory: options.Memory = None,
    batch_size: Annotated[int | None, typer.Option(help="Prompts per pass, in place of --memory.")] = None,
    engine: Annotated[
        str | None, typer.Option(help="replay, or reference: plan by plan, slow, to check it by.")
    ] = None,
    attribution_items: options.AttributionItems = None,
    generate: options.Generate = None,
    max_new_tokens: options.MaxNewTokens = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
) -> None:
    """Find where EN-, LOC- and Surgical Steering land on the transfer-localization plane, and at which layers.

    Vectors are fitted on the fit split, layers and strengths chosen on dev, everything reported on test. Trained
    alignment (--methods) is scored beside them, alone and steered; a model that was trained once is found again.
    """
    from interp.study.config import RunConfig, read_config

    settings = read_config(config, options.given(context), RunConfig)
    if dry_run:
        say_plan(settings, whole=True)
        return
    from interp.study.resolve import resolve

    inputs = resolve(settings)
    try:
        from interp.cli.progress import Bars
        from interp.study.experiment import run as run_study

        result = run_study(settings, Bars(quiet), inputs=inputs)
    except KeyboardInterrupt:
        kept = f"; training goes on from {settings.trained_folder}" if settings.trained_folder.is_dir() else ""
        print(f"stopped: no run was written{kept}", file=sys.stderr)
        raise typer.Exit(130) from None
    if quiet:
        print(result.folder)
    else:
        summarise(result)
        say(result.findings)
        print(f"\ntables  {result.folder}\npicture {result.folder / 'figures' / 'plane.png'}")


def summarise(result: RunResult) -> None:
    """The macro rows of the plane, and the chosen layers."""
    from rich.console import Console
    from rich.table import Table

    macro = result.plane[result.plane["language"] == "macro"]
    table = Table(title="Transfer-localization plane, test split, mean over languages [95% interval]")
    for column in (
        "method",
        "transfer",
        "localization",
        "with cue",
        "US bias",
        "Δ transfer",
        "Δ localization",
        "layers",
    ):
        table.add_column(column, justify="left" if column in ("method", "layers") else "right")
    from interp.study.methods import of_seed

    for row in macro.to_dict("records"):
        method = str(row["method"])
        if of_seed(method):
            continue
        shares = [_share(row[m]) for m in ("transfer", "localization", "explicit_localization", "us_bias")]
        changes = ["" if method == "base" else _change(row, f"d_{m}") for m in ("transfer", "localization")]
        table.add_row(method, *shares, *changes, _layers(method, result))
    console = Console(width=max(Console().width, 150))
    console.print(table)
    first = macro.iloc[0]
    console.print(
        f"{first['n_universal']} universal and {first['n_cultural']} cultural (item, language) pairs; "
        f"chance {first['chance']:.2f}. random and shuffled are medians of their draws; plane.csv has all rows."
    )
    if result.generated is not None:
        from interp.study.generating import said_line

        console.print(said_line(result.generated), highlight=False, markup=False)


def _share(value: float) -> str:
    return "" if value != value else f"{value:.3f}"


def _change(row: Mapping[Hashable, object], name: str) -> str:
    value, lo, hi = (float(str(row[f"{name}{suffix}"])) for suffix in ("", "_lo", "_hi"))
    return "" if value != value else f"{value:+.3f} [{lo:+.3f}, {hi:+.3f}]"


def _layers(method: str, result: RunResult) -> str:
    """Layers per vector, the languages' range."""
    found: dict[str, list[int]] = {}
    for choice in result.chosen.get(method, {}).values():
        for vector, layer, _ in choice.steers:
            found.setdefault(vector, []).append(layer)
    parts = []
    for vector, layers in found.items():
        span = str(min(layers)) if min(layers) == max(layers) else f"{min(layers)}-{max(layers)}"
        parts.append(f"{vector} {span}" if len(found) > 1 else span)
    return ", ".join(parts)
