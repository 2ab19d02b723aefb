"""`interp align`: train an alignment method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from interp.alignment import Settings
from interp.cli import options
from interp.settings import read_values, setting
from interp.study.config import RunConfig

EXAMPLES = (
    "Examples:  interp align midalign --out aligned/midalign  |  "
    "interp align clo --model path/to/checkpoint --data global_mmlu --languages es,ko --out aligned/clo  |  "
    "interp align instruct --data my.jsonl --steps 500 --lr 1e-4 --out aligned/mine"
)


@dataclass(frozen=True)
class DataOptions:
    """What is trained on, as it is given on the command line."""

    data: str = setting(
        "atlas",
        "Datasets such as atlas, global_mmlu, ntrex or flores, or .jsonl files; a,b joins two. Default: atlas.",
    )
    languages: str = setting("", "Languages besides English, such as es,zh. Default: all.")
    data_dir: Path | None = setting(
        None, "Folder with published dataset files, such as blend/ and bmlama/, read instead of downloading."
    )
    with_cultural: bool = setting(False, "Also train on the cultural items of the fit split, with their local answers.")
    cultural: str = setting("atlas", "Dataset of --with-cultural. Default: atlas.")


MODEL = ("model", "revision", "template", "device", "dtype")


@options.grouped(model=options.Group(RunConfig, MODEL), data=options.Group(DataOptions), given=options.Group(Settings))
def align(
    method: Annotated[str, typer.Argument(help="instruct, midalign or clo.")],
    out: Annotated[
        Path, typer.Option(help="Output folder for the adapter, merged checkpoint, loss curve and manifest.")
    ],
    model: options.Given,
    data: DataOptions,
    given: options.Given,
    keep_loc: Annotated[
        list[Path] | None,
        typer.Option(
            help="File of LOC vectors whose projections a penalty preserves at --keep-layers. Repeat for several."
        ),
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Train a LoRA adapter that aligns languages, and merge it into a checkpoint that other commands take as --model.

    instruct: cross-entropy on responses in all languages. midalign: InfoNCE between middle-layer means of a language
    and of English, alternating with cross-entropy (Liu and Niehues 2025). clo: SFT and DPO on the language of the
    response (arXiv 2505.14297). Only the fit split is used, and cultural items only with --with-cultural. If training
    is stopped, the same command continues it.
    """
    from interp.alignment import Base, load_training, settings_for
    from interp.model.load import find_model

    settings = settings_for(method, **read_values(None, given, Settings))
    chosen: dict[str, Any] = {"model": "organism", "template": "auto", "device": "auto", "dtype": "auto"}
    chosen |= {name: value for name, value in model.items() if value is not None}
    base = Base(chosen["model"], chosen["device"], chosen["dtype"], chosen.get("revision"))
    find_model(base.name, base.dtype)
    training = load_training(
        options.names(data.data), options.names(data.languages),
        data_dir=data.data_dir.expanduser() if data.data_dir else None,
        cultural=data.cultural if data.with_cultural else "",
    )  # fmt: skip
    with options.interruptible("give the same command again to continue"):
        from interp.alignment import align as run_align
        from interp.progress import Bars

        result = run_align(
            settings, out, model=base, data=training, keep_loc=keep_loc or (), template=chosen["template"],
            progress=Bars(quiet),
        )  # fmt: skip
    if quiet:
        print(result.folder)
    else:
        _print_losses(result.manifest)
        print(f"adapter  {result.adapter}\nmerged   {result.merged}")


def _print_losses(manifest: Mapping[str, Any]) -> None:
    """What the losses did, and the response loss on dev by language."""
    print(f"{manifest['lora']['weights']} weights, {manifest['settings']['steps']} steps, {manifest['seconds']:.0f} s")
    for name, ends in manifest["loss"].items():
        print(f"{name:<14} {ends['first']:.3f} -> {ends['last']:.3f}")
    watched = manifest["dev_cross_entropy"]
    if watched["before"]:
        losses = (f"{code} {was:.2f} -> {watched['after'][code]:.2f}" for code, was in watched["before"].items())
        print(f"dev, per token  {', '.join(losses)}")
