"""`interp align`: train an alignment method."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from interp.cli import options
from interp.errors import ConfigError

EXAMPLES = (
    "Examples:  interp align midalign --out aligned/midalign  |  "
    "interp align clo --model path/to/checkpoint --data global_mmlu --languages es,ko --out aligned/clo  |  "
    "interp align instruct --data my.jsonl --steps 500 --lr 1e-4 --out aligned/mine"
)


def align(
    method: Annotated[str, typer.Argument(help="instruct, midalign or clo.")],
    out: Annotated[Path, typer.Option(help="Folder for adapter, merged checkpoint, loss curve and manifest.")],
    model: options.Model = None,
    revision: options.Revision = None,
    data: Annotated[
        str, typer.Option(help="Datasets, such as atlas, global_mmlu, ntrex or flores, or .jsonl files; a,b joins two.")
    ] = "atlas",
    languages: Annotated[
        str | None, typer.Option(help="Languages beside English, such as es,zh. Default: all.")
    ] = None,
    data_dir: options.DataDir = None,
    with_cultural: Annotated[
        bool, typer.Option("--with-cultural", help="Train on cultural fit items and their local answers too.")
    ] = False,
    cultural: Annotated[str, typer.Option(help="Dataset of --with-cultural.")] = "atlas",
    seed: Annotated[int | None, typer.Option(help="Seed of weights, batches and dropout. Default: 0.")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps. Default: 200.")] = None,
    batch: Annotated[
        int | None,
        typer.Option(help="Texts (midalign: pairs; clo: preferences both ways) at a time. Default: 32; clo 8."),
    ] = None,
    accumulation: Annotated[int | None, typer.Option(help="Batches per optimiser step. Default: 4.")] = None,
    lr: Annotated[float | None, typer.Option(help="Highest learning rate. Default: 5e-4.")] = None,
    schedule: Annotated[
        str | None, typer.Option(help="inverse_sqrt (default), linear or constant, after the warm-up.")
    ] = None,
    warmup: Annotated[float | None, typer.Option(help="Share of the steps. Default: 0.03.")] = None,
    clip: Annotated[float | None, typer.Option(help="Largest gradient norm. Default: 1.")] = None,
    rank: Annotated[int | None, typer.Option(help="LoRA's rank. Default: 8.")] = None,
    alpha: Annotated[int | None, typer.Option(help="LoRA's alpha. Default: 16.")] = None,
    dropout: Annotated[float | None, typer.Option(help="LoRA's dropout. Default: 0.1.")] = None,
    targets: Annotated[
        str | None, typer.Option(help="Of q,k,v,o,gate,up,down. Default: all that the model has; clo: q,k,v,o.")
    ] = None,
    layer: Annotated[
        int | None, typer.Option(help="midalign: the block after which texts are aligned. Default: L/2 - 1, from 0.")
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="midalign: of InfoNCE. Default: 0.1.")] = None,
    mix: Annotated[float | None, typer.Option(help="clo: weight of SFT, the rest is DPO's. Default: 0.5.")] = None,
    beta: Annotated[float | None, typer.Option(help="clo: DPO's beta. Default: 0.1.")] = None,
    keep_loc: Annotated[
        list[Path] | None,
        typer.Option(help="File of LOC vectors (repeat for more) whose projection a penalty keeps at --keep-layers."),
    ] = None,
    keep_weight: Annotated[float | None, typer.Option(help="Weight of that penalty. Default: 1.")] = None,
    keep_layers: Annotated[
        str | None, typer.Option(help="Blocks, such as 5,6. Default: the last third but for the last block.")
    ] = None,
    save_every: Annotated[int | None, typer.Option(help="Steps between checkpoints. Default: 50.")] = None,
    template: options.Template = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    quiet: options.Quiet = False,
) -> None:
    """Train a LoRA adapter that aligns languages, and merge it into a checkpoint that every command takes as --model.

    instruct: cross-entropy on responses in all languages. midalign: InfoNCE of middle-layer means against English, in
    turn with cross-entropy (Liu and Niehues 2025). clo: SFT and DPO on the language of the response (arXiv 2505.14297).
    Only the fit split enters, cultural items only with --with-cultural. After a stop, the same command goes on.
    """
    from interp.alignment import settings_for

    settings = settings_for(
        method, seed=seed, steps=steps, batch=batch, accumulation=accumulation, lr=lr, schedule=schedule,
        warmup=warmup, clip=clip, rank=rank, alpha=alpha, dropout=dropout, targets=_names(targets), layer=layer,
        temperature=temperature, mix=mix, beta=beta, keep_weight=keep_weight, keep_layers=_numbers(keep_layers),
        save_every=save_every,
    )  # fmt: skip
    from interp.alignment import load_training
    from interp.model.load import find_model

    find_model(model or "organism", dtype or "auto")
    found = load_training(
        _names(data) or (), _names(languages) or (), data_dir=Path(data_dir).expanduser() if data_dir else None,
        cultural=cultural if with_cultural else "",
    )  # fmt: skip
    try:
        from interp.alignment import align as run_align
        from interp.progress import Bars

        result = run_align(
            settings, out, model=model or "organism", data=found, keep_loc=keep_loc or (), template=template or "auto",
            device=device or "auto", dtype=dtype or "auto", revision=revision, progress=Bars(quiet),
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
