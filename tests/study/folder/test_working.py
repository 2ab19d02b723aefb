"""A run's folder while it is made, and when it is there already."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from figures import read_table
from interp.errors import ConfigError, OutputError
from interp.progress import Bars
from interp.study import run as experiment
from interp.study.ask import Inputs, resolve_data
from interp.study.config import RunConfig
from interp.study.folder import check_made_of, partial_folder, working_folder


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return resolve_data(RunConfig(languages=("el",), limit=60))


def config_in(folder: Path, **settings) -> RunConfig:
    return RunConfig(languages=("el",), limit=60, out=str(folder / "run"), **settings)


def test_a_finished_run_is_read_back_and_not_redone(counted_run, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*given, **more):
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("interp.study.stages.prepare", never)
    found = experiment.run(counted_run.config, Bars(quiet=True))
    assert found.again
    assert found.folder == counted_run.folder
    pd.testing.assert_frame_equal(found.plane, read_table(counted_run.folder / "plane.csv"))
    saved = json.loads((counted_run.folder / "plan.json").read_text())["methods"]
    assert {m: set(by) for m, by in found.chosen.items()} == {m: set(by) for m, by in saved.items()}
    steers = saved["surgical"]["el"]["steers"]
    assert [(layer, s) for _, layer, s in found.chosen["surgical"]["el"].steers] == [
        (one["layer"], one["strength"]) for one in steers
    ]
    assert [method for method, *_ in found.chosen["surgical"]["el"].steers] == ["en", "loc"]
    assert found.findings
    assert found.generated is not None


def test_another_run_in_the_folder_is_refused_with_the_differences(counted_run) -> None:
    other = replace(counted_run.config, seed=7, bootstrap_draws=300)
    with pytest.raises(OutputError) as refused:
        experiment.run(other, Bars(quiet=True))
    told = str(refused.value)
    assert "config.seed: 0 there, 7 here" in told
    assert "config.bootstrap_draws: 200 there, 300 here" in told
    assert "--overwrite" in told


def test_the_manifest_has_the_checksum_of_every_file(counted_run) -> None:
    folder = counted_run.folder
    told = json.loads((folder / "manifest.json").read_text())["files"]
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - {"manifest.json"}
    assert set(told) == there
    for name in ("plane.csv", "scores/base.parquet", "figures/plane.png"):
        assert told[name] == hashlib.sha256((folder / name).read_bytes()).hexdigest()
    assert not {".lock", "identity.json"} & {path.name for path in folder.iterdir()}


def test_parts_stay_when_the_work_is_stopped_and_the_rest_does_not(tmp_path: Path, inputs: Inputs) -> None:
    config, made = config_in(tmp_path), []

    def make() -> pd.DataFrame:
        made.append(1)
        return pd.DataFrame({"a": [1.5, 2.5]})

    with pytest.raises(KeyboardInterrupt), working_folder(config, inputs, ["scores"]) as (folder, store):
        store.frame("test/el", make)
        (folder / "scores" / "half.csv").write_text("x")
        raise KeyboardInterrupt
    assert (partial_folder(config.folder) / "scores" / "half.csv").is_file()
    with working_folder(config, inputs, ["scores"]) as (folder, store):
        assert list(store.frame("test/el", make)["a"]) == [1.5, 2.5]
        assert not list((folder / "scores").iterdir())
        (folder / "manifest.json").write_text("{}")
    assert made == [1]
    assert sorted(path.name for path in config.folder.iterdir()) == ["manifest.json", "scores"]
    assert not partial_folder(config.folder).exists()


def test_nothing_is_left_of_a_run_that_made_nothing(tmp_path: Path, inputs: Inputs) -> None:
    config = config_in(tmp_path)
    with pytest.raises(RuntimeError), working_folder(config, inputs, ["scores"]):
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_parts_of_another_run_or_model_are_not_used(tmp_path: Path, inputs: Inputs) -> None:
    with pytest.raises(RuntimeError), working_folder(config_in(tmp_path), inputs, []) as (_, store):
        check_made_of(store, {"model": {"fingerprint": "a"}})
        raise RuntimeError
    with (
        pytest.raises(ConfigError, match=r"model\.fingerprint: 'a' there, 'b' here"),
        working_folder(config_in(tmp_path), inputs, []) as (_, store),
    ):
        check_made_of(store, {"model": {"fingerprint": "b"}})
    with (
        pytest.raises(ConfigError, match=r"config\.seed: 0 there, 3 here.*--overwrite"),
        working_folder(config_in(tmp_path, seed=3), inputs, []),
    ):
        pass
    with working_folder(config_in(tmp_path, seed=3), inputs, [], overwrite=True) as (_, store):
        assert not store.has("made_of")


def test_one_process_at_a_time(tmp_path: Path, inputs: Inputs) -> None:
    config = config_in(tmp_path)
    with (
        working_folder(config, inputs, []),
        pytest.raises(OutputError, match="in use by process"),
        working_folder(config, inputs, [], overwrite=True),
    ):
        pass
