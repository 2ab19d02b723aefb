"""EleutherAI's harness on Gemma's own file gives our log-likelihoods, unsteered and under an exported plan.

`uv run --group dev --group real pytest -m slow tests/real/test_lm_eval.py -s` prints the largest differences.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from interp.export import HARNESS_FORM, additions, write_harness
from interp.model import LoadedModel
from interp.steering import fit_vectors
from tests.real.conftest import atlas_tasks
from tests.validation.test_lm_eval import check_same, exported, harness

pytestmark = pytest.mark.slow

LANGUAGE, LAYER = "es", 4


def test_base_and_one_plan(gemma: LoadedModel, gguf_file: Path, tmp_path: Path) -> None:
    english, own = ([task.prompt.text for task in atlas_tasks(code, 24)] for code in ("en", LANGUAGE))
    vectors = fit_vectors(gemma, english, own, name="en")
    plan = vectors.plan(LAYER, vectors.multiple(LAYER, "0.1r"), positions="all")
    steer = tmp_path / "steer.pt"
    n_layers = gemma.model.cfg.n_layers
    write_harness(steer, additions(plan, HARNESS_FORM), [f"layers.{layer}" for layer in range(n_layers)])
    tasks = exported(tmp_path / "tasks", (LANGUAGE,))
    place = {"pretrained": str(gguf_file.parent), "gguf_file": gguf_file.name}
    check_same("Gemma", gemma.model, tasks, harness(place, tasks, tmp_path / "base"))
    steered = harness(place | {"steer_path": str(steer)}, tasks, tmp_path / "steered", "steered")
    check_same("Gemma, steered", gemma.model, tasks, steered, plan)
