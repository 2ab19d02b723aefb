"""Vectors that safetensors and gguf's own writer wrote, in every form that is read, and what is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from interp.errors import DataError
from interp.model import LoadedModel
from interp.steering import SteeringVectors, read_vectors, steered
from interp.steering._foreign import FORMS

D = 6
TABLE = torch.arange(4 * D, dtype=torch.float32).reshape(4, D) + 1


def write_gguf(path: Path, directions: Mapping[str, np.ndarray], hint: str = "llama") -> Path:
    """As repeng and llama.cpp's generator write control vectors."""
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(path, "controlvector")
    writer.add_string("controlvector.model_hint", hint)
    writer.add_uint32("controlvector.layer_count", len(directions))
    for name, values in directions.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_safetensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> Path:
    save_file({name: tensor.clone() for name, tensor in tensors.items()}, path)
    return path


def test_our_own_file_is_read_as_it_is(tmp_path: Path) -> None:
    SteeringVectors("en:ko", TABLE, {"language": "ko", "processing": "none"}).save(tmp_path / "own.safetensors")
    found = read_vectors(tmp_path / "own.safetensors")
    assert (found.name, found.provenance) == ("en:ko", {"language": "ko", "processing": "none"})
    assert found.vectors.equal(TABLE)
    assert found.layers == (0, 1, 2, 3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_a_table_has_a_row_per_layer(tmp_path: Path, dtype: torch.dtype) -> None:
    found = read_vectors(write_safetensors(tmp_path / "table.safetensors", {"control": TABLE.to(dtype)}))
    assert found.vectors.dtype == torch.float32
    assert found.vectors.equal(TABLE)
    assert found.plan(2, 0.5).steers[0].vector.equal(TABLE[2])


def test_a_single_vector_needs_its_layer(tmp_path: Path) -> None:
    path = write_safetensors(tmp_path / "one.safetensors", {"vector": TABLE[1]})
    with pytest.raises(DataError, match="does not name its layer"):
        read_vectors(path)
    found = read_vectors(path, layer=2)
    assert found.layers == (2,)
    assert found.vectors.shape == (3, D)
    assert not found.vectors[:2].any()
    assert found.vectors[2].equal(TABLE[1])


@pytest.mark.parametrize("form", FORMS)
def test_tensors_named_by_layer(tmp_path: Path, form: str) -> None:
    tensors = {form.replace("N", str(layer)): TABLE[layer] for layer in (1, 3)}
    path = write_safetensors(tmp_path / "named.safetensors", tensors)
    found = read_vectors(path)
    assert found.layers == (1, 3)
    for layer in (1, 3):
        assert found.plan(layer).steers[0].vector.equal(TABLE[layer])
    with pytest.raises(DataError, match="no vector for layer 2; allowed: layers 1, 3"):
        found.plan(2)
    assert found.provenance == {
        "file": "named.safetensors", "format": "safetensors", "layers": "1,3",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }  # fmt: skip


def test_layers_that_are_missing_stay_so_when_saved_anew(tmp_path: Path) -> None:
    path = write_safetensors(tmp_path / "named.safetensors", {"layer.1": TABLE[1], "layer.3": TABLE[3]})
    read_vectors(path).save(tmp_path / "own.safetensors")
    with pytest.raises(DataError, match="allowed: layers 1, 3"):
        SteeringVectors.load(tmp_path / "own.safetensors").plan(0)


UNCLEAR = {
    "two tables": {"en": TABLE, "ko": TABLE},
    "two ways of naming": {"layer.1": TABLE[1], "direction.3": TABLE[3]},
    "a layer twice": {"layer.3": TABLE[1], "layer.03": TABLE[3]},
    "the stream before a block": {"blocks.3.hook_resid_pre": TABLE[3]},
    "something beside": {"layer.1": TABLE[1], "bias": TABLE[3]},
    "a layer of several rows": {"layer.1": TABLE},
    "a number that may be a layer": {"layer_3": TABLE[3]},
    "a number that may be a version": {"v2": TABLE},
}


@pytest.mark.parametrize("case", UNCLEAR)
def test_the_ambiguous_is_refused_with_the_names_found(tmp_path: Path, case: str) -> None:
    with pytest.raises(DataError, match="does not say which vector belongs to which layer") as told:
        read_vectors(write_safetensors(tmp_path / "odd.safetensors", UNCLEAR[case]), layer=1)
    assert all(f"{name} {list(tensor.shape)}" in str(told.value) for name, tensor in UNCLEAR[case].items())


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        ({}, "does not hold any tensor"),
        ({"table": TABLE.int()}, "torch.int32"),
        ({"table": TABLE[None]}, r"of shape \[1, 4, 6\]"),
        ({"layer.1": TABLE[1], "layer.2": TABLE[2, :3]}, "of different widths: 3, 6"),
        ({"table": TABLE / 0}, "that are not finite"),
    ],
)
def test_what_is_no_vector_is_refused(tmp_path: Path, tensors: dict[str, torch.Tensor], told: str) -> None:
    with pytest.raises(DataError, match=told):
        read_vectors(write_safetensors(tmp_path / "odd.safetensors", tensors))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04pickled", b"\x80\x02}", b"GGUF", b"GGUF\x03\x00\x00\x00junk"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("gguf")
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(DataError, match="can't be read as"):
        read_vectors(tmp_path / "file")
    with pytest.raises(DataError, match="can't be read: No such file"):
        read_vectors(tmp_path / "absent")
    with pytest.raises(DataError, match="can't be read"):
        read_vectors(tmp_path)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
def test_directions_of_gguf(tmp_path: Path, dtype: type) -> None:
    values = TABLE.numpy().astype(dtype)
    path = write_gguf(tmp_path / "mine.gguf", {f"direction.{layer}": values[layer] for layer in (3, 1)})
    found = read_vectors(path)
    assert found.name == "mine"
    assert found.layers == (1, 3)
    assert found.vectors.equal(torch.stack([torch.zeros(D), TABLE[1], torch.zeros(D), TABLE[3]]))
    assert found.provenance == {
        "file": "mine.gguf", "format": "gguf", "layers": "1,3", "model_hint": "llama",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("directions", "told"),
    [
        ({"direction.0": TABLE.numpy()[0]}, r"'direction.0' \(F32, \[6\]\) is not a direction"),
        ({"blk.1.attn_q.weight": TABLE.numpy()}, "pass a control vector, not a model"),
        ({"direction.1": TABLE.numpy()}, r"\[4, 6\]"),
        ({"direction.1": TABLE.numpy()[0].astype(np.int32)}, "I32"),
        ({}, "does not hold any tensor"),
    ],
)
def test_what_is_no_control_vector_is_refused(tmp_path: Path, directions: dict[str, np.ndarray], told: str) -> None:
    with pytest.raises(DataError, match=told):
        read_vectors(write_gguf(tmp_path / "odd.gguf", directions))


def test_direction_n_is_added_to_the_output_of_block_n(tmp_path: Path, organism: LoadedModel) -> None:
    """By Transformers' own hidden states: [n + 1] is what leaves block n, counted from 0."""
    from transformers import AutoModelForCausalLM

    from interp.model.load import organism_folder

    vector = torch.full((organism.model.cfg.d_model,), 0.5)
    found = read_vectors(write_gguf(tmp_path / "mine.gguf", {"direction.3": vector.numpy()}))
    ids = torch.tensor([[1, 20, 30, 40]])
    plain = AutoModelForCausalLM.from_pretrained(organism_folder(), dtype=torch.float32).eval()
    with torch.no_grad():
        states = plain(ids, output_hidden_states=True).hidden_states
        with steered(organism.model, found.plan(3, positions="all")) as model:
            _, cache = model.run_with_cache(ids)  # type: ignore[attr-defined]
    assert torch.allclose(cache["blocks.2.hook_resid_post"], states[3], atol=1e-4)
    assert torch.allclose(cache["blocks.3.hook_resid_post"], states[4] + vector, atol=1e-4)
