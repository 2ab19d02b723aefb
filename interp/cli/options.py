"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

NOT_SETTINGS = ("config", "overwrite", "dry_run", "quiet")
"""Options of `interp run` and `interp locate` that say what to do, not what a run is made of."""


def given(context: typer.Context) -> dict[str, Any]:
    """The settings of a run among a command's options, by name; None where one was not given."""
    return {name: value for name, value in context.params.items() if name not in NOT_SETTINGS}


Config = Annotated[Path | None, typer.Option(help="YAML file with settings; flags override it.")]
Model = Annotated[str | None, typer.Option(help="Hub id, checkpoint folder, or 'organism' (embedded).")]
Adapter = Annotated[
    str | None, typer.Option(help="LoRA adapter to merge into the model: a folder, or a Hub id (also id@revision).")
]
Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit of the model on the Hub.")]
Quantization = Annotated[str | None, typer.Option(help="4bit or 8bit, by bitsandbytes on a GPU.")]
NDevices = Annotated[int | None, typer.Option(help="Spread the model's blocks over this many GPUs.")]
Universal = Annotated[str | None, typer.Option(help="Dataset of universal facts (`interp data list`), or a file.")]
Cultural = Annotated[str | None, typer.Option(help="Dataset of cultural customs (`interp data list`), or a file.")]
Parallel = Annotated[str | None, typer.Option(help="Parallel sentences for the non-factual control.")]
DataDir = Annotated[
    str | None, typer.Option(help="Folder with published dataset files, such as blend/ and bmlama/; no network then.")
]
Cultures = Annotated[
    str | None, typer.Option(help="Culture to score a language for, where the dataset has several, such as es=MX.")
]
Template = Annotated[str | None, typer.Option(help="Chat template: auto (the model's own), none, or a Jinja file.")]
Shots = Annotated[int | None, typer.Option(help="Worked examples in front of every prompt. Default: 0.")]
Normalisation = Annotated[
    str | None,
    typer.Option(help="What choices go by: bytes (default), sum, mean, pmi, letter or sentence; see docs/method.md."),
]
Languages = Annotated[str | None, typer.Option(help="Languages to score, such as es,zh. Default: all.")]
Limit = Annotated[int | None, typer.Option(help="At most this many items per dataset (20 or more).")]
Methods = Annotated[
    str | None,
    typer.Option(
        help="Compared with base: en, loc (its three readings), surgical (both pairs; default: these three), the "
        "trained instruct, midalign, clo, midalign_keep (LOC kept), name=checkpoint, or all."
    ),
]
Training = Annotated[
    list[str] | None,
    typer.Option(help="Setting of the training, such as steps=100 or clo.mix=0.7 (repeat for more)."),
]
TrainingSeeds = Annotated[
    str | None, typer.Option(help="Seeds to train from, such as 0,1,2; rows are then means over them. Default: 0.")
]
TrainingData = Annotated[
    str | None, typer.Option(help="What to train on, as `interp align --data`. Default: the universal dataset.")
]
TrainedDir = Annotated[
    str | None, typer.Option(help="Where trained models are kept and found. Default: `trained` beside --out.")
]
Seed = Annotated[int | None, typer.Option(help="Seed of controls and intervals.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")]
Dtype = Annotated[str | None, typer.Option(help="auto, float32, bfloat16 or float16.")]
Memory = Annotated[
    str | None, typer.Option(help="For activations, such as 8GiB. Default: 1 GiB, or a quarter of a GPU.")
]
AttributionItems = Annotated[
    int | None,
    typer.Option(help="Test items per language that attribution looks at ; 0 leaves it out. Default: the design's."),
]
Generate = Annotated[
    bool | None,
    typer.Option("--generate", help="Also let the model answer cultural questions freely."),
]
PlanFile = Annotated[Path | None, typer.Option("--plan", help="A plan.json, or the run's folder that has one.")]
Vectors = Annotated[
    Path | None, typer.Option(help="Steering vectors in place of a plan: safetensors, or a GGUF control vector.")
]
Layer = Annotated[int | None, typer.Option(help="With --vectors: the block, from 0, after which they are added.")]
Operator = Annotated[
    str | None,
    typer.Option(help="With --vectors: add (default), add_keep_norm, project_out, set_projection or rotate."),
]
VectorPositions = Annotated[
    str | None,
    typer.Option(
        "--positions",
        help="With --vectors: text (default: all but the special tokens in front), last (the last prompt token and "
        "what follows) or all (BOS too).",
    ),
]
Positions = Annotated[
    str | None,
    typer.Option(
        help="Where vectors are added: last (default: the last prompt token and every later one), text (every token "
        "but the special ones in front, such as BOS) or all (BOS too)."
    ),
]
Strengths = Annotated[
    str | None,
    typer.Option(
        help="Strengths to try: multiples of the vector, such as 0.5,1,2, or shares of the layer's median residual "
        "norm, such as 0.1r,0.2r. Default: the design's."
    ),
]
Design = Annotated[
    str | None,
    typer.Option(
        help="How much is looked at: small, medium, large or exhaustive (--dry-run shows them). Default: the largest "
        "that ends within ten minutes here; for the embedded model always medium."
    ),
]
Budget = Annotated[
    str | None, typer.Option(help="Pick the largest design that ends within this time, such as 30m or 2h.")
]
Layers = Annotated[
    str | None, typer.Option(help="Layers to try, such as 2-12 or 0,4,8. Default: the design's. The last is left out.")
]
Draws = Annotated[int | None, typer.Option(help="Draws of each random control. Default: the design's, 20.")]
Goal = Annotated[
    str | None,
    typer.Option(
        help="What the pair of vectors is chosen for: balanced (harmonic mean of both gains), transfer, localization "
        "or pareto (the whole front goes into plan.json). Default: balanced."
    ),
]
MaxErasure = Annotated[
    float | None, typer.Option(help="With --goal transfer: localization that may be lost. Default: 0.01.")
]
MaxLoss = Annotated[
    float | None, typer.Option(help="With --goal localization: transfer that may be lost. Default: 0.01.")
]
MaxNewTokens = Annotated[int | None, typer.Option(help="Most tokens of a generated answer. Default: 16.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what it would take (items, plans, memory, disk, time), and stop.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a finished or partial run.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print the output folder and nothing else.")]

GOES_ON = "stopped: what is done is kept, and the same command goes on from there"
