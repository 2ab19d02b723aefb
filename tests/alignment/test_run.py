"""A run's folder: adapter and merged checkpoint agree, the same command goes on, another is refused."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from interp.alignment import METHODS, Base, TrainingData, align, settings_for
from interp.alignment._run import AlignResult
from interp.errors import ConfigError, DataError, ModelError, OutputError
from interp.model.load import load_model, organism_folder
from interp.organism import FILE as EXPOSURE
from interp.steering import SteeringVectors

pytest.importorskip("peft")
pytestmark = pytest.mark.filterwarnings("ignore::interp.errors.Notice")

SMALL = {"steps": 2, "batch": 4, "accumulation": 1, "lr": 2e-2}


@pytest.fixture
def run(tiny_checkpoint: Callable[[str], Path], small_data: TrainingData) -> Callable[..., AlignResult]:
    def small(out: Path, architecture: str = "llama", method: str = "instruct", **more: Any) -> AlignResult:
        given = {name: more.pop(name) for name in list(more) if name in settings_for("clo").__dataclass_fields__}
        folder = more.pop("folder", None) or tiny_checkpoint(architecture)
        return align(
            settings_for(method, **(SMALL | given)), out, model=Base(str(folder), device="cpu", revision=more.pop("revision", None)),
            data=more.pop("data", small_data), **more,
        )  # fmt: skip

    return small


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("architecture", ["gemma3", "qwen3", "gpt2", "gemma3_images"])
def test_merged_and_adapter_say_the_same(
    architecture: str,
    method: str,
    run: Callable[..., AlignResult],
    tiny_checkpoint: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    found = run(tmp_path / "out", architecture, method)
    base = AutoModelForCausalLM.from_pretrained(tiny_checkpoint(architecture), attn_implementation="eager")
    tokens = torch.randint(3, 3000, (2, 20), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        plain = base.eval()(tokens).logits
        adapted = PeftModel.from_pretrained(base, found.adapter).eval()(tokens).logits
        merged = load_model(str(found.merged), device="cpu").model(tokens)
    assert (merged - adapted).abs().max() <= 1e-4
    assert (merged - plain).abs().max() > 1e-3


def test_what_a_run_leaves(run: Callable[..., AlignResult], small_data: TrainingData, tmp_path: Path) -> None:
    found = run(tmp_path / "out", method="midalign", steps=4)
    assert {path.name for path in found.folder.iterdir()} == {
        "adapter", "merged", "loss.csv", "manifest.json", "asked.json"
    }  # fmt: skip
    files = {path.name for path in found.folder.rglob("*") if path.is_file()}
    assert not [name for name in files if name.endswith((".bin", ".pt", ".pkl", ".md"))]
    with (found.folder / "loss.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"]
    assert [bool(row["info_nce"]) for row in rows] == [True, False, True, False]
    manifest = found.manifest
    assert manifest["status"] == "finished"
    assert manifest["settings"]["layer"] == 0
    assert manifest["lora"]["blocks"] == "model.layers"
    assert manifest["lora"]["modules"][0] == "self_attn.q_proj"
    assert manifest["data"]["fingerprint"] == small_data.fingerprint
    assert manifest["loss"]["info_nce"]["first"] == pytest.approx(float(rows[0]["info_nce"]), rel=1e-4)
    assert set(manifest["dev_cross_entropy"]["before"]) == {"en", "es", "ko"}
    assert {"torch", "transformers", "peft", "translocal"} <= set(manifest["versions"])


def test_a_finished_run_is_taken_as_it_is(run: Callable[..., AlignResult], tmp_path: Path) -> None:
    first = run(tmp_path / "out")
    (first.merged / "model.safetensors").unlink()
    assert run(tmp_path / "out").manifest == first.manifest
    assert not (first.merged / "model.safetensors").exists()


def test_a_killed_run_goes_on(run: Callable[..., AlignResult], tmp_path: Path) -> None:
    from safetensors.torch import load_file

    whole = run(tmp_path / "whole", steps=4)

    class Killed(Exception):
        pass

    class Killer:
        def stage(self, name: str, total: int) -> Any:
            from contextlib import nullcontext

            calls: list[float] = []

            def advance(text: str, amount: float) -> None:
                calls.append(amount)
                if len(calls) == 3:
                    raise Killed

            return nullcontext(advance)

    with pytest.raises(Killed):
        run(tmp_path / "cut", steps=4, save_every=2, progress=Killer())
    assert (tmp_path / "cut" / "training").is_dir()
    cut = run(tmp_path / "cut", steps=4)  # how often it is saved may change
    one, other = (load_file(r.adapter / "adapter_model.safetensors") for r in (whole, cut))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert (whole.folder / "loss.csv").read_bytes() == (cut.folder / "loss.csv").read_bytes()


def test_another_run_is_refused(run: Callable[..., AlignResult], small_data: TrainingData, tmp_path: Path) -> None:
    run(tmp_path / "out")
    with pytest.raises(OutputError, match=r"holds another run: settings.lr: 0.02 there, 0.01 here; "):
        run(tmp_path / "out", lr=0.01)
    fewer = replace(small_data, units=small_data.units[1:])
    with pytest.raises(
        OutputError, match=r"holds another run: data.units.question: 40 there, 39 here; data.fingerprint"
    ):
        run(tmp_path / "out", data=fewer)
    with pytest.raises(OutputError, match=r"holds another run: .*model.name: 'llama\d*' there, 'qwen3"):
        run(tmp_path / "out", "qwen3")
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="is not a training run's folder"):
        run(other)
    assert (other / "notes.txt").read_text() == "mine"


def test_exposure_comes_along(
    run: Callable[..., AlignResult], tiny_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_checkpoint("llama"), tmp_path / "base")
    shutil.copyfile(organism_folder() / EXPOSURE, folder / EXPOSURE)
    found = run(tmp_path / "out", folder=folder)
    assert load_model(str(found.merged), device="cpu").exposure == load_model("organism", device="cpu").exposure


def loc(layers: int = 3, width: int = 32, **provenance: Any) -> SteeringVectors:
    return SteeringVectors("loc", torch.randn(layers, width, generator=torch.Generator().manual_seed(1)), provenance)


def test_loc_is_kept_where_asked(run: Callable[..., AlignResult], tmp_path: Path) -> None:
    given = {"steps": 12, "lr": 5e-2, "dropout": 0.0, "keep_layers": (1,), "warmup": 0.0}
    shifts = {}
    for weight in (0.0, 300.0):
        found = run(tmp_path / str(weight), keep_loc=[loc()], keep_weight=weight, **given)
        with (found.folder / "loss.csv").open(newline="") as file:
            shifts[weight] = [float(row["shift"]) for row in csv.DictReader(file)][-1]
    assert shifts[300.0] < shifts[0.0] / 4
    assert found.manifest["settings"]["keep_layers"] == [1]
    assert found.manifest["keep_loc"][0]["name"] == "loc"


def test_loc_from_a_file_and_default_layers(run: Callable[..., AlignResult], tmp_path: Path) -> None:
    loc().save(tmp_path / "loc.safetensors")
    found = run(tmp_path / "out", keep_loc=[tmp_path / "loc.safetensors"])
    assert found.manifest["settings"]["keep_layers"] == [2]
    assert found.manifest["keep_loc"] == run(tmp_path / "again", keep_loc=[loc()]).manifest["keep_loc"]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"method": "midalign", "layer": 3}, ConfigError, "layer 3 is out of range; allowed: 0 to 2"),
        ({"keep_loc": [loc()], "keep_layers": (9,)}, ConfigError, "keep_layers 9 is out of range; allowed: 0 to 2"),
        ({"keep_loc": [loc(4)]}, DataError, r"vectors 'loc' are \[4, 32\]; allowed: \[3, 32\]"),
        ({"keep_loc": [loc(processing="fold_ln")]}, DataError, "fitted on processed weights"),
        ({"targets": ("gate",), "architecture": "gpt2"}, ConfigError, "has no projection gate"),
        ({"template": "no-such.jinja"}, ConfigError, "template 'no-such.jinja' can't be read"),
        ({"revision": "main"}, ModelError, "revision 'main' can't be applied"),
        ({"lr": 1e30, "clip": 1e30, "steps": 20, "warmup": 0.0}, ModelError, "steps are saved"),
    ],
)
def test_what_is_refused(
    given: dict[str, Any], error: type[Exception], message: str, run: Callable[..., AlignResult], tmp_path: Path
) -> None:
    with pytest.raises(error, match=message) as caught:
        run(tmp_path / "out", **given)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_zero_vectors_are_refused(run: Callable[..., AlignResult], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a vector is zero"):
        run(tmp_path / "out", keep_loc=[SteeringVectors("none", torch.zeros(3, 32))])


def test_without_peft(run: Callable[..., AlignResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interp.alignment._settings.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"needs the package peft; to do: pip install 'translocal\[align\]'"):
        run(tmp_path / "out")


def test_the_manifest_is_json(run: Callable[..., AlignResult], tmp_path: Path) -> None:
    text = (run(tmp_path / "out").folder / "manifest.json").read_text()
    assert str(tmp_path) not in text
    assert json.loads(text)["steps_timed"] == 2
