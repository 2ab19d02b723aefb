"""Saved plans scored again: the run's own numbers, other methods and vectors, and what is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from interp.errors import ConfigError, DataError, ModelError, Notice, OutputError
from interp.model import LoadedModel
from interp.progress import Bars
from interp.steering import SteeringVectors, load_plans, read_vectors
from interp.study.rescoring import STEERED, Candidates, Rescored, rescore
from tests.study.conftest import CountedRun

KEYS = ["method", "language"]


def again(run: CountedRun, candidates: Candidates, out: Path, organism: LoadedModel, **changes) -> Rescored:
    config = replace(run.config, out=str(out), **{"languages": ()} | changes)
    return rescore(config, candidates, Bars(quiet=True), model=organism)


@pytest.fixture(scope="module")
def rescored(counted_run: CountedRun, organism: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Rescored:
    out = tmp_path_factory.mktemp("again") / "el"
    return again(counted_run, Candidates.of_plans(load_plans(counted_run.folder)), out, organism)


def test_a_runs_own_plans_give_the_runs_own_plane(counted_run: CountedRun, rescored: Rescored) -> None:
    before, now = (
        pd.read_csv(folder / "plane.csv").set_index(KEYS) for folder in (counted_run.folder, rescored.folder)
    )
    methods = set(json.loads((counted_run.folder / "plan.json").read_text())["methods"])
    assert set(now.index) == {(method, code) for method in (*methods, "base") for code in ("el", "macro")}
    pd.testing.assert_frame_equal(now, before.loc[now.index], rtol=1e-4, atol=1e-5, check_dtype=False)
    assert now["d_localization_lo"].notna().all()


def test_the_unsteered_model_alone_has_the_runs_headroom(
    counted_run: CountedRun, organism: LoadedModel, tmp_path: Path
) -> None:
    """Under the run's own normalisation; and a row for each other one, read from the same scores."""
    alone = again(counted_run, Candidates(), tmp_path / "alone", organism, languages=counted_run.config.languages)
    assert alone.contrasts is None
    assert alone.headroom is not None
    assert list(pd.read_csv(alone.folder / "plane.csv")["method"].unique()) == ["base"]
    assert not (alone.folder / "contrasts.csv").exists()
    written = pd.read_csv(alone.folder / "headroom.csv")
    assert list(written["normalisation"].unique()) == ["bytes", "sum", "mean"]
    before = pd.read_csv(counted_run.folder / "headroom.csv")
    own = written[written["normalisation"] == "bytes"].drop(columns="normalisation").reset_index(drop=True)
    pd.testing.assert_frame_equal(own, before, rtol=1e-4, atol=1e-5, check_dtype=False)
    numbers = written[written["language"] == "macro"].drop(columns=["language", "normalisation"])
    assert len(numbers.drop_duplicates()) > 1


def test_contrasts_are_against_base_and_the_runs_own(counted_run: CountedRun, rescored: Rescored) -> None:
    before, now = (pd.read_csv(folder / "contrasts.csv") for folder in (counted_run.folder, rescored.folder))
    assert set(now["against"]) == {"base"}
    keys = ["metric", "method", "against", "language"]
    both = before.merge(now, on=keys, suffixes=("", "_now"))
    assert len(both) >= 12
    for column in ("estimate", "lo", "hi", "p", "n_clusters"):
        assert both[f"{column}_now"].to_numpy() == pytest.approx(both[column].to_numpy(), abs=1e-6, nan_ok=True)
    family = now[(now["metric"] == "localization") & (now["language"] == "macro")].set_index("method")
    real = ["en", "loc", "loc_contrast", "loc_language", "surgical", "surgical_language"]
    assert family["p_holm"].notna().groupby(level=0).all().pipe(lambda there: sorted(there[there].index)) == real
    lowest = family.loc[real, "p"].min()
    assert family.loc[real, "p_holm"].min() == pytest.approx(min(1.0, len(real) * lowest), abs=1e-5)


def test_what_is_written(rescored: Rescored, counted_run: CountedRun, organism: LoadedModel) -> None:
    assert {path.name for path in rescored.folder.iterdir()} >= {
        "manifest.json",
        "plane.csv",
        "contrasts.csv",
        "scores",
    }
    assert (rescored.folder / "scores" / "surgical.parquet").is_file()
    manifest = json.loads((rescored.folder / "manifest.json").read_text())
    assert manifest["split"] == "test"
    assert manifest["plans"]["plan"] == str(counted_run.folder / "plan.json")
    assert manifest["plans"]["model"]["fingerprint"] == organism.fingerprint == manifest["model"]["fingerprint"]
    assert not {"methods", "strengths", "draws", "out"} & set(manifest["config"])
    steers = load_plans(counted_run.folder).saved("el").steers
    assert rescored.layers["surgical"] == [[steer.layer for steer in steers]]


def test_vectors_alone_give_the_row_of_the_method_they_are(
    counted_run: CountedRun, rescored: Rescored, organism: LoadedModel, tmp_path: Path
) -> None:
    """The run's LOC vector as another tool would write it: one tensor of its layer."""
    [steer] = load_plans(counted_run.folder).saved("el", "loc").steers
    vector = SteeringVectors.load(counted_run.folder / steer.vectors).vectors[steer.layer].clone()
    save_file({f"layer.{steer.layer}": vector}, tmp_path / "theirs.safetensors")
    theirs = read_vectors(tmp_path / "theirs.safetensors")
    candidates = Candidates.of_vectors(theirs, steer.layer, steer.strength, "add", steer.positions)
    found = again(counted_run, candidates, tmp_path / "out", organism, languages=("el",))
    loc, own = (
        rescored.plane.set_index(KEYS).loc["loc"],
        found.plane.set_index(KEYS).loc[STEERED],
    )
    pd.testing.assert_frame_equal(own.drop(columns="front"), loc.drop(columns="front"))
    manifest = json.loads((found.folder / "manifest.json").read_text())
    assert manifest["plans"]["provenance"]["format"] == "safetensors"
    assert manifest["plans"]["layer"] == steer.layer


def test_methods_and_split_are_those_asked_for(counted_run: CountedRun, organism: LoadedModel, tmp_path: Path) -> None:
    candidates = Candidates.of_plans(load_plans(counted_run.folder), ["surgical", "en"])
    config = replace(counted_run.config, out=str(tmp_path / "dev"), languages=("el",))
    found = rescore(config, candidates, Bars(quiet=True), split="dev", model=organism)
    assert list(found.plane["method"].unique()) == ["base", "surgical", "en"]
    scores = pd.read_parquet(found.folder / "scores" / "base.parquet")
    test = pd.read_parquet(counted_run.folder / "scores" / "base.parquet")
    assert not set(scores["item"]) & set(test["item"])


@pytest.fixture
def plans(counted_run: CountedRun, tmp_path: Path) -> Path:
    """The run's plans alone, to be changed."""
    (tmp_path / "plans").mkdir()
    shutil.copy(counted_run.folder / "plan.json", tmp_path / "plans")
    shutil.copytree(counted_run.folder / "vectors", tmp_path / "plans" / "vectors")
    return tmp_path / "plans"


def rewritten(plans: Path, change) -> Candidates:
    document = json.loads((plans / "plan.json").read_text())
    change(document)
    (plans / "plan.json").write_text(json.dumps(document))
    return Candidates.of_plans(load_plans(plans), ["loc"])


def test_languages_that_the_datasets_do_not_score_are_named(
    counted_run: CountedRun, organism: LoadedModel, plans: Path, tmp_path: Path
) -> None:
    def add(document: dict) -> None:
        document["methods"]["loc"]["am"] = document["methods"]["loc"]["el"]

    candidates = rewritten(plans, add)
    with pytest.warns(Notice, match="left out because atlas and atlas do not both score them: am"):
        found = again(counted_run, candidates, tmp_path / "out", organism)
    assert set(found.plane["language"]) == {"el", "macro"}

    def only(document: dict) -> None:
        document["methods"]["loc"] = {"am": document["methods"]["loc"]["el"]}

    with pytest.raises(DataError, match="the datasets can't score any of the languages am; allowed: es, zh, ko"):
        again(counted_run, rewritten(plans, only), tmp_path / "none", organism)


def test_another_model_and_template_are_noticed(
    counted_run: CountedRun, organism: LoadedModel, plans: Path, tmp_path: Path
) -> None:
    def change(document: dict) -> None:
        document["model"]["fingerprint"], document["template"] = "other", "chat"

    with pytest.warns(Notice) as told:
        again(counted_run, rewritten(plans, change), tmp_path / "out", organism)
    said = " ".join(str(one.message) for one in told)
    assert "the plans were made for organism (other), but the model is organism" in said
    assert "made with the chat template 'chat', but the prompts use 'none'" in said


def test_mistakes_are_told_and_leave_nothing(
    counted_run: CountedRun, organism: LoadedModel, plans: Path, tmp_path: Path
) -> None:
    saved, out = load_plans(plans), tmp_path / "out"
    whole = Candidates.of_plans(saved)
    with pytest.raises(DataError, match="there is no plan for language 'ko'; allowed: el"):
        again(counted_run, whole, out, organism, languages=("ko",))
    with pytest.raises(DataError, match="method 'locc' is not in"):
        Candidates.of_plans(saved, ["locc"])
    for names in (["en", "en"], ["base", "en"]):
        with pytest.raises(ConfigError, match="are not allowed; allowed: each method once, and not base"):
            Candidates.of_plans(saved, names)
    with pytest.raises(OutputError, match="is the folder of a run, whose plans would be lost"):
        again(counted_run, whole, counted_run.folder, organism)
    narrow = SteeringVectors("narrow", torch.ones(2, 5))
    with pytest.raises(ModelError, match="the plan does not fit the model: the vector has width 5"):
        again(counted_run, Candidates.of_vectors(narrow, 1, 1.0, "add", "all"), out, organism)
    deep = SteeringVectors("deep", torch.ones(9, organism.model.cfg.d_model))
    with pytest.raises(ModelError, match="layer 8 is out of range; allowed: 0 to 7"):
        again(counted_run, Candidates.of_vectors(deep, 8, 1.0, "add", "all"), out, organism)
    (plans / "vectors" / "loc.el.safetensors").unlink()
    with pytest.raises(DataError, match=r"loc.el.safetensors does not exist"):
        again(counted_run, whole, out, organism)
    assert not list(tmp_path.glob("*out*"))


def test_a_model_that_only_the_plan_names_says_so(counted_run: CountedRun, plans: Path, tmp_path: Path) -> None:
    def change(document: dict) -> None:
        document["model"]["name"] = "./not/here"

    candidates = rewritten(plans, change)
    config = replace(counted_run.config, model="./not/here", out=str(tmp_path / "out"), languages=())
    with pytest.raises(ModelError, match=r"plan.json names the model './not/here': .*; to do: pass --model"):
        rescore(config, candidates, Bars(quiet=True))


@pytest.mark.slow
def test_plans_of_atlas_are_scored_on_published_data(
    counted_run: CountedRun, organism: LoadedModel, shared_data: Path, tmp_path: Path
) -> None:
    candidates = Candidates.of_plans(load_plans(counted_run.folder), ["en", "loc"])
    found = again(
        counted_run, candidates, tmp_path / "out", organism, universal="bmlama", cultural="blend",
        data_dir=str(shared_data), limit=None,
    )  # fmt: skip
    macro = found.plane[found.plane["language"] == "macro"].set_index("method")
    assert list(macro.index) == ["base", "en", "loc"]
    assert (macro["universal"] == "bmlama").all()
    assert macro["transfer"].between(0, 1).all()
