"""`interp align`: train an alignment method."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from interp.alignment import Settings
from interp.cli import options
from interp.errors import ConfigError
from interp.settings import setting
from interp.study.config import RunConfig

EXAMPLES = (
    "Examples:  interp align midalign --out aligned/midalign  |  "
    "interp align clo --model path/to/checkpoint --data global_mmlu --languages es,ko --out aligned/clo  |  "
    "interp align instruct --data my.jsonl --steps 500 --lr 1e-4 --out aligned/mine"
)


@dataclass(frozen=True)
class Asked:
    """What is trained on, as it is given on the command line."""

    data: str | None = setting(
        None,
        "Datasets, such as atlas, global_mmlu, ntrex or flores, or .jsonl files; a,b joins two. Default: atlas.",
    )
    languages: str | None = setting(None, "Languages beside English, such as es,zh. Default: all.")
    data_dir: str | None = setting(
        None, "Folder with published dataset files, such as blend/ and bmlama/; no network then."
    )
    with_cultural: bool = setting(False, "Train on cultural fit items and their local answers too.")
    cultural: str | None = setting(None, "Dataset of --with-cultural. Default: atlas.")


MODEL = ("model", "revision", "template", "device", "dtype")


@options.grouped(model=options.Group(RunConfig, MODEL), training=options.Group(Asked), given=options.Group(Settings))
def align(
    method: Annotated[str, typer.Argument(help="instruct, midalign or clo.")],
    out: Annotated[Path, typer.Option(help="Folder for adapter, merged checkpoint, loss curve and manifest.")],
    model: options.Given,
    training: options.Given,
    given: options.Given,
    keep_loc: Annotated[
        list[Path] | None,
        typer.Option(help="File of LOC vectors (repeat for more) whose projection a penalty keeps at --keep-layers."),
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Train a LoRA adapter that aligns languages, and merge it into a checkpoint that every command takes as --model.

    instruct: cross-entropy on responses in all languages. midalign: InfoNCE of middle-layer means against English, in
    turn with cross-entropy (Liu and Niehues 2025). clo: SFT and DPO on the language of the response (arXiv 2505.14297).
    Only the fit split enters, cultural items only with --with-cultural. After a stop, the same command goes on.
    """
    from interp.alignment import settings_for

    listed = {"targets": _names(given["targets"]), "keep_layers": _numbers(given["keep_layers"])}
    settings = settings_for(method, **{**given, **listed})
    from interp.alignment import Base, load_training
    from interp.model.load import find_model

    chosen: dict[str, Any] = {"model": "organism", "template": "auto", "device": "auto", "dtype": "auto"}
    chosen |= {name: value for name, value in model.items() if value is not None}
    base = Base(chosen["model"], chosen["device"], chosen["dtype"], chosen.get("revision"))
    find_model(base.name, base.dtype)
    folder = training["data_dir"]
    found = load_training(
        _names(training["data"] or "atlas") or (), _names(training["languages"]) or (),
        data_dir=Path(folder).expanduser() if folder else None,
        cultural=(training["cultural"] or "atlas") if training["with_cultural"] else "",
    )  # fmt: skip
    try:
        from interp.alignment import align as run_align
        from interp.progress import Bars

        result = run_align(
            settings, out, model=base, data=found, keep_loc=keep_loc or (), template=chosen["template"],
            progress=Bars(quiet),
        )  # fmt: skip
    except KeyboardInterrupt as stop:
        print(f"{stop or 'stopped'}: the same command goes on from there", file=sys.stderr)
        raise typer.Exit(130) from None
    if quiet:
        print(result.folder)
    else:
        _say(result.manifest)
        print(f"adapter  {result.adapter}\nmerged   {result.merged}")


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def _numbers(text: str | None) -> tuple[int, ...] | None:
    parts = _names(text)
    try:
        return None if parts is None else tuple(int(part) for part in parts)
    except ValueError:
        raise ConfigError(f"keep_layers {text!r} are no layers", allowed="whole numbers, such as 5,6") from None


def _say(manifest: Mapping[str, Any]) -> None:
    """What the losses did, and the response loss on dev by language."""
    print(f"{manifest['lora']['weights']} weights, {manifest['settings']['steps']} steps, {manifest['seconds']:.0f} s")
    for name, ends in manifest["loss"].items():
        print(f"{name:<14} {ends['first']:.3f} -> {ends['last']:.3f}")
    watched = manifest["dev_cross_entropy"]
    if watched["before"]:
        found = (f"{code} {was:.2f} -> {watched['after'][code]:.2f}" for code, was in watched["before"].items())
        print(f"dev, per token  {', '.join(found)}")
