"""`interp bench`: how fast plans are scored here."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from interp.cli import options
from interp.errors import OutputError
from interp.files import not_a_folder
from interp.model.load import resolve_device
from interp.model.read import parse_memory
from interp.settings import Checked
from interp.settings import setting as option

if TYPE_CHECKING:
    from interp.bench import Row
    from interp.steering import Positions

EXAMPLES = (
    "Examples:  interp bench  |  interp bench --setting organism --json rows.json  |  "
    "interp bench --setting gemma3-270m --positions last --plans 1000  |  "
    "interp bench --model path/to/model.gguf --languages ko,es"
)


@dataclass(frozen=True)
class BenchOptions(Checked):
    """What is timed, as it is given on the command line."""

    setting: tuple[str, ...] = option(
        (), "What to time: organism, or random weights in the shapes of a known model. Repeat for several.", repeat=True
    )
    model: str | None = option(
        None, "Model to time on Atlas questions, with its own weights; as in `interp run --model`."
    )
    languages: str = option("es", "With --model: languages of the questions, each timed separately. Default: es.")
    positions: Literal["text", "last", "all", "both"] = option(
        "both", "Where vectors are added: text, last, all, or both (text and last; default)."
    )
    plans: int | None = option(None, "Number of plans. Default: 4 for each of the setting's layers.", least=2)
    device: str = option("auto", "Device: auto (default), cpu or cuda.")
    memory: str | None = option(
        None, "Memory for activations, such as 8GiB. Default: 1 GiB on a CPU, a quarter of the memory of a GPU."
    )
    compile: bool = option(False, "Run norms and MLPs through torch.compile.")


@options.grouped(timed=options.Group(BenchOptions))
def bench(
    timed: BenchOptions,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the results to this JSON file.")] = None,
) -> None:
    """Time three ways to score plans on the same prompts: a plain TransformerLens loop, the reference and replay.

    Without --setting and --model, every setting that fits the device is timed (about twenty minutes on two cores).
    """
    folder = json_file.resolve().parent if json_file is not None else Path()
    if not folder.is_dir():
        raise OutputError(f"{folder} {not_a_folder(folder)}", remedy="make it, or pass another --json")
    parse_memory(timed.memory or "auto")
    from interp.bench import bench as run_bench
    from interp.bench import own_weights, settings

    chosen = settings(timed.setting, resolve_device(timed.device)) if timed.setting or not timed.model else []
    if timed.model:
        chosen = [*chosen, *own_weights(timed.model, options.names(timed.languages))]
    positions: tuple[Positions, ...] = ("text", "last") if timed.positions == "both" else (timed.positions,)
    rows: list[dict[str, Any]] = []
    try:
        print(_HEADER)
        for one in chosen:
            for row in run_bench(
                one, positions, device=timed.device, memory=timed.memory, plans=timed.plans, compiled=timed.compile
            ):
                print(_line(row), flush=True)
                rows.append(row.described())
                if json_file:
                    json_file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    except KeyboardInterrupt:
        print(f"stopped after {len(rows)} rows", file=sys.stderr)
        raise typer.Exit(130) from None
    if rows:
        print(_explained(rows[-1]["matmul_gflops"], rows[-1]["device"]))


_COLUMNS = (
    ("setting", 18), ("positions", 9), ("plain s", 9), ("reference s", 11), ("replay s", 9), ("ratio", 7),
    ("token ratio", 11), ("FLOP ratio", 10), ("FLOP share", 10), ("plans*items/s", 13), ("peak MB", 8),
    ("max diff", 9), ("read ratio", 10), ("generation ratio", 16),
)  # fmt: skip
_HEADER = "  ".join(f"{name:>{width}}" for name, width in _COLUMNS)


def _line(row: Row) -> str:
    values = (
        row.setting, row.positions, f"{row.plain_s:.1f}", f"{row.reference_s:.1f}", f"{row.replay_s:.2f}",
        f"{row.ratio:.1f}", f"{row.token_ceiling:.1f}", f"{row.flop_ceiling:.1f}", f"{row.flop_share:.0%}",
        f"{row.plan_items_per_s:.0f}", f"{row.peak_mb:.0f}", f"{row.max_abs_diff:.1e}", f"{row.read_ratio:.2f}",
        f"{row.generation_ratio:.1f}" + ("" if row.same_tokens else " (differs)"),
    )  # fmt: skip
    return "  ".join(f"{value:>{width}}" for value, (_, width) in zip(values, _COLUMNS, strict=True))


def _explained(gflops: float, device: str) -> str:
    return f"""
ratio: plain over replay. token ratio, FLOP ratio: the same by counting tokens through blocks and operations.
FLOP share: of this machine's own matrix products ({gflops:.0f} GFLOP/s on {device}), what the needed operations reach.
max diff: of any log-likelihood, against both others. read ratio: reading all layers over a forward that stops before
the unembedding. generation ratio: 64 steered tokens after 32 prompts, every sequence read anew for each token, over
keys and values kept. plain and reference are timed on two plans and scaled where a setting says so (timed_plans in
--json).
"""
