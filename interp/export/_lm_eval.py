"""Prompts and options as a task of EleutherAI's lm-evaluation-harness: JSON lines and a YAML file beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from interp.data import Task, option_text
from interp.errors import DataError, OutputError, reason_of


def export(tasks: Sequence[Task], name: str, folder: Path) -> tuple[Path, Path]:
    """Write `tasks` as `<name>.jsonl` and `<name>.yaml` into `folder`; returns both paths.

    A line holds prompt, separator (what stands between the prompt and any choice), choices and gold: the index of the
    right or local option. The harness's lengths are those of the choices alone, as ours are. The YAML names the JSON
    lines by absolute path, as lm_eval resolves a relative one from where it is started. Raises DataError if there is
    nothing to write, OutputError if it can't be written.
    """
    if not tasks:
        raise DataError(f"no items for {name}", allowed="a split and a language with items")
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", name)
    lines, description = folder / f"{name}.jsonl", folder / f"{name}.yaml"
    for path in (lines, description):
        if path.exists():
            raise OutputError(f"{path} exists", allowed="files that do not exist yet", remedy="pass another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lines.write_text(
            "".join(json.dumps(_line(task), ensure_ascii=False) + "\n" for task in tasks), encoding="utf-8"
        )
        description.write_text(_yaml(name, lines.resolve()), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{folder} can't be written: {reason_of(error)}", remedy="pass another --out") from error
    return lines, description


def _line(task: Task) -> dict[str, Any]:
    roles = [mark.role for mark in task.marks]
    endings = task.prompt.continuations
    texts = [option_text(ending) for ending in endings]
    (separator,) = {ending.removesuffix(text) for ending, text in zip(endings, texts, strict=True)}
    return {
        "item": task.prompt.item,
        "language": task.prompt.language,
        "axis": task.axis,
        "cue": task.cue,
        "cluster": task.cluster,
        "prompt": task.prompt.text,
        "separator": separator,
        "choices": texts,
        "roles": roles,
        "gold": roles.index("local" if task.axis == "cultural" else "right"),
    }


def _yaml(name: str, lines: Path) -> str:
    metrics = [
        {"metric": metric, "aggregation": "mean", "higher_is_better": True}
        for metric in ("acc", "acc_norm", "acc_bytes")
    ]
    return yaml.safe_dump(
        {
            "task": name,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(lines)}},
            "test_split": "test",
            "output_type": "multiple_choice",
            "doc_to_text": "{{prompt}}{{separator}}",
            "doc_to_choice": "choices",
            "doc_to_target": "gold",
            "target_delimiter": "",
            "num_fewshot": 0,
            "metric_list": metrics,
            "metadata": {"version": 1.0},
        },
        sort_keys=False,
        allow_unicode=True,
    )
