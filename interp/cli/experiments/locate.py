"""`interp locate`: the analysis half of the main job."""

from __future__ import annotations

from interp.cli import options
from interp.cli.experiments._dry import print_plan
from interp.cli.printing import say
from interp.study.config import RunConfig

EXAMPLES = (
    "Examples:  interp locate  |  interp locate --languages es,ko --out runs/where  |  "
    "interp locate --model path/to/checkpoint --attribution-items 0"
)


LOCATING = (
    "model", "adapter", "revision", "quantization", "n_devices", "universal", "cultural", "parallel", "data_dir",
    "languages", "cultures", "limit", "out", "seed", "template", "shots", "normalisation", "device", "dtype", "memory",
    "attribution_items",
)  # fmt: skip
"""Settings that play a part in locating."""
FINDINGS = "Where directions separate (means over languages; 95% intervals)"


@options.grouped(given=options.Group(RunConfig, LOCATING, {"out": options.out_in("-locate")}))
def locate(
    given: options.Given,
    config: options.ConfigFile = None,
    dry_run: options.DryRun = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Find the layers from which universal facts and cultures can be read, and whether they separate.

    The command writes probes.csv, alignment.csv, directions.csv, onsets.csv, attribution.csv, lens.csv and layers.csv,
    and summarises the results, with their uncertainty, in sentences.
    """
    settings = options.run_settings(config, given, "-locate")
    if dry_run:
        print_plan(settings, whole=False)
        return
    from interp.study.ask import resolve

    inputs = resolve(settings)
    with options.interruptible(options.GOES_ON):
        from interp.progress import Bars
        from interp.study.run import run_locate

        result = run_locate(settings, Bars(quiet), inputs=inputs, overwrite=overwrite)
    if quiet:
        print(result.folder)
    else:
        say(FINDINGS, result.findings)
        print(f"tables  {result.folder}")
