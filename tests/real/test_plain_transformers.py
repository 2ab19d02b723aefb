"""A script of plain Transformers makes the rows of a run again, from its saved vectors and exported items."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interp.data import atlas, cultural_tasks
from interp.export import export
from interp.model import LoadedModel
from interp.steering import PLANS, Plan, SteeringVectors, fit_vectors, load_plans, write_plans
from interp.steering.engine import score
from tests.real.conftest import atlas_tasks

pytestmark = pytest.mark.real

SCRIPT = Path(__file__).parent / "plain_rows.py"
LANGUAGE, ITEMS = "es", 4


def steer(layer: int, vectors: SteeringVectors) -> dict[str, Any]:
    strength = vectors.multiple(layer, "0.1r")
    return {"layer": layer, "strength": strength, "operator": "add", "positions": "last"}


def write_run(gemma: LoadedModel, folder: Path) -> Path:
    """EN at block 4 and a vector of cued against plain questions at block 15, each a tenth of the stream's norm."""
    english, own = ([task.prompt.text for task in atlas_tasks(code, 24)] for code in ("en", LANGUAGE))
    customs = atlas.cultural()
    cued, plain = (
        [task.prompt.text for task in cultural_tasks(customs, LANGUAGE, "ES", "fit", lambda *item: True, cue=cue)][:24]
        for cue in ("explicit", "none")
    )
    steers = {}
    (folder / "vectors").mkdir(parents=True)
    for method, layer, target, source in (("en", 4, english, own), ("loc", 15, cued, plain)):
        vectors = fit_vectors(gemma, target, source, name=method)
        file = f"vectors/{method}.{LANGUAGE}.safetensors"
        vectors.save(folder / file)
        steers[method] = {LANGUAGE: {"steers": [{"vectors": file} | steer(layer, vectors)]}}
    model = {"name": gemma.name, "fingerprint": gemma.fingerprint, "processing": gemma.processing}
    write_plans(folder / PLANS, model=model, template="none", methods=steers)
    return folder


def test_rows_of_base_en_and_loc(gemma: LoadedModel, gguf_file: Path, tmp_path: Path) -> None:
    run, tasks = write_run(gemma, tmp_path / "run"), atlas_tasks(LANGUAGE, ITEMS)
    items, _ = export(tasks, "facts", tmp_path)
    command = [sys.executable, str(SCRIPT), str(run), str(gguf_file), str(items), LANGUAGE]
    theirs = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    saved = load_plans(run)
    plans = {"base": Plan(), **{method: saved.plan(LANGUAGE, method) for method in ("en", "loc")}}
    scores = score(gemma.model, [task.prompt for task in tasks], list(plans.values()))
    plain = np.array([[logp for item in theirs[method] for logp in item] for method in plans])
    assert np.abs(scores.logp[1:] - scores.logp[0]).max(axis=1).min() > 0.1
    assert np.abs(scores.logp - plain).max() <= 1e-3
    for first, end in zip(scores.starts[:-1], scores.starts[1:], strict=True):
        assert (scores.logp[:, first:end].argmax(axis=1) == plain[:, first:end].argmax(axis=1)).all()


def test_the_script_can_be_read_in_a_minute() -> None:
    assert len(SCRIPT.read_text("utf-8").splitlines()) <= 60
