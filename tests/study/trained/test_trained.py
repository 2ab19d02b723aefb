"""Trained models beside the base in one run: tables, known answers, and what is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from interp.errors import ConfigError, ModelError
from interp.model.load import load_model, organism_folder
from interp.progress import Bars
from interp.steering import SteeringVectors
from interp.study.ask import prepare
from interp.study.config import RunConfig
from interp.study.methods import parse_methods
from interp.study.run import run
from interp.study.trained._trained import Member, twin
from tests.conftest import write_tiny
from tests.study.conftest import SMALL

pytest.importorskip("peft")
TINY = ("steps=3", "batch=4", "accumulation=1", "lr=0.02")


def config(folder: Path, methods: str, **more: object) -> RunConfig:
    names = tuple(methods.split(","))
    training = TINY if any(method.method for method in parse_methods(names).trained) else ()
    settings = SMALL | {"languages": ("el",), "layers": "2,5", "training": training, "methods": names} | more
    return RunConfig(out=str(folder / "run"), **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """base, Surgical Steering, a copy of the base under a name, and a model of two seeds."""
    folder = tmp_path_factory.mktemp("compared")
    methods = f"surgical,midalign_keep,same={organism_folder()}"
    return run(config(folder, methods, training_seeds=(0, 1)), Bars(quiet=True)).folder


def test_a_copy_of_the_base_is_the_base(compared: Path) -> None:
    plane = pd.read_csv(compared / "plane.csv").set_index(["method", "language"])
    numbers = ["transfer", "localization", "explicit_localization", "preference", "transfer_lo", "localization_hi"]
    for row, copy in (("base", "same"), ("en", "same+en"), ("loc", "same+loc"), ("surgical", "same+surgical")):
        np.testing.assert_array_equal(plane.loc[row, numbers], plane.loc[copy, numbers])
    erasure = pd.read_csv(compared / "erasure.csv").set_index(["method", "language"])
    for column in ("erasure", "erasure_lo", "erasure_hi", "recoverable", "knowledge_lost", "probe_lost"):
        assert erasure.loc[("same", "macro"), column] == 0
    assert erasure.loc[("same", "macro"), "n_lost"] == 0
    moved = pd.read_csv(compared / "mechanism.csv")
    same = moved[moved["method"] == "same"]
    assert (same[["shift", "erasure"]] == 0).all(axis=None)
    assert sorted(same.loc[same["restored"] == 0, "layer"].unique()) == [2, 5, 7]  # the grid's, and the last
    assert (same["restored"].dropna() == 0).all()


def test_every_table_has_every_model(compared: Path) -> None:
    rows = set(pd.read_csv(compared / "plane.csv")["method"])
    for seed in ("", "@0", "@1"):
        assert {f"midalign_keep{seed}{top}" for top in ("", "+en", "+loc", "+surgical", "+wrong_culture")} <= rows
    assert {"random", "shuffled", "surgical", "base", "same+wrong_culture"} <= rows
    assert set(pd.read_csv(compared / "erasure.csv")["method"]) == {"midalign_keep", "same"}
    assert set(pd.read_csv(compared / "mechanism.csv")["method"]) == {"midalign_keep@0", "midalign_keep@1", "same"}
    for name in ("midalign_keep@0", "midalign_keep@1", "same"):
        own = compared / "trained" / name
        assert {"plan.json", "probes.csv", "alignment.csv", "directions.csv", "layers.csv"} <= {
            path.name for path in own.iterdir()
        }
        assert json.loads((own / "plan.json").read_text())["methods"].keys() == {
            "en", "loc", "wrong_culture", "surgical",
        }  # fmt: skip
    for name in ("plane", "layers", "erasure", "mechanism"):
        assert (compared / "figures" / f"{name}.png").stat().st_size > 10_000
    manifest = json.loads((compared / "manifest.json").read_text())["trained"]
    assert manifest["midalign_keep@1"]["settings"]["seed"] == 1
    assert manifest["midalign_keep@1"]["keep_loc"][0]["name"] == "loc:el"


def test_vectors_on_top_are_the_trained_models_own(compared: Path) -> None:
    manifest = json.loads((compared / "manifest.json").read_text())
    for name, alike in (("same", True), ("midalign_keep@0", False)):
        plan = json.loads((compared / "trained" / name / "plan.json").read_text())
        own = SteeringVectors.load(compared / "trained" / name / "vectors" / "loc.el.safetensors")
        base = SteeringVectors.load(compared / "vectors" / "loc.el.safetensors")
        assert (plan["model"]["fingerprint"] == manifest["model"]["fingerprint"]) is alike
        assert own.provenance["fingerprint"] == plan["model"]["fingerprint"]
        assert own.vectors.equal(base.vectors) is alike


def test_a_checkpoint_is_scored_on_what_the_base_did_not_see(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(organism_folder(), bare, ignore=shutil.ignore_patterns("exposure.csv"))
    assert load_model(str(bare)).exposure is None
    study = prepare(config(tmp_path, f"bare={bare}"))
    own = twin(study, Member("bare", "bare", str(bare), {}))
    keys = [[task.prompt.item for task in one.cultural_tasks("el", "test")] for one in (study, own)]
    assert keys[0] == keys[1]
    assert len(keys[0]) < len(study.cultural_items("el", "test"))


def test_the_row_of_a_method_is_the_mean_of_its_seeds(compared: Path) -> None:
    plane = pd.read_csv(compared / "plane.csv").set_index(["method", "language"])
    for metric in ("transfer", "localization", "preference"):
        seeds = [plane.loc[(f"midalign_keep@{seed}", "macro"), metric] for seed in (0, 1)]
        assert plane.loc[("midalign_keep", "macro"), metric] == pytest.approx(np.mean(seeds), abs=1e-5)
    erasure = pd.read_csv(compared / "erasure.csv").set_index(["method", "language"])
    lost = plane.loc[("base", "macro"), "localization"] - plane.loc[("midalign_keep", "macro"), "localization"]
    assert erasure.loc[("midalign_keep", "macro"), "erasure"] == pytest.approx(lost, abs=1e-5)


@pytest.mark.slow
def test_a_run_without_steering_takes_the_trained_models_that_are_there(compared: Path) -> None:
    trained = compared.parent / "trained"
    stamps = {path: path.stat().st_mtime_ns for path in trained.glob("*/manifest.json")}
    assert len(stamps) == 2
    plain = config(compared.parent, f"midalign_keep,same={organism_folder()}", training_seeds=(1,))
    folder = run(replace(plain, out=str(compared.parent / "plain")), Bars(quiet=True)).folder
    assert {path: path.stat().st_mtime_ns for path in trained.glob("*/manifest.json")} == stamps
    whole, part = (pd.read_csv(one / "plane.csv").set_index(["method", "language"]) for one in (compared, folder))
    assert list(dict.fromkeys(part.index.get_level_values(0))) == ["base", "midalign_keep", "same"]
    again = part.drop(columns="front").rename(index={"midalign_keep": "midalign_keep@1"})
    pd.testing.assert_frame_equal(again, whole.loc[again.index, again.columns], check_exact=True, check_dtype=False)
    erasure = pd.read_csv(folder / "erasure.csv").set_index(["method", "language"])
    assert erasure.loc[("same", "macro"), "erasure"] == 0
    assert np.isnan(erasure.loc[("same", "macro"), "recoverable"])
    assert not (folder / "controls.csv").exists()


def test_what_is_refused(tmp_path: Path) -> None:
    other = write_tiny("llama", tmp_path / "llama")
    with pytest.raises(ModelError, match="not a trained version of organism: n_layers"):
        twin(prepare(config(tmp_path, "en")), Member("other", "other", str(other), {}))
    with pytest.raises(ModelError, match="does not exist"):
        run(config(tmp_path, f"other={tmp_path / 'nowhere'}"), Bars(quiet=True))
    with pytest.raises(ConfigError, match="the model is an object"):
        run(config(tmp_path, "clo"), Bars(quiet=True), model=load_model())
    assert not list(tmp_path.glob("*run*"))
