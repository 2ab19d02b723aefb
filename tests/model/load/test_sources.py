"""What is a checkpoint, and what is said of a folder that is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from interp.errors import ModelError
from interp.model.load import find_model, organism_folder, weight_files
from interp.model.load._sources import INDEX, check_checkpoint, resolve_dtype


def checkpoint(folder: Path, *names: str, shards: dict[str, str] | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text("{}")
    for name in names:
        (folder / name).write_bytes(b"")
    if shards is not None:
        (folder / INDEX).write_text(json.dumps({"weight_map": shards}))
    return folder


def test_names_folders_and_hub_ids() -> None:
    assert find_model("organism").location == str(organism_folder())
    assert find_model("org/name").local is False
    assert find_model("gpt2").local is False
    found = find_model(str(organism_folder()))
    assert (found.name, found.local) == (organism_folder().name, True)


@pytest.mark.parametrize("name", ["./absent", "/absent", "~absent", "a/b/c", ""])
def test_a_path_is_not_taken_for_a_hub_id(name: str) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        find_model(name)


def test_shards_are_those_of_the_index(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m", "a.safetensors", "b.safetensors", "old.safetensors")
    assert [path.name for path in weight_files(folder)] == ["a.safetensors", "b.safetensors", "old.safetensors"]
    checkpoint(folder, shards={"x": "b.safetensors", "y": "a.safetensors", "z": "a.safetensors"})
    assert [path.name for path in weight_files(folder)] == ["a.safetensors", "b.safetensors"]


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m", "a.safetensors", shards={"x": "a.safetensors", "y": "b.safetensors"})
    with pytest.raises(ModelError, match=r"model 'm' lacks 1 of its weight files, such as b\.safetensors"):
        check_checkpoint(folder, "model 'm'")


@pytest.mark.parametrize("text", ["{", "[]", '{"weight_map": []}', "{}"])
def test_an_index_that_is_none(text: str, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m", "a.safetensors")
    (folder / INDEX).write_text(text)
    with pytest.raises(ModelError, match="can't be read"):
        check_checkpoint(folder, "model 'm'")


def test_an_index_may_not_leave_its_folder(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m", "a.safetensors", shards={"x": "../a.safetensors"})
    with pytest.raises(ModelError, match=r"names '\.\./a\.safetensors'"):
        weight_files(folder)


def test_pickles_are_no_weights(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m", "pytorch_model.bin")
    with pytest.raises(ModelError, match="never opened"):
        check_checkpoint(folder, "model 'm'")


def test_an_adapters_folder_is_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="adapter_config"):
        find_model(str(tmp_path))


def test_half_precision_only_on_a_gpu() -> None:
    assert [resolve_dtype("auto", device) for device in ("cpu", "cuda:1", "mps")] == ["float32", "bfloat16", "bfloat16"]
    assert resolve_dtype("float16", "cpu") == "float16"
