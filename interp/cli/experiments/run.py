"""`interp run`: the main job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interp.cli import options
from interp.cli.experiments._dry import print_plan
from interp.cli.experiments.locate import FINDINGS
from interp.cli.planes import layer_range, show_plane
from interp.cli.printing import say
from interp.study.config import RunConfig

if TYPE_CHECKING:
    from interp.study.folder import RunResult

EXAMPLES = (
    "Examples:  interp run  |  interp run --languages es,zh --limit 100 --out runs/small  |  "
    "interp run --methods all  |  interp run --model path/to/checkpoint --device cuda --dtype bfloat16  |  "
    "interp run --model path/to/model.gguf --design small  |  interp run --budget 30m --goal transfer  |  "
    "interp run --layers 2-6 --strengths 0.1r,0.2r,0.4r --draws 50 --out runs/own"
)


@options.grouped(given=options.Group(RunConfig))
def run(
    given: options.Given,
    config: options.ConfigFile = None,
    overwrite: options.Overwrite = False,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure EN-, LOC- and Surgical Steering on the transfer-localization plane, and find the layers where they work.

    Vectors are fitted on the fit split, layers and strengths are chosen on dev, and results are from test. Models
    trained for alignment (--methods) are scored too, alone and steered; each is trained once and then reused. If a run
    is stopped or killed, the same command continues it.
    """
    settings = options.run_settings(config, given)
    if dry_run:
        print_plan(settings, whole=True)
        return
    from interp.study.ask import resolve

    inputs = resolve(settings)
    with options.interruptible(options.GOES_ON):
        from interp.progress import Bars
        from interp.study.run import run as run_study

        result = run_study(settings, Bars(quiet), inputs=inputs, overwrite=overwrite)
    if result.again and not quiet:
        print(f"{result.folder} already holds the finished run: nothing was done (--overwrite replaces it)")
    if quiet:
        print(result.folder)
    else:
        for line in result.headroom:
            print(line)
        summarise(result)
        say("Verdicts: what the effects may be called (criteria in docs/method.md)", result.verdicts)
        say(FINDINGS, result.findings)
        print(f"\ntables  {result.folder}\nreport  {result.folder / 'report.html'}")
        print(f"picture {result.folder / 'figures' / 'plane.png'}")


def summarise(result: RunResult) -> None:
    """The macro rows of the plane, and the chosen layers."""
    layers = {method: _layers(method, result) for method in result.plane["method"].unique()}
    show_plane(result.plane, "test", layers)
    print("The rows random and shuffled are medians over their draws. plane.csv has all rows.")
    if result.generated is not None:
        from interp.study.score import said_line

        print(said_line(result.generated))
    for line in result.checks:
        print(line)


def _layers(method: str, result: RunResult) -> str:
    """Layers per vector, the languages' range."""
    layers: dict[str, list[int]] = {}
    for choice in result.chosen.get(method, {}).values():
        for vector, layer, _ in choice.steers:
            layers.setdefault(vector, []).append(layer)
    ranges = {vector: layer_range(chosen) for vector, chosen in layers.items()}
    return ", ".join(f"{vector} {text}" if len(ranges) > 1 else text for vector, text in ranges.items())
