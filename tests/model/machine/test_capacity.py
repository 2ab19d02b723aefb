"""Size of weights from headers alone, and the refusal of what doesn't fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from interp.errors import ModelError
from interp.model.load import Source, find_model, load_model
from interp.model.machine import QUANTIZED, check_fits, free_bytes, weight_bytes
from interp.model.machine import _capacity as capacity
from interp.model.machine._host import left_in_groups

GIB = 2**30


def test_headers_give_the_size_of_the_loaded_model() -> None:
    source = find_model("organism")
    model = load_model("organism", device="cpu").model.original_model
    held = {parameter.data_ptr(): parameter.numel() for parameter in model.parameters()}
    assert weight_bytes(source, "float32") == 4 * sum(held.values())
    assert weight_bytes(source, "bfloat16") == 2 * sum(held.values())


def test_integers_keep_their_width_and_quantization_takes_inner_matrices(tmp_path: Path) -> None:
    weights = {
        "model.embed_tokens.weight": torch.zeros(10, 4), "layers.0.q.weight": torch.zeros(64, 4),
        "layers.0.norm.weight": torch.zeros(4), "ids": torch.zeros(3, dtype=torch.int64),
    }  # fmt: skip
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert weight_bytes(tmp_path, "bfloat16") == 2 * (40 + 256 + 4) + 24
    for name, width in QUANTIZED.items():
        assert weight_bytes(tmp_path, "bfloat16", name) == 2 * (40 + 4) + 24 + 256 * width


def test_a_model_that_is_not_downloaded_has_no_size(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert weight_bytes(Source("org/absent-name", "org/absent-name", False), "float32") is None


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"nothing of the sort")
    with pytest.raises(ModelError, match="is not a safetensors file"):
        weight_bytes(tmp_path, "float32")


def test_a_model_bigger_than_memory_is_refused_before_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = weight_bytes(find_model("organism"), "float32")
    assert needed is not None
    monkeypatch.setattr(capacity, "free_bytes", lambda device: needed - 1)
    with pytest.raises(
        ModelError, match=r"needs 0\.0 GiB for its weights in float32, but only 0\.0 GiB are free on cpu"
    ) as e:
        load_model("organism", device="cpu")
    assert "--dtype (bfloat16)" in str(e.value)
    assert "--n-devices" in str(e.value)
    assert "\n" not in str(e.value)
    check_fits(find_model("organism"), "bfloat16", ["cpu"])
    check_fits(find_model("organism"), "float32", ["cuda:0", "cuda:1"])


def test_free_memory_is_no_more_than_the_machine_has() -> None:
    import psutil

    assert 0 < free_bytes("cpu") <= psutil.virtual_memory().total


def test_control_groups_bound_what_is_free(tmp_path: Path) -> None:
    """A job's limit counts, also one set further up; file caches are free."""
    inner = tmp_path / "jobs" / "7"
    inner.mkdir(parents=True)
    for folder, limit, used in ((inner, "max", 3 * GIB), (inner.parent, str(8 * GIB), 5 * GIB)):
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text(f"{used}\n")
        (folder / "memory.stat").write_text(f"anon 1\ninactive_file {GIB}\nactive_file {GIB}\n")
    (tmp_path / "own").write_text("0::/jobs/7\n")
    assert left_in_groups(tmp_path, tmp_path / "own") == [5 * GIB]
    assert left_in_groups(tmp_path, tmp_path / "absent") == []
