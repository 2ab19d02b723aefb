"""Counts of a dry run against a real one: what is scored, what is read, what is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd
import pytest

from interp.model.load import Outline, outline
from interp.model.read import Tokens
from interp.study.ask import Study, resolve
from interp.study.config import RunConfig
from interp.study.cost import Estimate, Part, Workload, estimate, planned
from interp.study.cost._estimate import HIGH, LOW, GuessedTokens
from interp.study.locate import probe_sizes
from interp.study.stages import STAGES, counted
from tests.study.conftest import CountedRun


@pytest.fixture(scope="module")
def model() -> Outline:
    return outline("organism", "float32")


def study_of(config: RunConfig, model: Outline) -> Study:
    return planned(config, resolve(config), model, "cpu", "float32")


@pytest.fixture(scope="module")
def parts(counted_run: CountedRun, model: Outline) -> list[Part]:
    study = study_of(counted_run.config, model)
    return counted(Workload(study, model.shape, Tokens(study.loaded.model)))


def of(parts: list[Part], *stages: str) -> Iterator[Part]:
    return (part for part in parts if part.stage in stages)


def test_what_is_scored_is_what_a_run_scores(counted_run: CountedRun, parts: list[Part]) -> None:
    stages = [stage.name for stage in STAGES if stage.name not in ("fit", "locate", "generate", "train", "on top")]
    assert sum(part.prompts * part.plans for part in of(parts, *stages)) == counted_run.scored


def test_what_is_read_is_what_a_run_reads(counted_run: CountedRun, parts: list[Part]) -> None:
    read = list(of(parts, "fit", "locate"))
    assert sum(part.prompts for part in read if not part.kind.startswith("lens")) == counted_run.read
    scored = pd.read_parquet(counted_run.folder / "scores" / "base.parquet").query("axis == 'cultural'")
    prompts = scored[["language", "cue", "item"]].drop_duplicates()
    assert sum(part.prompts for part in read if part.kind.startswith("lens")) == len(prompts)


def test_rows_are_those_that_a_run_writes(counted_run: CountedRun, parts: list[Part]) -> None:
    tables = [path for path in (counted_run.folder / "scores").iterdir() if path.name != "generated.parquet"]
    assert sum(part.rows for part in parts) == sum(len(pd.read_parquet(path, columns=["logp"])) for path in tables)


def test_answers_are_those_that_a_run_generates(counted_run: CountedRun, parts: list[Part]) -> None:
    answers = pd.read_parquet(counted_run.folder / "scores" / "generated.parquet")
    assert sum(part.prompts * part.plans for part in of(parts, "generate")) == len(answers)


def test_probes_have_the_sizes_of_a_run(counted_run: CountedRun, model: Outline) -> None:
    found = {(rows, classes) for rows, classes, _ in probe_sizes(study_of(counted_run.config, model))}
    probes = pd.read_csv(counted_run.folder / "probes.csv").query("probe != 'universal'")  # folds train on a share
    assert set(zip(probes["n_train"], probes["n_classes"], strict=True)) <= found


def test_every_trained_model_is_counted(counted_run: CountedRun, parts: list[Part], model: Outline) -> None:
    more = {"generate": False, "methods": ("all", "mine=organism"), "training_seeds": (0, 1), "training": ("steps=3",),
            "max_new_tokens": 16}  # fmt: skip
    study = study_of(replace(counted_run.config, **more), model)
    found = counted(Workload(study, model.shape, Tokens(study.loaded.model)))
    assert [part.kind for part in of(found, "train")] == [
        kind for kind in ("instruct", "midalign", "clo", "midalign_keep") for _ in (0, 1)
    ]
    whole = Workload(
        replace(study, config=replace(study.config, training=("steps=6",))), model.shape, Tokens(study.loaded.model)
    )
    assert sum(part.flops for part in of(counted(whole), "train")) == pytest.approx(
        2 * sum(part.flops for part in of(found, "train"))
    )
    on_top = [part for part in of(found, "on top") if part.kind.startswith("clo ")]
    once = [part for part in of(found, "on top") if part.kind.startswith("mine ")]
    assert sum(part.prompts * part.plans for part in on_top) == 2 * sum(part.prompts * part.plans for part in once)
    steered = {"en", "loc", "wrong_culture", "surgical"}
    tested = [part for part in once if part.kind in ("mine cultural explicit el", "mine controls cultural explicit el")]
    assert sum(part.plans for part in tested) == 1 + len(steered)


def test_disk_and_time(counted_run: CountedRun, model: Outline) -> None:
    found: Estimate = estimate(study_of(counted_run.config, model), model, "cpu", "float32")
    written = sum(path.stat().st_size for path in counted_run.folder.rglob("*") if path.is_file())
    assert written / 3 < found.disk_bytes < 3 * written
    low, high = found.total
    assert 0 < low < high
    assert found.seconds["search"][1] == pytest.approx(found.seconds["search"][0] * HIGH / LOW)
    assert found.device_bytes > model.weights + found.activations
    assert not found.guessed


def test_every_normalisation_and_engine_is_counted(counted_run: CountedRun, model: Outline, parts: list[Part]) -> None:
    plain = sum(part.prompts * part.plans for part in of(parts, "search"))
    for change, times in (({"normalisation": "letter"}, 4), ({"engine": "reference"}, 1)):
        study = study_of(replace(counted_run.config, **change), model)  # type: ignore[arg-type]
        changed = counted(Workload(study, model.shape, Tokens(study.loaded.model)))
        assert sum(part.prompts * part.plans for part in of(changed, "search")) == times * plain
        assert sum(p.flops for p in of(changed, "search")) > sum(p.flops for p in of(parts, "search"))


def test_guessed_tokens() -> None:
    tokens = GuessedTokens()
    assert len(tokens("abcdefgh")) == 2
    assert len(tokens("北京")) == 2
    assert tokens("abcdX")[:1] == tokens("abcdY")[:1]
    prompt, (ending,) = tokens.split("What? Answer:", [" A"])
    assert (len(prompt), len(ending)) == (4, 1)
    assert tokens("") == (0,)
