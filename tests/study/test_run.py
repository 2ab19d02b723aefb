"""The main job, small: what it writes, that it repeats, that a language does not depend on the others."""

from __future__ import annotations

import json
import math
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from interp.data import Task
from interp.errors import OutputError
from interp.plane._outcomes import METRICS
from interp.progress import Bars
from interp.steering import Plan, SteeringVectors
from interp.steering.engine import score as score_prompts
from interp.study.ask import Study, prepare, resolve
from interp.study.config import RunConfig
from interp.study.folder import Store, working_folder
from interp.study.run import run, run_locate
from interp.study.search import SplitTasks

SMALL = {
    "limit": 60,
    "strengths": (1.0,),
    "design": "exhaustive",
    "draws": 4,
    "bootstrap_draws": 200,
    "attribution_items": 6,
}


@pytest.fixture(scope="module")
def es(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "es"
    return run(RunConfig(languages=("es",), out=str(out), **SMALL), Bars(quiet=True)).folder


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "both"
    return run(RunConfig(languages=("es", "ko"), out=str(out), **SMALL), Bars(quiet=True)).folder


def test_everything_promised_is_there(both: Path) -> None:
    for name in (
        "manifest.json", "plan.json", "plane.csv", "contrasts.csv", "controls.csv",
        "probes.csv", "alignment.csv", "directions.csv", "onsets.csv", "attribution.csv", "lens.csv", "layers.csv",
        "sweep.csv", "items.parquet", "scores/base.parquet", "vectors/en.es.safetensors", "robustness.csv",
        "consistency.csv", "damage.csv", "scores/english.parquet", "scores/sentences.parquet",
        *(f"figures/{figure}.{suffix}" for figure in ("plane", "layers") for suffix in ("pdf", "svg", "png")),
    ):  # fmt: skip
        assert (both / name).stat().st_size > 0, name
    assert not list(both.parent.glob(".*partial"))


def test_plane_has_the_documented_columns_and_rows(both: Path) -> None:
    plane = pd.read_csv(both / "plane.csv")
    expected = ["model", "universal", "cultural", "method", "language", "culture"]
    for metric in (*METRICS, "d_transfer", "d_transfer_specific", "d_localization"):
        expected += [metric, f"{metric}_lo", f"{metric}_hi"]
    expected += ["n_universal", "n_cultural", "chance", "chance_cultural"]
    for measure in ("chance_effective", "neither"):
        expected += [measure, f"{measure}_lo", f"{measure}_hi"]
    assert list(plane.columns) == [*expected, "front"]
    methods = {
        "base", "en", "loc", "loc_contrast", "loc_language", "surgical", "surgical_language", "random", "shuffled", "third_language", "nonfactual_en",
        "wrong_culture", "placebo_cue", "wrong_language",
    }  # fmt: skip
    assert set(plane["method"]) == methods
    assert len(plane) == len(methods) * 3
    assert set(plane["language"]) == {"es", "ko", "macro"}
    for metric in ("transfer", "localization", "d_transfer", "d_localization"):
        assert (plane[f"{metric}_lo"] <= plane[metric] + 1e-9).all()
        assert (plane[metric] <= plane[f"{metric}_hi"] + 1e-9).all()


def test_the_items_add_up_to_the_plane(both: Path) -> None:
    items = pd.read_parquet(both / "items.parquet")
    plane = pd.read_csv(both / "plane.csv").set_index(["method", "language"])
    assert set(items["method"]) == {
        "base",
        "en",
        "loc",
        "loc_contrast",
        "loc_language",
        "surgical",
        "surgical_language",
    }
    for axis, metric in (("universal", "transfer"), ("cultural", "localization")):
        shares = items[items["axis"] == axis].groupby(["method", "language"])["hit"].mean()
        assert shares.to_numpy() == pytest.approx(plane.loc[shares.index, metric].to_numpy(), abs=1e-6)
    assert (items["hit"] == (items["chosen"] == items["right"])).all()
    assert (items["question"].str.len() > 5).all()
    cultural = items[items["axis"] == "cultural"]
    assert (cultural["us"] != cultural["right"]).all()
    assert (items.loc[items["axis"] == "universal", "us"] == "").all()


def test_the_sweep_tells_what_a_cell_does_on_dev(es: Path, organism) -> None:
    table = pd.read_csv(es / "sweep.csv")
    assert len(table) == 2 * 7 * 1 * 2  # en and loc, layers but the last, strengths, es and macro
    assert (table.groupby(["method", "language"])["chosen"].sum() == 1).all()
    study = prepare(RunConfig(languages=("es",), **SMALL))
    row = table.query("method == 'loc' and language == 'es' and layer == 3").iloc[0]
    plan = SteeringVectors.load(es / "vectors" / "loc.es.safetensors").plan(3, 1.0)
    for axis, metric, role in (("universal", "transfer", "right"), ("cultural", "localization", "local")):
        tasks = SplitTasks(study).tasks(axis, "es")
        base, steered = ([_picked(study, task, one) == role for task in tasks] for one in (Plan(), plan))
        assert row[f"d_{metric}"] == pytest.approx(np.mean(steered) - np.mean(base), abs=1e-6)
        assert row[f"d_{metric}_lo"] <= row[f"d_{metric}"] <= row[f"d_{metric}_hi"]


def _picked(study: Study, task: Task, plan: Plan) -> str:
    """Role of the option with the best log-likelihood per byte, prompt by prompt, on the slow path."""
    found = score_prompts(study.loaded.model, [task.prompt], [plan], engine="reference")
    own = [
        (value / size, mark.role)
        for value, size, mark in zip(found.logp[0], found.bytes, task.marks, strict=True)
        if mark.own
    ]
    return max(own, key=lambda pair: pair[0])[1]


def test_a_language_alone_gets_the_row_it_gets_with_others(es: Path, both: Path) -> None:
    alone, together = (pd.read_csv(folder / "plane.csv").query("language == 'es'") for folder in (es, both))
    pd.testing.assert_frame_equal(alone.reset_index(drop=True), together.reset_index(drop=True), rtol=1e-4, atol=1e-5)
    plans = [json.loads((folder / "plan.json").read_text())["methods"] for folder in (es, both)]
    for method in plans[0]:
        assert plans[0][method]["es"]["steers"] == plans[1][method]["es"]["steers"]


def test_the_same_command_gives_the_same_bytes(es: Path, tmp_path: Path) -> None:
    again = run(RunConfig(languages=("es",), out=str(tmp_path / "again"), **SMALL), Bars(quiet=True)).folder
    for name in (
        "plane.csv", "contrasts.csv", "controls.csv", "layers.csv", "probes.csv", "directions.csv", "onsets.csv",
        "attribution.csv", "sweep.csv", "items.parquet", "plan.json", "figures/plane.svg", "robustness.csv",
        "consistency.csv", "damage.csv", "scores/english.parquet", "scores/sentences.parquet",
    ):  # fmt: skip
        assert (again / name).read_bytes() == (es / name).read_bytes(), name


@pytest.mark.slow
def test_a_model_given_as_an_object_gives_the_run_of_its_name(es: Path, organism, tmp_path: Path) -> None:
    config = RunConfig(model="not/there", languages=("es",), out=str(tmp_path / "object"), **SMALL)
    given = run(config, Bars(quiet=True), organism).folder
    for name in ("plane.csv", "contrasts.csv", "controls.csv", "plan.json"):
        assert (given / name).read_bytes() == (es / name).read_bytes(), name
    manifest = json.loads((given / "manifest.json").read_text())
    assert manifest["model"]["name"] == manifest["config"]["model"] == "organism"
    assert (manifest["config"]["device"], manifest["config"]["dtype"]) == ("cpu", "float32")


@pytest.mark.slow
def test_of_a_bare_object_nothing_is_known_to_be_seen(organism, tmp_path: Path) -> None:
    config = RunConfig(languages=("es",), out=str(tmp_path / "bare"), **SMALL | {"attribution_items": 0})
    found = run_locate(config, Bars(quiet=True), organism.model).folder
    assert json.loads((found / "manifest.json").read_text())["data"]["scored"] == "all items"


def test_scores_hold_a_row_per_option_and_plane_follows_from_them(both: Path) -> None:
    scores = pd.read_parquet(both / "scores" / "base.parquet")
    cultural = scores.query("axis == 'cultural' and cue == 'none' and language == 'ko'")
    own = cultural[[("ko" in languages.split()) for languages in cultural["languages"]]]
    best = own.assign(score=own["logp"] / own["bytes"]).sort_values("score").groupby("item").tail(1)
    plane = pd.read_csv(both / "plane.csv").query("method == 'base' and language == 'ko'").iloc[0]
    assert (best["role"] == "local").mean() == pytest.approx(plane["localization"], abs=1e-5)
    assert len(best) == plane["n_cultural"]


def test_scored_items_are_those_the_corpus_did_not_show(both: Path, organism) -> None:
    scores = pd.read_parquet(both / "scores" / "base.parquet", columns=["axis", "item", "language"]).drop_duplicates()
    assert not any(organism.exposure(*row) for row in scores.itertuples(index=False))


def test_vectors_say_where_they_come_from(both: Path) -> None:
    vectors = SteeringVectors.load(both / "vectors" / "wrong_culture.es.safetensors")
    assert vectors.provenance["culture"] == "CN"
    assert vectors.provenance["split"] == "fit"


def test_layers_table_has_every_layer_but_no_last_block_effects(both: Path) -> None:
    layers = pd.read_csv(both / "layers.csv").query("language == 'macro'")
    assert layers["layer"].tolist() == list(range(8))
    assert layers["d_transfer_en"].notna().tolist() == [True] * 7 + [False]
    for column in ("probe_universal", "probe_language", "probe_culture", "alignment_universal", "cos_en_loc"):
        assert layers[column].notna().all(), column


def test_locating_alone_gives_the_tables_of_the_run(es: Path, tmp_path: Path) -> None:
    alone = run_locate(RunConfig(languages=("es",), out=str(tmp_path / "alone"), **SMALL), Bars(quiet=True))
    for name in ("probes.csv", "alignment.csv", "directions.csv", "onsets.csv", "attribution.csv", "lens.csv"):
        assert (alone.folder / name).read_bytes() == (es / name).read_bytes(), name
    layers, whole = (pd.read_csv(folder / "layers.csv") for folder in (alone.folder, es))
    pd.testing.assert_frame_equal(layers, whole[layers.columns])
    assert not {"scores", "plane.csv"} & {path.name for path in alone.folder.iterdir()}
    assert any("does no better than its control" in line or "beats its controls" in line for line in alone.findings)


def working(out: Path) -> AbstractContextManager[tuple[Path, Store]]:
    config = RunConfig(languages=("es",), out=str(out), **SMALL)
    return working_folder(config, resolve(config), ["scores"])


def test_a_run_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="boom"), working(tmp_path / "out") as (folder, _):
        (folder / "plane.csv").write_text("half")
        raise RuntimeError("boom")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    import errno

    with pytest.raises(OutputError, match="the disk is full"), working(tmp_path / "out"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_macro_is_the_mean_of_its_languages(both: Path) -> None:
    plane = pd.read_csv(both / "plane.csv").query("method == 'surgical'").set_index("language")
    for metric in ("transfer", "localization"):
        assert plane.loc["macro", metric] == pytest.approx(plane.loc[["es", "ko"], metric].mean(), abs=1e-5)
    assert not math.isnan(plane.loc["macro", "explicit_localization"])
