"""EleutherAI's lm-evaluation-harness, on the task that `interp data export` writes, gives our log-likelihoods.

The harness runs in an environment of its own, which uv makes: `uv run --group dev pytest -m slow tests/validation -s` prints the
largest differences.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interp.data import Prompt
from interp.model import HookedModel
from interp.model.load import load_model, organism_folder
from interp.steering import Plan
from interp.steering.engine import score
from tests.parity.vocabularies import write_checkpoint

pytestmark = pytest.mark.slow

HARNESS = "lm-eval[hf]==0.4.13"
LANGUAGES = ("ko", "el")
BOUND = 1e-3
EXACT = {"dtype": "float32", "attn_implementation": "eager"}


def exported(folder: Path, languages: tuple[str, ...] = LANGUAGES) -> Path:
    """Atlas' test split, both axes and the explicit cue, in two languages."""
    for code in languages:
        for more in ((), ("--axis", "cultural", "--cue", "explicit")):
            command = ["data", "export", "atlas", "--language", code, "--out", str(folder), *more]
            subprocess.run([sys.executable, "-c", "from interp.cli import main; main()", *command], check=True)
    return folder


def harness(model: dict[str, str], tasks: Path, out: Path, kind: str = "hf") -> dict[str, list[dict[str, Any]]]:
    """Samples of each task as the harness logs them, scored in float32 with eager attention on the CPU.

    model: the harness's arguments for it; kind: its name for the kind of model.
    """
    if shutil.which("uv") is None:
        pytest.skip("needs uv, which makes the harness's environment")
    ours = ("torch", "transformers", "gguf")
    same = [f"{name}=={importlib.metadata.version(name).partition('+')[0]}" for name in ours]
    names = sorted(path.stem for path in tasks.glob("*.yaml"))
    done = subprocess.run(
        [
            "uv", "run", "--isolated", "--no-project", "--python", sys.executable,
            *(word for package in (HARNESS, *same) for word in ("--with", package)),
            "lm_eval", "run", "--model", kind, "--device", "cpu", "--batch_size", "16", "--model_args",
            ",".join(f"{key}={value}" for key, value in (model | EXACT).items()),
            "--include_path", str(tasks), "--tasks", ",".join(names), "--output_path", str(out), "--log_samples",
        ],
        capture_output=True, text=True, check=False, env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = {}
    for name in names:
        (path,) = out.rglob(f"samples_{name}_*.jsonl")
        found[name] = sorted(map(json.loads, filter(None, path.read_text("utf-8").split("\n"))), key=_number)
    return found


def _number(sample: dict[str, Any]) -> int:
    return int(sample["doc_id"])


def prompt_of(row: dict[str, Any]) -> Prompt:
    """The prompt of an exported line."""
    endings = tuple(row["separator"] + choice for choice in row["choices"])
    return Prompt(row["item"], row["language"], row["prompt"], endings)


def compare(model: Path, folder: Path) -> None:
    """Asserts that log-likelihoods and choices, by sum and by bytes, are the harness's."""
    tasks = exported(folder / "tasks")
    found = harness({"pretrained": str(model)}, tasks, folder / "out")
    check_same(model.name, load_model(str(model), device="cpu").model, tasks, found)


def check_same(
    model: str, hooked: HookedModel, tasks: Path, found: dict[str, list[dict[str, Any]]], plan: Plan | None = None
) -> None:
    """Assert that the harness's samples of every task have our log-likelihoods under a plan, and our choices."""
    for name, samples in found.items():
        lines = (tasks / f"{name}.jsonl").read_text("utf-8").split("\n")
        rows = [json.loads(line) for line in lines if line]
        assert [sample["doc"]["item"] for sample in samples] == [row["item"] for row in rows]
        ours = score(hooked, [prompt_of(row) for row in rows], [plan or Plan()])
        by_bytes = ours.normalised("bytes")[0]
        largest, same_sum, same_bytes = 0.0, 0, 0
        for p, (sample, row) in enumerate(zip(samples, rows, strict=True)):
            theirs = np.array([float(answer[0]) for answer in sample["filtered_resps"]])
            largest = max(largest, float(np.abs(theirs - ours.of(p)).max()))
            sizes = [len(choice.encode()) for choice in row["choices"]]
            chosen = int(by_bytes[ours.starts[p] : ours.starts[p + 1]].argmax())
            same_sum += int(theirs.argmax() == ours.of(p).argmax())
            same_bytes += int((theirs / sizes).argmax() == chosen)
            assert float(chosen == row["gold"]) == sample["acc_bytes"], row["item"]
        print(f"{model} {name}: {len(rows)} items, largest difference {largest:.1e}, choices {same_sum} {same_bytes}")
        assert len(rows) >= 100
        assert largest <= BOUND
        assert same_sum == same_bytes == len(rows)


def test_on_the_embedded_model(tmp_path: Path) -> None:
    compare(organism_folder(), tmp_path)


@pytest.mark.parametrize("tiny_folder", ["gemma3", "gpt2"], indirect=True)
def test_on_random_models(tiny_folder: Path, tmp_path: Path) -> None:
    compare(tiny_folder, tmp_path)


@pytest.mark.parametrize("kind", ["bos_never_added", "begins_with_eos", "byte_level", "prefix_space", "lower_casing"])
def test_on_tokenizers_that_differ(kind: str, tmp_path: Path) -> None:
    compare(write_checkpoint(kind, tmp_path / kind), tmp_path)
