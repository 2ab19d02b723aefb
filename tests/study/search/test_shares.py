"""A run whose grid has shares of the residual norm: what it tries, chooses, writes and reads back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from interp.errors import ConfigError
from interp.model import LoadedModel
from interp.progress import Bars
from interp.settings import read_settings
from interp.steering import SteeringVectors, load_plans, read_strength, size
from interp.study.ask import prepare
from interp.study.config import RunConfig
from interp.study.folder import finished
from interp.study.run import run

GRID = ("0.1r", "0.4r", 1.0)
SMALL = {"limit": 60, "design": "medium", "draws": 4, "bootstrap_draws": 200, "attribution_items": 0}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    out = tmp_path_factory.mktemp("runs") / "el"
    config = RunConfig(languages=("el",), strengths=GRID, out=str(out), **SMALL)
    run(config, Bars(quiet=True))
    return config


@pytest.mark.slow
def test_vectors_keep_the_median_norm_of_their_languages_fit_prompts(shared: RunConfig, organism: LoadedModel) -> None:
    study = prepare(shared, organism)
    rows = [study.read(study.universal_texts("el", "fit")), study.read(study.cultural_texts("el", "fit"))]
    norms = np.concatenate([np.linalg.norm(part[1:].numpy().astype(float), axis=-1) for part in rows], axis=1)
    for method in ("en", "loc", "placebo_cue"):
        vectors = SteeringVectors.load(shared.folder / f"vectors/{method}.el.safetensors")
        assert vectors.residual_norms is not None
        np.testing.assert_allclose(vectors.residual_norms.numpy(), np.median(norms, axis=1), rtol=1e-5)


@pytest.mark.slow
def test_the_plan_has_multiples_and_notes_how_they_were_chosen(shared: RunConfig) -> None:
    saved = load_plans(shared.folder)
    shares = 0
    for method in saved.methods:
        plan = saved.saved("el", method)
        for steer, strength in zip(plan.steers, plan.strengths, strict=True):
            assert strength in GRID
            vectors = SteeringVectors.load(shared.folder / steer.vectors)
            assert vectors.residual_norms is not None
            if isinstance(strength, str):
                shares += 1
                added = steer.strength * float(vectors.vectors[steer.layer].norm())
                assert added == pytest.approx(size(strength) * float(vectors.residual_norms[steer.layer]), rel=1e-5)
            else:
                assert steer.strength == strength
        assert (plan.notes.get("strengths") is not None) == any(isinstance(s, str) for s in plan.strengths)
    assert shares


@pytest.mark.slow
def test_the_sweep_names_strengths_as_they_are_written_and_frames_the_chosen(shared: RunConfig) -> None:
    table = pd.read_csv(shared.folder / "sweep.csv")
    assert set(table["strength"]) == {"0.1r", "0.4r", "1"}
    plans = json.loads((shared.folder / "plan.json").read_text())["methods"]
    for method in ("en", "loc"):
        own = table[(table["method"] == method) & (table["language"] == "el") & (table["chosen"] == 1)]
        [steer] = plans[method]["el"]["steers"]
        noted = plans[method]["el"]["notes"].get("strengths", [steer["strength"]])
        assert own[["layer", "strength"]].to_numpy().tolist() == [[steer["layer"], f"{noted[0]}".removesuffix(".0")]]
    assert (shared.folder / "figures" / "sweep.svg").stat().st_size > 0
    assert "0.4r" in (shared.folder / "report.html").read_text()


@pytest.mark.slow
def test_a_finished_run_is_found_again_with_its_grid(shared: RunConfig, tmp_path: Path) -> None:
    found = finished(shared)
    assert found is not None
    assert {s for by in found.chosen.values() for choice in by.values() for s in choice.strengths} <= set(GRID)
    settings = tmp_path / "run.yaml"
    settings.write_text("strengths: [0.1r, 0.4r, 1]\n")
    read = read_settings(settings, {"languages": "el"} | SMALL, RunConfig)
    assert read.strengths == GRID
    assert read_settings(None, {"strengths": "0.1r, 0.40r,1"}, RunConfig).strengths == GRID
    assert read_strength(json.loads(json.dumps(shared.described()))["strengths"][0]) == "0.1r"


@pytest.mark.parametrize("wrong", ["0r", "r", "0.1x", "", "0.1r,,1"])
def test_other_strengths_are_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match="not allowed"):
        read_settings(None, {"strengths": wrong}, RunConfig)
