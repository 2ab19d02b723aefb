"""The study on a HookedTransformer: the same choices, the same plans, the same plane."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from interp.errors import Notice
from interp.model.load import load_model
from interp.organism import Exposure
from interp.plane._outcomes import METRICS
from interp.progress import Bars
from interp.steering import SteeringVectors
from interp.study.run import run
from tests.hooked.building import build
from tests.hooked.cases import RUN, Note, Reference, run_config

LIMIT = 1e-4


@pytest.fixture(scope="module")
def bridge(reference_folder: Path) -> Path:
    return reference_folder / RUN


@pytest.fixture(scope="module")
def checkpoint(reference_folder: Path) -> Path:
    return Reference.read(reference_folder, "organism").checkpoint


@pytest.fixture(scope="module")
def own(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = replace(load_model(build(checkpoint)), exposure=Exposure.read(checkpoint))
    config = run_config(tmp_path_factory.mktemp("runs") / RUN, attribution_items=6)
    with pytest.warns(Notice, match="left out of the analysis"):
        return run(config, Bars(quiet=True), model).folder


@pytest.mark.parametrize("name", ["plane.csv", "contrasts.csv", "controls.csv"])
def test_tables_are_the_bridges(own: Path, bridge: Path, name: str, note: Note) -> None:
    found, expected = (pd.read_csv(folder / name) for folder in (own, bridge))
    words = expected.select_dtypes(exclude="number").columns.difference(["model"])
    pd.testing.assert_frame_equal(found[words], expected[words])
    numbers = expected.select_dtypes("number").columns
    apart = (found[numbers] - expected[numbers]).abs().max()
    note(name, float(apart.max()))
    assert found[numbers].isna().equals(expected[numbers].isna())
    assert apart.max() <= LIMIT
    if name == "plane.csv":
        assert set(METRICS) <= set(numbers)


def test_every_choice_is_the_bridges(own: Path, bridge: Path, note: Note) -> None:
    files = sorted(path.name for path in (bridge / "scores").glob("*.parquet"))
    assert files == sorted(path.name for path in (own / "scores").glob("*.parquet"))
    key = ["method", "axis", "cue", "language", "item"]
    for name in files:
        found, expected = (pd.read_parquet(folder / "scores" / name) for folder in (own, bridge))
        apart = float((found["logp"] - expected["logp"]).abs().max())
        note("log-likelihoods, run", apart)
        assert apart <= LIMIT, name
        if "axis" not in found:  # sentences of damage.csv: nothing is chosen
            continue
        chosen = []
        for table in (found, expected):
            table["value"] = table["logp"] / table["bytes"]
            chosen.append(table.loc[table.groupby(key, sort=False)["value"].idxmax(), [*key, "text"]])
        pd.testing.assert_frame_equal(*chosen)


def test_layers_and_strengths_are_the_bridges(own: Path, bridge: Path) -> None:
    found, expected = (json.loads((folder / "plan.json").read_text())["methods"] for folder in (own, bridge))
    assert found.keys() == expected.keys()
    for method, by_language in expected.items():
        for code, plan in by_language.items():
            here = found[method][code]
            assert here["notes"]["strengths"] == plan["notes"]["strengths"], (method, code)
            assert [s["layer"] for s in here["steers"]] == [s["layer"] for s in plan["steers"]], (method, code)
            for steer, other in zip(here["steers"], plan["steers"], strict=True):
                assert steer["strength"] == pytest.approx(other["strength"], rel=1e-4)  # a share of measured norms


def test_vectors_are_the_bridges(own: Path, bridge: Path) -> None:
    for path in sorted((bridge / "vectors").glob("*.safetensors")):
        found, expected = (SteeringVectors.load(folder / "vectors" / path.name).vectors for folder in (own, bridge))
        assert (found - expected).abs().max() <= LIMIT, path.name


def test_the_manifest_names_the_model_that_ran(own: Path, checkpoint: Path) -> None:
    manifest = json.loads((own / "manifest.json").read_text())
    assert manifest["model"]["name"] == manifest["config"]["model"] == checkpoint.name
    assert manifest["config"]["device"] == "cpu"
    assert manifest["config"]["dtype"] == "float32"
    assert manifest["versions"]["transformer-lens"].startswith("3.")
    assert not (own / "attribution.csv").exists()
