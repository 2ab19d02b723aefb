"""Methods by name, and the settings of those that are trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from interp.errors import ConfigError
from interp.settings import read_settings
from interp.study.config import RunConfig
from interp.study.methods import DEFAULT, TrainedMethod, on_top, parse_methods, training_settings


def test_default_and_all() -> None:
    assert parse_methods(DEFAULT).steering == ("en", "loc", "surgical")
    assert parse_methods(DEFAULT).trained == ()
    found = parse_methods(("all",))
    assert found.steering == ("en", "loc", "surgical")
    assert [one.name for one in found.trained] == ["instruct", "midalign", "clo", "midalign_keep"]
    assert found.trained[-1] == TrainedMethod("midalign_keep", "midalign", keep=True)


def test_surgical_brings_what_it_is_made_of_and_order_does_not_matter() -> None:
    assert parse_methods(("surgical",)).steering == ("en", "loc", "surgical")
    assert parse_methods(("loc",)).steering == ("loc",)
    assert parse_methods(("clo", "instruct", "base")) == parse_methods(("instruct", "clo"))
    assert [one.name for one in parse_methods(("clo_keep", "mine=x", "clo")).trained] == ["clo", "clo_keep", "mine"]


def test_a_training_run_stands_for_the_checkpoint_in_it(tmp_path: Path) -> None:
    (tmp_path / "merged").mkdir()
    assert parse_methods((f"mine={tmp_path}",)).trained[0].checkpoint == str(tmp_path / "merged")
    assert parse_methods(("mine=org/name",)).trained[0].checkpoint == "org/name"


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("surgcal",), "did you mean 'surgical'"),
        (("base",), "nothing to compare"),
        (("clo", "clo"), "twice"),
        (("x=a", "x=b"), "twice"),
        (("clo=a",), "not allowed"),
        (("../x=a",), "not allowed"),
        (("x+y=a",), "not allowed"),
        (("x=",), "not allowed"),
        (("english=a",), "own rows are called en, loc, .*, english, sentences"),
        (("loc_language=a",), "own rows are called"),
        (("wrong_culture=a",), "own rows are called"),
        (("random=a",), "own rows are called"),
    ],
)
def test_names_that_are_refused(names: tuple[str, ...], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        RunConfig(methods=names)


def test_rows() -> None:
    assert on_top("clo", "base") == "clo"
    assert on_top("clo@1", "loc") == "clo@1+loc"


def test_settings_reach_the_methods_that_they_name() -> None:
    given = ("steps=12", "clo.mix=0.7", "midalign.layer=2", "keep_layers=5/6", "schedule=linear")
    clo, midalign = (training_settings(given, method, 3) for method in ("clo", "midalign"))
    assert (clo.steps, clo.mix, clo.seed, clo.layer, clo.batch) == (12, 0.7, 3, None, 8)
    assert (midalign.steps, midalign.mix, midalign.layer, midalign.keep_layers) == (12, 0.5, 2, (5, 6))
    assert midalign.schedule == "linear"


@pytest.mark.parametrize("given", ["steps", "stepz=3", "foo.steps=3", "steps=many", "mix=2", "seed=1", "steps="])
def test_settings_that_are_refused(given: str) -> None:
    with pytest.raises(ConfigError):
        RunConfig(methods=("clo",), training=(given,))


def test_config_file_and_flags_take_lists(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("methods: [loc, clo]\ntraining_seeds: [0, 1]\n")
    config = read_settings(file, {"methods": "surgical,instruct", "training": ["steps=3", "lr=1e-3"]}, RunConfig)
    assert config.methods == ("surgical", "instruct")
    assert (config.training_seeds, config.training) == ((0, 1), ("steps=3", "lr=1e-3"))
    for seeds in ((), (1, 1), (-1,)):
        with pytest.raises(ConfigError, match="training_seeds"):
            RunConfig(training_seeds=seeds)


@pytest.mark.parametrize(
    ("out", "trained_dir"), [("runs/trained", ""), ("runs/mine", "runs/mine"), ("runs/mine", "runs/x/../mine/models")]
)
def test_trained_models_are_not_saved_where_the_run_would_replace_them(out: str, trained_dir: str) -> None:
    with pytest.raises(ConfigError, match="inside the run's own folder"):
        RunConfig(methods=("clo",), out=out, trained_dir=trained_dir)
    assert RunConfig(out=out).compared.trained == ()
    assert RunConfig(methods=("clo",), out="runs/mine", trained_dir="runs").trained_folder == Path("runs")


def test_a_merged_adapter_is_no_base_to_train_on() -> None:
    with pytest.raises(ConfigError, match="can't be trained on a model with adapter"):
        RunConfig(methods=("clo",), adapter="some/adapter")
    assert RunConfig(methods=("mine=x",), adapter="some/adapter").compared.trained[0].place == "x"
