"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path | None, typer.Option(help="YAML file with settings; flags override it.")]
Model = Annotated[str | None, typer.Option(help="Hub id, checkpoint folder, or 'organism' (embedded).")]
Universal = Annotated[str | None, typer.Option(help="Dataset of universal facts.")]
Cultural = Annotated[str | None, typer.Option(help="Dataset of cultural customs.")]
Languages = Annotated[str | None, typer.Option(help="Languages to score, such as es,zh. Default: all.")]
Limit = Annotated[int | None, typer.Option(help="At most this many items per dataset (20 or more).")]
Seed = Annotated[int | None, typer.Option(help="Seed of controls and intervals.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")]
Dtype = Annotated[str | None, typer.Option(help="auto, float32, bfloat16 or float16.")]
Memory = Annotated[
    str | None, typer.Option(help="For activations, such as 8GiB. Default: 1 GiB, or a quarter of a GPU.")
]
AttributionItems = Annotated[
    int | None, typer.Option(help="Test items per language that attribution looks at (default 32); 0 leaves it out.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print the output folder and nothing else.")]
