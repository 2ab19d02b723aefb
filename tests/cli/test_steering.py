"""`interp generate` and `interp score` as they are typed."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from interp.cli import app
from interp.data import question_text
from interp.errors import Notice, TranslocalError
from interp.model import LoadedModel
from interp.model import load as loading
from interp.steering import Plan, Steer, SteeringVectors, generate, write_plans

NEW = 6
QUESTION = "¿Cuál es la capital de Japón?"


@pytest.fixture
def vectors(organism: LoadedModel) -> torch.Tensor:
    return 3 * torch.randn(8, organism.model.cfg.d_model, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def plans(tmp_path: Path, organism: LoadedModel, vectors: torch.Tensor) -> Path:
    """A plan for Spanish, its vectors, the same as another tool has them, and the model at hand."""
    (tmp_path / "vectors").mkdir()
    SteeringVectors("es", vectors, {"processing": "none"}).save(tmp_path / "vectors" / "es.safetensors")
    save_file({"layer.3": vectors[3].clone()}, tmp_path / "theirs.safetensors")
    steer = {"vectors": "vectors/es.safetensors", "layer": 3, "strength": 2.0, "operator": "add", "positions": "text"}
    model = {"name": "organism", "fingerprint": organism.fingerprint, "processing": "none"}
    methods = {"surgical": {"es": {"steers": [steer]}}, "half": {"es": {"steers": [steer | {"strength": 1.0}]}}}
    write_plans(tmp_path / "plan.json", model=model, template="none", methods=methods)
    return tmp_path


@pytest.fixture
def at_hand(monkeypatch: pytest.MonkeyPatch, organism: LoadedModel) -> list[str]:
    """The organism in place of whatever is loaded; the names that were asked for."""
    asked: list[str] = []

    def load(name: str, **settings: Any) -> LoadedModel:
        asked.append(name)
        return organism

    monkeypatch.setattr(loading, "load_model", load)
    return asked


def interp(*arguments: str | Path | int) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        return CliRunner().invoke(app, [str(argument) for argument in arguments])


def answers(organism: LoadedModel, vector: torch.Tensor, strength: float, text: str) -> list[str]:
    steered = Plan((Steer(3, vector, strength),))
    return [row[0].text for row in generate(organism.model, [text], [Plan(), steered], max_new_tokens=NEW)]


def test_answers_are_those_of_generate(
    plans: Path, vectors: torch.Tensor, organism: LoadedModel, at_hand: list[str]
) -> None:
    prompt = question_text(QUESTION, "es")
    cases = {
        ("--plan", plans, "--language", "es"): (2.0, prompt),
        ("--plan", plans / "plan.json", "--language", "es", "--method", "half"): (1.0, prompt),
        ("--plan", plans, "--language", "es", "--strength", "0.5"): (1.0, prompt),
        ("--plan", plans, "--language", "es", "--raw"): (2.0, QUESTION),
        ("--vectors", plans / "theirs.safetensors", "--layer", "3", "--language", "es"): (1.0, prompt),
        ("--vectors", plans / "theirs.safetensors", "--layer", "3", "--strength", "2", "--raw"): (2.0, QUESTION),
    }
    for arguments, (strength, text) in cases.items():
        done = interp("generate", *arguments, "--max-new-tokens", NEW, "--json", QUESTION)
        assert done.exit_code == 0, done.exception
        found = json.loads(done.stdout)
        [answer] = found["answers"]
        assert (answer["question"], answer["prompt"]) == (QUESTION, text)
        expected = answers(organism, vectors[3], strength, text)
        assert [answer["unsteered"]["text"], answer["steered"]["text"]] == expected
        assert found["steers"] == [{"layer": 3, "strength": strength, "operator": "add", "positions": "text"}]
        assert found["model"]["fingerprint"] == organism.fingerprint
    assert set(at_hand) == {"organism"}


def test_the_plain_model_answers_alone(organism: LoadedModel, vectors: torch.Tensor, at_hand: list[str]) -> None:
    done = interp("generate", "--language", "es", "--max-new-tokens", NEW, "--json", QUESTION, QUESTION)
    found = json.loads(done.stdout)
    assert found["steers"] == []
    expected = answers(organism, vectors[3], 1.0, question_text(QUESTION, "es"))[0]
    assert [answer["unsteered"]["text"] for answer in found["answers"]] == [expected] * 2
    assert all("steered" not in answer for answer in found["answers"])


def test_answers_stand_side_by_side(
    plans: Path, organism: LoadedModel, vectors: torch.Tensor, at_hand: list[str]
) -> None:
    done = interp(
        "generate", "--plan", plans, "--language", "es", "--model", "another/model", "--max-new-tokens", NEW, QUESTION
    )
    assert at_hand == ["another/model"]
    assert all(word in done.stdout for word in ("question", "unsteered", "steered"))
    first = answers(organism, vectors[3], 2.0, question_text(QUESTION, "es"))[0].split()[0]
    assert first in done.stdout


def test_ctrl_c_is_130(plans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(name: str, **settings: Any) -> LoadedModel:
        raise KeyboardInterrupt

    monkeypatch.setattr(loading, "load_model", stop)
    done = interp("generate", "--plan", plans, "--language", "es", QUESTION)
    assert done.exit_code == 130


PLAN, THEIRS = "{plans}/plan.json", "{plans}/theirs.safetensors"
MISTAKES = {
    ("generate", "--plan", PLAN, "x"): "no language is given; to do: pass --language, or --raw",
    ("generate", "--plan", PLAN, "--raw", "x"): "a plan needs a language; allowed: es",
    ("generate", "--plan", PLAN, "--language", "xx", "x"): "has no plan for language 'xx'; allowed: es",
    ("generate", "--plan", PLAN, "--language", "ko", "x"): "method 'surgical' has no plan for language 'ko'; allowed: es",
    ("generate", "--plan", PLAN, "--language", "es", "--method", "hal", "x"): "did you mean 'half'",
    ("generate", "--plan", "{plans}/absent", "--language", "es", "x"): "absent does not exist",
    ("generate", "--plan", PLAN, "--vectors", THEIRS, "--raw", "x"): "--plan and --vectors don't go together",
    ("generate", "--plan", PLAN, "--layer", "3", "--language", "es", "x"): "--layer 3 makes no sense without --vectors",
    ("generate", "--strength", "2", "--raw", "x"): "--strength 2 makes no sense without --plan or --vectors",
    ("generate", "--plan", PLAN, "--language", "es", "--strength", "0.1r", "x"): "'0.1r' makes no sense with --plan",
    ("generate", "--vectors", THEIRS, "--layer", "3", "--strength", "0.1r", "--raw", "x"): "needs residual norms",
    ("generate", "--vectors", THEIRS, "--layer", "3", "--strength", "nan", "--raw", "x"): "strength 'nan' is not allowed",
    ("score", "--vectors", THEIRS, "--layer", "3", "--strength", "0.1r"): "which are not known for theirs",
    ("generate", "--method", "en", "--raw", "x"): "--method en makes no sense without --plan",
    ("generate", "--vectors", THEIRS, "--raw", "x"): "--vectors needs a layer",
    ("generate", "--vectors", THEIRS, "--layer", "2", "--raw", "x"): "has no vector for layer 2; allowed: --layer 3",
    ("generate", "--vectors", THEIRS, "--layer", "3", "--operator", "ad", "--raw", "x"): "operator 'ad' is unknown",
    ("generate", "--vectors", THEIRS, "--layer", "3", "--positions", "first", "--raw", "x"): "allowed: text, last, all",
    ("generate", "--raw", "--template", "none", "x"): "--template makes no sense with --raw",
    ("generate", "--language", "es", "--template", "absent.jinja", "x"): "template 'absent.jinja' can't be read",
    ("generate", "--language", "es", "--model", "./not/here", "x"): "folder './not/here' does not exist",
    ("generate", "--language", "es", "--device", "tpu", "x"): "device 'tpu' is unknown",
    ("score", "--methods", "en"): "--methods en makes no sense without --plan",
    ("score", "--plan", PLAN, "--strength", "2"): "a plan has its own strengths",
    ("score", "--plan", PLAN, "--methods", "surgical,english"): "method 'english' is not in",
    ("score", "--plan", PLAN, "--split", "train"): "split 'train' is unknown; allowed: fit, dev, test",
    ("score", "--plan", PLAN, "--languages", "ko"): "there is no plan for language 'ko'; allowed: es",
    ("score", "--plan", PLAN, "--universal", "mmlu"): "universal dataset 'mmlu' is unknown",
    ("score", "--plan", PLAN, "--out", "{plans}"): "is the folder of a run, whose plans would be lost",
    ("score", "--vectors", THEIRS, "--layer", "3", "--methods", "en"): "--methods en makes no sense without --plan",
    ("score", "--vectors", THEIRS, "--layer", "3", "--limit", "3"): "limit 3 is not allowed",
}  # fmt: skip


@pytest.mark.parametrize("arguments", MISTAKES)
def test_a_mistake_is_told_before_a_model_is_loaded(
    arguments: tuple[str, ...], plans: Path, at_hand: list[str]
) -> None:
    done = interp(*(argument.format(plans=plans) for argument in arguments))
    assert isinstance(done.exception, TranslocalError), done.exception
    assert MISTAKES[arguments] in str(done.exception)
    assert at_hand == []


def test_a_plan_that_does_not_fit_is_told(plans: Path, organism: LoadedModel, at_hand: list[str]) -> None:
    save_file({"layer.3": torch.ones(5)}, plans / "narrow.safetensors")
    done = interp("generate", "--vectors", plans / "narrow.safetensors", "--layer", "3", "--raw", QUESTION)
    assert isinstance(done.exception, TranslocalError)
    assert "the plan does not fit the model: the vector has width 5" in str(done.exception)


def test_scoring_a_plan(plans: Path, organism: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    from interp.study import rescoring

    monkeypatch.setattr(rescoring, "load_configured", lambda config: organism)
    out = plans / "out"
    done = interp("score", "--plan", plans, "--methods", "half", "--limit", "40", "--out", out)
    assert done.exit_code == 0, done.exception
    plane = pd.read_csv(out / "plane.csv")
    assert set(plane["method"]) == {"base", "half"}
    assert set(plane["language"]) == {"es", "macro"}
    assert "Transfer-localization plane, test split" in done.stdout
    assert f"tables  {out}" in done.stdout
    assert json.loads((out / "manifest.json").read_text())["config"]["limit"] == 40
