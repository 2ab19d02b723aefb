"""A study file expands to runs or is refused; its runs are executed, gathered, skipped and told of."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from typer.testing import CliRunner

from interp.cli import app
from interp.errors import ConfigError, DataError, ModelError, OutputError, TranslocalError
from interp.studies import PlannedRun, StudyFile, plan_study, read_study, run_study
from interp.study.config import RunConfig
from interp.study.folder import hold
from interp.study.units import Unit

STUDY = """
name: sizes
models: [organism, {model: organism, name: half, dtype: bfloat16}]
data: [{universal: atlas, cultural: atlas}]
seeds: [0, 1]
settings: {languages: [es, ko], methods: [en, loc], bootstrap_draws: 500, limit: 60}
"""


UNITS = ["search:methods", "search:random", "search:shuffled", "locate", "language:es", "language:ko"]


def written(text: str, folder: Path) -> Path:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def expanded(text: str, folder: Path) -> StudyFile:
    return read_study(written(text, folder), folder / "runs")


def test_models_times_data_times_seeds(tmp_path: Path) -> None:
    found = expanded(STUDY, tmp_path)
    assert [run.name for run in found.runs] == [
        "organism-atlas-atlas-seed0", "organism-atlas-atlas-seed1", "half-atlas-atlas-seed0", "half-atlas-atlas-seed1",
    ]  # fmt: skip
    folder = tmp_path / "runs" / "sizes"
    shared = {"languages": ("es", "ko"), "methods": ("en", "loc"), "bootstrap_draws": 500, "limit": 60}
    assert [run.config for run in found.runs] == [
        RunConfig(**shared, dtype=dtype, seed=seed, out=str(folder / f"{name}-atlas-atlas-seed{seed}"))
        for name, dtype in (("organism", "auto"), ("half", "bfloat16"))
        for seed in (0, 1)
    ]


def test_an_entry_is_stronger_than_settings(tmp_path: Path) -> None:
    text = STUDY.replace("cultural: atlas}", "cultural: atlas, languages: [el]}")
    assert {run.config.languages for run in expanded(text, tmp_path).runs} == {("el",)}


def test_folders_have_safe_names_in_the_studys(tmp_path: Path) -> None:
    text = """
name: odd
models: [org/na me, "../../up", {model: org/base, adapter: "ad/one@main"}]
data: [{universal: "../facts é.csv", cultural: /etc/customs.csv}]
"""
    found = expanded(text, tmp_path)
    data = "facts_é-customs-seed0"
    assert [run.name for run in found.runs] == [f"na_me-{data}", f"up-{data}", f"base+one-{data}"]
    for run in found.runs:
        assert run.config.folder.resolve().parent == (tmp_path / "runs" / "odd").resolve()


WRONG = [
    ("- a\n", "study file .* holds \\['a'\\]"),
    ("", "holds nothing"),
    ("name: [", "can't be read"),
    ("name: !!python/object/apply:os.system ['touch ran']", "can't be read.*could not determine a constructor"),
    ("name: " + "[" * 1000, "can't be read"),
    ("name: a\nmodels: &m [organism]\ndata: *m\n", "uses YAML aliases"),
    (STUDY + "name: other\n", "key 'name' is repeated in line 7"),
    (STUDY.replace("dtype: bfloat16", "dtype: auto, dtype: auto"), "key 'dtype' is repeated in line"),
    (STUDY.replace("models:", "model:"), "key 'model' is unknown; .*did you mean 'models'"),
    (STUDY.replace("name: sizes", ""), "has no 'name'"),
    (STUDY.replace("seeds: [0, 1]", "seeds: []"), "seeds is \\[\\]; allowed: a list with one entry or more"),
    (STUDY.replace("seeds: [0, 1]", "seeds: 3"), "seeds is 3; allowed: a list"),
    (STUDY.replace("seeds: [0, 1]", "seeds: [0, 1, 0]"), "lists a seed twice"),
    (STUDY.replace("seeds: [0, 1]", "seeds: [true]"), "seeds\\[0\\] is True; allowed: a whole number"),
    (STUDY.replace("seeds: [0, 1]", "seeds: [-1]"), "seeds\\[0\\] is -1"),
    (STUDY.replace("name: half, ", ""), r"models\[0\] with data\[0\] and models\[1\] with .*would share the folder"),
    (STUDY.replace("name: half", "name: Organism"), "would share the folder 'Organism-atlas-atlas-seed0'"),
    (STUDY.replace(", {model: organism, name: half, dtype: bfloat16}", ", organism"), "is the same as models\\[0\\]"),
    (STUDY.replace("models: [organism,", "models: [1,"), "models\\[0\\] holds 1"),
    (STUDY.replace("model: organism", "model: [a]"), "models\\[1\\] has model \\['a'\\]"),
    (STUDY.replace("dtype: bf", "dtpe: bf"), "models\\[1\\]: key 'dtpe' is unknown; .*did you mean 'dtype'"),
    (STUDY.replace("universal: atlas, ", ""), "data\\[0\\] has universal nothing"),
    (STUDY.replace("limit: 60", "universal: atlas"), "settings may not hold 'universal'; to do: set it in data"),
    (STUDY.replace("limit: 60", "seed: 3"), "set it in seeds"),
    (STUDY.replace("limit: 60", "out: x"), "set it in name"),
    (STUDY.replace("limit: 60", "limt: 60"), "settings: key 'limt' is unknown; .*did you mean 'limit'"),
    (STUDY.replace("limit: 60", "limit: 3"), "models\\[0\\] with data\\[0\\]: limit 3 is not allowed"),
    (STUDY.replace("limit: 60", "limit: many"), "limit 'many' is not allowed; allowed: a whole number"),
    (STUDY.replace("[es, ko]", "[es, no]"), "languages \\['es', False\\] is not allowed; .*quote values that YAML reads"),
    (STUDY.replace("[es, ko]", "{es: MX}"), "languages {'es': 'MX'} is not allowed"),
    *[(STUDY.replace("name: sizes", f"name: {name}"), "name .* is not allowed")
      for name in ("../up", "/tmp/x", "a/b", ".hidden", "..", "''", "[a]", "a\\\\b", "x" * 300)],
    (STUDY.replace("name: half", "name: ../half"), "models\\[1\\]: name '../half' is not allowed"),
    (STUDY.replace("model: organism, name: half", f"model: {'m' * 240}"), "has 258 letters"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_is_wrong_is_named_with_its_place(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as told:
        expanded(text, tmp_path)
    assert re.search(message, str(told.value)), told.value
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        read_study(tmp_path / "none.yaml", tmp_path)


def test_every_dataset_is_read_once_and_every_unit_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from interp.studies import _studies as studies

    read = []
    monkeypatch.setattr(
        studies, "resolve_data", lambda config, real=studies.resolve_data: read.append(config) or real(config)
    )
    planned = plan_study(expanded(STUDY, tmp_path))
    assert len(read) == 1
    assert [[unit.name for unit in one.units] for one in planned] == [UNITS] * 4
    keys = [unit.key for one in planned for unit in one.units]
    assert keys[0] == f"{tmp_path}/runs/sizes/organism-atlas-atlas-seed0:search:methods"
    assert len(set(keys)) == 4 * len(UNITS)
    assert RunConfig(**planned[3].units[0].config) == planned[3].run.config
    assert planned[0].units[0].record == "units/search.methods"


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("universal: atlas", "universal: atlass", DataError, "organism-atlass-atlas-seed0: .*'atlass'"),
        ("[es, ko]", "[es, xx]", DataError, "'xx'"),
        ("model: organism", "model: ./none", ModelError, "half-atlas-atlas-seed0: folder './none' does not exist"),
        ("bfloat16", "float8", ModelError, "dtype 'float8' is unknown"),
    ],
)
def test_names_are_looked_up_before_anything_starts(
    old: str, new: str, error: type[TranslocalError], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        plan_study(expanded(STUDY.replace(old, new), tmp_path))
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_holds_something_else(tmp_path: Path) -> None:
    study = expanded(STUDY, tmp_path)
    other = study.folder / "half-atlas-atlas-seed1"
    other.mkdir(parents=True)
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"half-atlas-atlas-seed1: .*is not a run's folder"):
        plan_study(study)
    (study.folder / "manifest.json").write_text("{}")
    with pytest.raises(OutputError, match="is the folder of a run"):
        plan_study(study)


# Executing and gathering, without a model

SMALL = STUDY.replace(", {model: organism, name: half, dtype: bfloat16}", "")
ROWS = "model,universal,cultural,method,language,transfer,n_universal,d_transfer_lo\n"


@dataclass(frozen=True)
class Done:
    unit: Unit
    seconds: float = 1.0
    host: str = "here"
    error: str | None = None
    traceback: str = ""


class Executor:
    """Says of every unit that it is done, or that it failed."""

    def __init__(self, failing: str = "none", order: int = 1) -> None:
        self.units: list[Unit] = []
        self.failing, self.order = failing, order

    def __call__(self, units: Sequence[Unit]) -> list[Done]:
        self.units += units
        return [Done(u, error="out of memory" if self.failing in u.key else None) for u in units[:: self.order]]


def gather(one: PlannedRun) -> None:
    """A finished run's folder, as small as can be."""
    from interp.data import fingerprint

    folder, config = one.run.config.folder, one.run.config
    folder.mkdir(parents=True)
    data = {axis: {"fingerprint": fingerprint(getattr(one.inputs, axis).items)} for axis in ("universal", "cultural")}
    told = {"config": config.described(), "data": data, "versions": {"translocal": version("translocal")}}
    (folder / "manifest.json").write_text(json.dumps(told))
    row = f"organism,atlas,atlas,base,macro,0.{config.seed}50000,30,\n"
    (folder / "plane.csv").write_text(ROWS + row, encoding="utf-8")


@pytest.mark.parametrize("order", [1, -1])
def test_runs_are_executed_gathered_and_put_into_one_plane(order: int, tmp_path: Path) -> None:
    study = expanded(SMALL, tmp_path)
    executor, told = Executor(order=order), []
    outcomes = run_study(study, plan_study(study), executor, gather, told.append)
    assert [one.status for one in outcomes] == ["finished", "finished"]
    assert len(executor.units) == 2 * len(UNITS)
    assert told[0].startswith(
        "organism-atlas-atlas-seed" + ("0: search:methods done, 1 of 6" if order == 1 else "1: language:ko")
    )
    assert (study.folder / "plane.csv").read_text() == (
        "model,universal,cultural,seed,run,method,language,transfer,n_universal,d_transfer_lo\n"
        "organism,atlas,atlas,0,organism-atlas-atlas-seed0,base,macro,0.050000,30,\n"
        "organism,atlas,atlas,1,organism-atlas-atlas-seed1,base,macro,0.150000,30,\n"
    )


def test_finished_runs_are_left_as_they_are(tmp_path: Path) -> None:
    study = expanded(SMALL, tmp_path)
    run_study(study, plan_study(study)[:1], Executor(), gather)
    executor = Executor()
    outcomes = run_study(study, plan_study(study), executor, gather)
    assert [one.status for one in outcomes] == ["finished before", "finished"]
    assert {Path(unit.config["out"]).name for unit in executor.units} == {"organism-atlas-atlas-seed1"}
    assert len(pd.read_csv(study.folder / "plane.csv")) == 2
    third = Executor()
    assert {one.status for one in run_study(study, plan_study(study), third, gather)} == {"finished before"}
    assert third.units == []


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("config", {"limit": 40}, "config.limit: 40 there, 60 here"),
        ("data", {"universal": {"fingerprint": "0"}}, "was made from different items of atlas"),
        ("versions", {"translocal": "0.0.0"}, "translocal: '0.0.0' there"),
    ],
)
def test_a_finished_run_of_something_else_is_refused(key: str, value: dict, message: str, tmp_path: Path) -> None:
    study = expanded(SMALL, tmp_path)
    run_study(study, plan_study(study), Executor(), gather)
    path = study.folder / "organism-atlas-atlas-seed1" / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {key: manifest[key] | value}))
    with pytest.raises(OutputError, match=rf"^organism-atlas-atlas-seed1: .*{message}"):
        plan_study(study)


def test_a_run_that_fails_stops_no_other(tmp_path: Path) -> None:
    study = expanded(STUDY, tmp_path)
    executor = Executor(failing="half-atlas-atlas-seed0:language:ko")

    def gathered(one: PlannedRun) -> None:
        if one.run.name == "organism-atlas-atlas-seed0":
            raise DataError("no items")
        if one.run.name == "organism-atlas-atlas-seed1":
            raise KeyError("oops")
        gather(one)

    outcomes = run_study(study, plan_study(study), executor, gathered)
    assert [one.status for one in outcomes] == ["failed", "failed", "failed", "finished"]
    assert [one.error for one in outcomes] == [
        "no items", "KeyError: 'oops'", "language:ko on here: out of memory", "",
    ]  # fmt: skip
    assert [bool(one.trace) for one in outcomes] == [False, True, False, False]
    assert pd.read_csv(study.folder / "plane.csv")["model"].tolist() == ["half"]


def test_units_that_do_not_end_fail_their_run(tmp_path: Path) -> None:
    study = expanded(SMALL, tmp_path)
    outcomes = run_study(study, plan_study(study), lambda units: [Done(unit) for unit in units[:-2]], gather)
    assert [(one.status, one.error) for one in outcomes] == [("finished", ""), ("failed", "2 units did not finish")]


def test_two_processes_do_not_work_on_one_study(tmp_path: Path) -> None:
    study = expanded(SMALL, tmp_path)
    planned = plan_study(study)
    study.folder.mkdir(parents=True)
    lock = hold(study.folder)
    with pytest.raises(OutputError, match="is in use by process"):
        run_study(study, planned, Executor(), gather)
    lock.release()


def test_an_interrupted_study_goes_on(tmp_path: Path) -> None:
    study = expanded(SMALL, tmp_path)

    def interrupted(units: Sequence[Unit]):
        yield from (Done(unit) for unit in units[: len(UNITS) + 1])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(study, plan_study(study), interrupted, gather)
    outcomes = run_study(study, plan_study(study), Executor(), gather)
    assert [one.status for one in outcomes] == ["finished before", "finished"]


# The commands


def command(*words: str) -> tuple[int, str]:
    try:
        done = CliRunner().invoke(app, ["study", *words], catch_exceptions=False)
    except TranslocalError as error:
        return 2, str(error)
    return done.exit_code, done.output


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> dict:
    """`interp study run` with units that are done at once; what it was told is kept here."""
    kept: dict = {"failing": "none"}

    def execute(units, options, compute):
        kept.update(options=options, compute=compute)
        if kept["failing"] == "interrupt":
            raise KeyboardInterrupt
        return Executor(kept["failing"])(units)

    monkeypatch.setattr("interp.studies.executors.execute", execute)
    monkeypatch.setattr("interp.studies._gathering.gather_run", lambda one, stages: gather(one))
    return kept


def test_run_says_what_finished_and_goes_on(executed: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from interp.study.stages import compute

    monkeypatch.chdir(tmp_path)
    words = ("run", str(written(SMALL, tmp_path)))
    executed["failing"] = "interrupt"
    assert command(*words) == (130, command(*words)[1])
    assert "give the same command again to continue" in command(*words)[1]
    executed["failing"] = "seed1:locate"
    code, output = command(*words, "--workers", "3", "--retries", "1")
    assert code == 1
    assert "organism-atlas-atlas-seed1  failed  locate on here: out of memory" in output
    assert "1 of 2 runs are finished, 1 failed" in output
    assert (executed["options"].executor, executed["options"].workers, executed["options"].retries) == ("local", 3, 1)
    assert executed["compute"] is compute
    executed["failing"] = "none"
    code, output = command(*words)
    assert code == 0
    assert "organism-atlas-atlas-seed0  finished before" in output
    assert "2 of 2 runs are finished, 0 failed" in output
    assert command(*words, "--quiet") == (0, "runs/sizes\n")


def test_executors_options_are_checked_first(executed: dict, tmp_path: Path) -> None:
    code, output = command("run", str(tmp_path / "none.yaml"), "--executor", "slrm")
    assert (code, "executor 'slrm' is unknown" in output) == (2, True)
    code, output = command("run", str(tmp_path / "none.yaml"), "--slurm-gres", "gpu:1")
    assert (code, "slurm_gres 'gpu:1' has no effect" in output) == (2, True)


def test_show_tells_what_is_to_do_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from interp.studies import _cost as study_cost
    from interp.study.cost import _estimate as estimating

    costed = []

    def cost(one: PlannedRun) -> study_cost.RunCost:
        costed.append(one.run.name)
        rates = estimating.Rates(1e10, 1e-6, 1e-9)
        found = estimating.Estimate((), {"test": 90.0}, {"test": (60.0, 120.0)}, rates, 0, 0, 0, 3 * 2**20, False)
        return study_cost.RunCost(found, SimpleNamespace(weights=2**21, place="embedded"), "cpu", free)  # type: ignore[arg-type]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(study_cost, "_cost", cost)
    path = written(SMALL.replace("[0, 1]", "[0, 1, 2]"), tmp_path)
    study = read_study(path, Path("runs"))
    run_study(study, plan_study(study)[:1], Executor(), gather)
    before = sorted(tmp_path.rglob("*"))
    free = 2**30
    code, output = command("show", str(path), "--json")
    assert code == 0
    found = json.loads(output)
    assert sorted(tmp_path.rglob("*")) == before
    assert costed == ["organism-atlas-atlas-seed1"]  # the other seed takes the same
    assert [run["finished"] for run in found["runs"]] == [True, False, False]
    assert found["runs"][1]["units"] == UNITS
    assert found["to_do"] == {"runs": 2, "units": 2 * len(UNITS), "seconds": [120.0, 240.0], "disk_bytes": 6 * 2**20}
    free = 2**20
    code, output = command("show", str(path))
    assert code == 1
    lines = [" ".join(line.split()) for line in output.split("\n")]
    assert lines[0] == "organism-atlas-atlas-seed0 6 units finished"
    assert lines[1] == "organism-atlas-atlas-seed1 6 units 60 s to 2 min 3.0 MiB"
    assert "to do 2 of 3 runs, 12 units (searches, languages, and locate)" in lines
    assert "would fail: organism-atlas-atlas-seed1: 2.0 MiB of weights, 1.0 MiB free on cpu" in lines


@pytest.mark.slow
def test_a_study_of_one_run_takes_what_its_dry_run_says(tmp_path: Path) -> None:
    from interp.studies import study_costs

    (one,) = plan_study(expanded(SMALL.replace("[0, 1]", "[0]").replace("[es, ko]", "[el]"), tmp_path))
    (cost,) = study_costs([one])
    assert cost.model.place == "embedded"
    assert 0 < cost.estimate.total[0] < cost.estimate.total[1]
    assert cost.estimate.disk_bytes > 2**21
