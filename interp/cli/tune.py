"""`interp tune`: Surgical Steering configured by rule, and tested by ablation."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from interp.cli import options

EXAMPLES = (
    "Examples:  interp tune --out runs/tuned  |  interp tune --goal transfer --max-erasure 0.01 --out runs/facts  |  "
    "interp tune --goal pareto --languages es,ko --out runs/front  |  interp tune --vectors mine=file.gguf --out runs/m"
)


def tune(
    context: typer.Context,
    config: options.Config = None,
    goal: Annotated[
        str | None,
        typer.Option(
            help="balanced (harmonic mean of both gains), transfer, localization or pareto. Default: balanced."
        ),
    ] = None,
    max_erasure: Annotated[
        float | None, typer.Option(help="With --goal transfer: localization that may be lost. Default: 0.01.")
    ] = None,
    max_loss: Annotated[
        float | None, typer.Option(help="With --goal localization: transfer that may be lost. Default: 0.01.")
    ] = None,
    candidates: Annotated[
        int | None, typer.Option(help="Settings of one vector tried first, per language. Default: 320.")
    ] = None,
    fitters: Annotated[str | None, typer.Option(help="Of mean, pca, lda, probe. Default: all.")] = None,
    operators: Annotated[
        str | None, typer.Option(help="Of add, add_keep_norm, rotate, project_out. Default: the first three.")
    ] = None,
    searched_positions: Annotated[str | None, typer.Option(help="Of text, last, all. Default: the first two.")] = None,
    windows: Annotated[str | None, typer.Option(help="Layers that a vector is spread over. Default: 1,3.")] = None,
    vectors: Annotated[
        list[str] | None,
        typer.Option(help="Vectors made elsewhere, name=file (safetensors, GGUF): a fitter more; repeat for more."),
    ] = None,
    model: options.Model = None,
    adapter: options.Adapter = None,
    revision: options.Revision = None,
    quantization: options.Quantization = None,
    n_devices: options.NDevices = None,
    universal: options.Universal = None,
    cultural: options.Cultural = None,
    data_dir: options.DataDir = None,
    languages: options.Languages = None,
    cultures: options.Cultures = None,
    limit: options.Limit = None,
    noise: Annotated[
        int | None,
        typer.Option(help="In place of a search: this many searches over random vectors, to see what is found then."),
    ] = None,
    out: Annotated[
        str | None, typer.Option(help="Output folder. Default: runs/<model>-<universal>-<cultural>-tuned.")
    ] = None,
    seed: options.Seed = None,
    template: options.Template = None,
    shots: options.Shots = None,
    normalisation: options.Normalisation = None,
    strengths: options.Strengths = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    memory: options.Memory = None,
    quiet: options.Quiet = False,
) -> None:
    """Find each language's plan on dev by a rule, and tell on test what the choice and each of its parts are worth.

    Writes plan.json (for `interp generate` and `interp score`), candidates.parquet, regret.csv, ablations.csv and
    layers_chosen.csv. Test plays no part in the choice; only the row `oracle` is chosen there.
    """
    from dataclasses import replace

    from interp.study.config import read_config
    from interp.study.tuning_config import TuneConfig

    settings = read_config(config, options.given(context), TuneConfig)
    if not settings.out:
        settings = replace(settings, out=f"{settings.folder}-{'noise' if settings.noise else 'tuned'}")
    from interp.study.resolve import resolve

    inputs = resolve(settings, locating=False)
    try:
        from interp.cli.progress import Bars

        if settings.noise:
            from interp.study.noise import run_noise

            found = run_noise(settings, Bars(quiet), inputs=inputs)
            told, folder = found.lines, found.folder
        else:
            from interp.study.tuning import lines, run_tune

            result = run_tune(settings, Bars(quiet), inputs=inputs)
            told, folder = list(lines(result)), result.folder
    except KeyboardInterrupt:
        print("stopped: nothing was written", file=sys.stderr)
        raise typer.Exit(130) from None
    if quiet:
        print(folder)
        return
    print(f"\nGoal: {settings.rule.told}. Differences from the unsteered model, test, mean over languages [95%]")
    for line in told:
        print(f"- {line}")
    print(f"tables  {folder}")
