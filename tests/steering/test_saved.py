"""plan.json: what is written is what is read, and every mistake in it is told with its place."""

from __future__ import annotations

import copy
import json
import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from interp.errors import DataError, ModelError, Notice
from interp.model import LoadedModel
from interp.steering import Plan, Steer, SteeringVectors, generate, load_plans, notice_other_model, write_plans

L, D = 8, 128
VECTORS = torch.randn(L, D, generator=torch.Generator().manual_seed(0))
STEER = {"vectors": "vectors/en.ko.safetensors", "layer": 3, "strength": 0.5, "operator": "add", "positions": "all"}
TURN = STEER | {"layer": 5, "strength": 1, "operator": "rotate", "positions": "last"}
DOCUMENT: dict[str, Any] = {
    "schema": "translocal/plan/1",
    "model": {"name": "organism", "fingerprint": "abc", "processing": "none"},
    "template": "none",
    "methods": {
        "surgical": {"ko": {"steers": [STEER, TURN], "notes": {"dev_value": 0.71}}},
        "en": {"es": {"steers": []}},
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plans" / "vectors").mkdir(parents=True)
    SteeringVectors("en:ko", VECTORS, {"language": "ko"}).save(tmp_path / "plans" / STEER["vectors"])
    (tmp_path / "plans" / "plan.json").write_text(json.dumps(DOCUMENT))
    return tmp_path / "plans"


def test_a_plan_is_the_steers_that_are_written(folder: Path) -> None:
    for path in (folder, folder / "plan.json", str(folder / "plan.json")):
        saved = load_plans(path)
        assert saved.languages() == ("ko",)
        assert saved.saved("ko").notes == {"dev_value": 0.71}
        assert saved.plan("es", "en").steers == ()
        first, second = saved.plan("ko").steers
        assert (first.layer, first.strength, first.operator, first.positions) == (3, 0.5, "add", "all")
        assert (second.layer, second.strength, second.operator, second.positions) == (5, 1.0, "rotate", "last")
        assert first.processing == "none"
        assert first.vector.equal(VECTORS[3])
        assert second.vector.equal(VECTORS[5])


def test_what_is_written_is_read_and_is_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    parts = {key: DOCUMENT[key] for key in ("model", "template", "methods")}
    write_plans(folder / "plan.json", **parts, notes={"by": "hand"})
    written = (folder / "plan.json").read_text()
    assert json.loads(written) == DOCUMENT | {"notes": {"by": "hand"}}
    assert written == json.dumps(json.loads(written), indent=2, sort_keys=True) + "\n"
    turned = {key: dict(reversed(value.items())) if isinstance(value, dict) else value for key, value in parts.items()}
    write_plans(tmp_path / "plan.json", **turned, notes={"by": "hand"})
    assert (tmp_path / "plan.json").read_text() == written
    assert load_plans(folder).notes == {"by": "hand"}


def test_what_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    methods = {"en": {"ko": {"steers": [STEER | {"strength": float("nan")}]}}}
    with pytest.raises(DataError, match=r"methods.en.ko.steers.0.strength: nan is not a number"):
        write_plans(tmp_path / "plan.json", model=DOCUMENT["model"], template="none", methods=methods)
    assert not list(tmp_path.iterdir())


def test_unknown_methods_and_languages_name_the_nearest(folder: Path) -> None:
    saved = load_plans(folder)
    with pytest.raises(
        DataError, match=r"method 'surgcal' is not in .*; allowed: surgical, en; to do: did you mean 'surgical'"
    ):
        saved.plan("ko", "surgcal")
    with pytest.raises(DataError, match="method 'surgical' has no plan for language 'es'; allowed: ko"):
        saved.plan("es")


def changed(path: str, value: Any) -> str:
    """The document with one value changed; REMOVED takes the key away."""
    document = copy.deepcopy(DOCUMENT)
    *way, last = path.split(">")
    place: Any = document
    for key in way:
        place = place[int(key) if isinstance(place, list) else key]
    if value is REMOVED:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return json.dumps(document)


REMOVED = object()
IN_STEER = "methods>surgical>ko>steers>0"
MISTAKES = [
    ("schema", REMOVED, "does not state a schema"),
    ("schema", "translocal/plan/2", "has the schema 'translocal/plan/2'; allowed: translocal/plan/1"),
    ("model", REMOVED, "the key 'model' is missing"),
    ("model", "organism", "model: 'organism' is not an object"),
    ("model>fingerprint", 3, "model.fingerprint: 3 is not a text"),
    ("model>processing", "", "model.processing: '' is not a text"),
    ("modell", {}, "the key 'modell' is unknown; .*did you mean 'model'"),
    ("template", None, "template: None is not a text"),
    ("notes", [], r"notes: \[\] is not an object"),
    ("methods", [], r"methods: \[\] is not an object"),
    ("methods>..", {}, "'..' can't be the name of a method"),
    ("methods>a/b", {}, "'a/b' can't be the name of a method"),
    ("methods>surgical>k o", {"steers": []}, "'k o' can't be the name of a language"),
    ("methods>surgical>ko", [], r"methods.surgical.ko: \[\] is not an object"),
    ("methods>surgical>ko>steers", {}, "methods.surgical.ko.steers: {} is not a list"),
    ("methods>surgical>ko>dev_value", 0.7, "the key 'dev_value' is unknown"),
    ("methods>surgical>ko>notes", 0.7, "methods.surgical.ko.notes: 0.7 is not an object"),
    (f"{IN_STEER}>layer", -1, "methods.surgical.ko.steers.0.layer: -1 is not a layer"),
    (f"{IN_STEER}>layer", True, "True is not a layer"),
    (f"{IN_STEER}>layer", 1.0, "1.0 is not a layer"),
    (f"{IN_STEER}>strength", "1", "'1' is not a number"),
    (f"{IN_STEER}>strength", False, "False is not a number"),
    (f"{IN_STEER}>strength", float("inf"), "inf is not a number"),
    (f"{IN_STEER}>strength", REMOVED, "the key 'strength' is missing"),
    (f"{IN_STEER}>operator", "ad", "'ad' is unknown; allowed: add, .*did you mean 'add'"),
    (f"{IN_STEER}>positions", "first", "'first' is unknown; allowed: text, last, all"),
    (f"{IN_STEER}>positions", ["all"], r"\['all'\] is unknown"),
    (f"{IN_STEER}>vectors", "/etc/passwd", "is outside the folder"),
    (f"{IN_STEER}>vectors", "vectors/../../x", "is outside the folder"),
    (f"{IN_STEER}>vectors", "C:/x", "is outside the folder"),
    (f"{IN_STEER}>vectors", "..\\x", "is outside the folder"),
    (IN_STEER, "en@3", "'en@3' is not an object"),
]


@pytest.mark.parametrize(("path", "value", "told"), MISTAKES)
def test_a_mistake_is_told_with_its_place(folder: Path, path: str, value: Any, told: str) -> None:
    (folder / "plan.json").write_text(changed(path, value))
    with pytest.raises(DataError, match=told) as raised:
        load_plans(folder)
    assert str(folder / "plan.json") in str(raised.value)


@pytest.mark.parametrize("text", ["", "{", "\xff", '{"schema": 1, "schema": 1}', "[" * 100_000])
def test_what_is_no_json_is_told(folder: Path, text: str) -> None:
    (folder / "plan.json").write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match="can't be read as JSON"):
        load_plans(folder)


@pytest.mark.parametrize("text", ["3", "[]", "null", "{}"])
def test_json_of_another_kind_is_told(folder: Path, text: str) -> None:
    (folder / "plan.json").write_text(text)
    with pytest.raises(DataError, match="does not state a schema"):
        load_plans(folder)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no plan.json"):
        load_plans(tmp_path)
    with pytest.raises(DataError, match=r"plan.json does not exist"):
        load_plans(tmp_path / "plan.json")


def test_vectors_that_are_missing_foreign_or_too_few(folder: Path) -> None:
    path = folder / STEER["vectors"]
    path.unlink()
    with pytest.raises(DataError, match=r"vectors file .*en.ko.safetensors does not exist"):
        load_plans(folder).plan("ko")
    save_file({"other": VECTORS}, path)
    with pytest.raises(DataError, match="does not hold steering vectors"):
        load_plans(folder).plan("ko")
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match="does not hold steering vectors"):
        load_plans(folder).plan("ko")
    SteeringVectors("en:ko", VECTORS[:4]).save(path)
    with pytest.raises(DataError, match="en:ko has no vector for layer 5; allowed: layers 0, 1, 2, 3"):
        load_plans(folder).plan("ko")


def test_links_that_leave_the_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    path = folder / STEER["vectors"]
    inside = path.with_name("real.safetensors")
    path.rename(inside)
    path.symlink_to(inside)
    assert len(load_plans(folder).plan("ko").steers) == 2
    os.replace(inside, tmp_path / "outside.safetensors")
    path.unlink()
    path.symlink_to(tmp_path / "outside.safetensors")
    with pytest.raises(DataError, match="is outside the folder"):
        load_plans(folder).plan("ko")
    (folder / "vectors").rename(tmp_path / "elsewhere")
    (folder / "vectors").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="is outside the folder"):
        load_plans(folder).plan("ko")


def test_vectors_of_another_processing_are_refused(folder: Path, organism: LoadedModel) -> None:
    SteeringVectors("en:ko", VECTORS, {"processing": "fold_ln"}).save(folder / STEER["vectors"])
    with pytest.raises(DataError, match=r"fitted on a model with processing 'fold_ln'; .* states 'none'"):
        load_plans(folder).plan("ko")
    (folder / "plan.json").write_text(changed("model>processing", "fold_ln"))
    with pytest.raises(ModelError, match="fitted on a model with processing 'fold_ln', but this model has 'none'"):
        generate(organism.model, ["x"], [load_plans(folder).plan("ko")])


def test_another_model_is_noticed(folder: Path, organism: LoadedModel) -> None:
    with pytest.warns(Notice, match=r"made for organism \(abc\), but the model is organism"):
        notice_other_model(load_plans(folder), organism)
    (folder / "plan.json").write_text(changed("model>fingerprint", organism.fingerprint))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        notice_other_model(load_plans(folder), organism)
        notice_other_model(load_plans(folder), replace(organism, name="another name"))


def test_scaling_multiplies_every_strength() -> None:
    plan = Plan((Steer(0, VECTORS[0], 2.0), Steer(1, VECTORS[1], -1.0, "rotate", "last")))
    found = plan.scaled(0.5)
    assert [steer.strength for steer in found.steers] == [1.0, -0.5]
    assert [(s.layer, s.operator, s.positions) for s in found.steers] == [(0, "add", "text"), (1, "rotate", "last")]
