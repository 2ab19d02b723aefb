"""The model card of exported plans: model, data, layers, strengths, and what a run measured, with intervals."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from huggingface_hub import ModelCardData

from figures import estimate, read_table
from interp.names import MACRO
from interp.steering import Plan, SavedPlans

TAGS = ("translocal", "steering-vectors", "interpretability", "multilingual")
COLUMNS = (("transfer", ""), ("localization", ""), ("d_transfer", "+"), ("d_localization", "+"))
LIMITS = (
    "The numbers hold for the options, languages and items they were measured on. A language is not a culture, and "
    "choices among options are not free answers. Check what the plan does to your own prompts before you use it."
)

POSITIONS = (
    "Positions: `text` is every token except padding and the special tokens in front of the prompt, such as BOS; "
    "`last` is the last prompt token and every later one; `all` is every token except padding. llama.cpp, "
    "lm-evaluation-harness and baked checkpoints only have `all`: `interp export` measures the difference when it "
    "writes a plan for them."
)


def model_card(saved: SavedPlans, methods: Sequence[str], language: str | None = None) -> str:
    """A README.md in Markdown, with the Hub's metadata.

    Numbers come from `plane.csv` and `manifest.json` beside the plans; without these files the card says that no
    measurements are available. Texts from files are put in code spans, without marks that could end them.
    """
    folder = saved.file.parent
    manifest = _manifest(folder)
    languages = sorted({code for m in methods for code in ([language] if language else saved.languages(m))})
    base = saved.model.name if saved.model.name.count("/") == 1 else None
    meta = ModelCardData(language=languages, tags=list(TAGS), base_model=base, library_name="translocal")
    title = f"Steering plans for {_code(saved.model.name)}"
    parts = [
        f"---\n{meta.to_yaml()}\n---\n",
        f"# {title}\n",
        f"Steering vectors for the residual stream of {_code(saved.model.name)} (fingerprint "
        f"{_code(saved.model.fingerprint)}, processing {_code(saved.model.processing)}), made with translocal.\n",
        "## What is steered\n",
        _steers(saved, methods, language),
        f"{POSITIONS}\n",
        "## Data\n",
        _data(manifest),
        "## Measured\n",
        _numbers(folder, methods, language, str(manifest.get("split", "test"))),
        "## Use\n",
        "    interp generate --plan FOLDER --language "
        f'{languages[0] if languages else "ko"} --method {methods[0]} "..."\n',
        f"{LIMITS}\n",
    ]
    return "\n".join(parts)


def checkpoint_card(name: str, plan: Plan, effect: str) -> str:
    """A README.md for a checkpoint with a plan in its biases. effect: what steering every token changes, in words."""
    base = name if name.count("/") == 1 else None
    meta = ModelCardData(tags=list(TAGS), base_model=base, library_name="transformers")
    rows = [(steer.layer, f"{steer.strength:g}", steer.operator, steer.positions) for steer in plan.steers]
    return "\n".join(
        [
            f"---\n{meta.to_yaml()}\n---\n",
            f"# {_code(name)} with steering vectors in its biases\n",
            _table(("after block", "strength", "operator", "positions as chosen"), rows),
            f"{effect}\n",
            f"{LIMITS}\n",
        ]
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    header, *body = (f"| {' | '.join(map(str, row))} |" for row in (columns, *rows))
    return "\n".join([header, f"|{'---|' * len(columns)}", *body]) + "\n"


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _steers(saved: SavedPlans, methods: Sequence[str], language: str | None) -> str:
    rows = (
        (
            *map(_code, (method, code, steer.vectors)),
            steer.layer,
            f"{steer.strength:g}",
            steer.operator,
            steer.positions,
        )
        for method in methods
        for code in ([language] if language else saved.languages(method))
        for steer in saved.saved(code, method).steers
    )
    return _table(("method", "language", "vectors", "after block", "strength", "operator", "positions"), rows)


def _data(manifest: Mapping[str, Any]) -> str:
    data = manifest.get("data")
    if not isinstance(data, dict):
        return "The data that the vectors were fitted on are not recorded.\n"
    lines = []
    for axis in ("universal", "cultural"):
        dataset = data.get(axis, {})
        revision = f", revision {_code(dataset['revision'])}" if dataset.get("revision") else ""
        lines.append(
            f"- {axis}: {_code(dataset.get('name', '?'))}{revision}, {dataset.get('items', '?')} items, fingerprint "
            f"{_code(dataset.get('fingerprint', '?'))}"
        )
    return "\n".join(
        [*lines, "", "The vectors were fitted on the fit split; layers and strengths were chosen on dev.\n"]
    )


def _numbers(folder: Path, methods: Sequence[str], language: str | None, split: str) -> str:
    path = folder / "plane.csv"
    if not path.is_file():
        return "No measurements of these plans are available.\n"
    plane = read_table(path)
    rows = plane[plane["method"].isin(["base", *methods]) & (plane["language"] == (language or MACRO))]
    what = _code(language) if language else "mean over languages"
    table = _table(
        ("method", "transfer", "localization", "change of transfer", "change of localization"),
        ((_code(row["method"]), *(_cell(row, *column) for column in COLUMNS)) for row in rows.to_dict("records")),
    )
    return f"{split.capitalize()} split, {what}, 95% intervals over clusters of items:\n\n{table}"


def _cell(row: Mapping[Any, Any], name: str, sign: str) -> str:
    if pd.isna(row[name]) or (sign and row["method"] == "base"):
        return ""
    return estimate(row[name], row[f"{name}_lo"], row[f"{name}_hi"], signed=bool(sign))


def _code(text: object) -> str:
    plain = " ".join(str(text).split()).replace("`", "'").replace("|", "/")
    return f"`{plain}`"
