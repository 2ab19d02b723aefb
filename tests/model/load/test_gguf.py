"""GGUF models: the weights and tokens are those of the checkpoint that the package gguf wrote them from."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from interp.errors import ModelError
from interp.model import LoadedModel
from interp.model.load import find_model, gguf_configuration, header_of, load_model, outline, read_configuration
from interp.model.load._gguf import llama3_factor
from interp.model.read import copy_tokenizer, own_tokenizer
from tests.conftest import write_tiny
from tests.ggufs import dequantised_checkpoint, write_gguf


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny("qwen2", tmp_path_factory.mktemp("qwen2"))


@pytest.fixture(scope="module")
def file(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(checkpoint, tmp_path_factory.mktemp("gguf") / "tiny.gguf", "Q8_0")


@pytest.fixture(scope="module")
def loaded(file: Path) -> LoadedModel:
    return load_model(file, device="cpu")


def test_weights_in_floats_are_the_checkpoints_own(checkpoint: Path, tmp_path: Path) -> None:
    loaded = load_model(write_gguf(checkpoint, tmp_path / "a.gguf"), device="cpu")
    assert loaded.fingerprint == load_model(checkpoint, device="cpu").fingerprint
    assert loaded.gguf == "F32, read as float32"


def test_blocks_are_dequantised_as_the_package_gguf_does_it(
    checkpoint: Path, loaded: LoadedModel, tmp_path: Path
) -> None:
    rounded = load_model(dequantised_checkpoint(checkpoint, tmp_path / "r", "Q8_0"), device="cpu")
    assert loaded.fingerprint == rounded.fingerprint != load_model(checkpoint, device="cpu").fingerprint
    assert (loaded.name, loaded.gguf, loaded.quantization) == ("tiny.gguf", "Q8_0, dequantised to float32", "")
    assert loaded.described()["gguf"] == loaded.gguf
    model: Any = loaded.model.original_model
    assert getattr(model, "hf_quantizer", None) is None
    assert "quantization_config" not in model.config.to_dict()


def test_another_dtype(file: Path) -> None:
    loaded = load_model(file, device="cpu", dtype="bfloat16")
    assert loaded.model.original_model.dtype == torch.bfloat16
    assert loaded.gguf == "Q8_0, dequantised to bfloat16"


def test_texts_are_encoded_as_by_the_checkpoints_tokenizer(
    checkpoint: Path, loaded: LoadedModel, texts: list[str]
) -> None:
    own = own_tokenizer(checkpoint)
    assert [loaded.model.tokenizer(text)["input_ids"] for text in texts] == [own(text)["input_ids"] for text in texts]
    assert loaded.described()["tokenizer"] == "the checkpoint's own"


def test_the_header_is_what_the_package_gguf_reads(file: Path) -> None:
    from gguf import GGUFReader

    reader, header = GGUFReader(file), header_of(file)
    read = [
        (t.name, tuple(int(size) for size in t.shape)[::-1], int(t.tensor_type), int(t.data_offset))
        for t in reader.tensors
    ]
    assert [(t.name, t.shape, t.type, header.begin + t.offset) for t in header.tensors] == read
    assert header.architecture == "qwen2"
    assert header.values["qwen2.rope.freq_base"] == 10000.0


def test_the_configuration_is_what_transformers_reads_from_the_whole_file(file: Path) -> None:
    from transformers import AutoConfig

    ours = gguf_configuration(file, "x").to_dict()
    theirs = AutoConfig.from_pretrained(file.parent, gguf_file=file.name).to_dict()
    assert ours == theirs | {"_name_or_path": ours.get("_name_or_path")}


def test_what_else_lies_in_the_folder_does_not_matter(file: Path, loaded: LoadedModel, tmp_path: Path) -> None:
    """Transformers reads a tokenizer, and an adapter, that lies beside the file."""
    from interp.model.load import organism_folder

    shutil.copy(file, tmp_path / "a.gguf")
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        shutil.copy(organism_folder() / name, tmp_path / name)
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "org/absent"}')
    other = load_model(tmp_path / "a.gguf", device="cpu")
    assert other.fingerprint == loaded.fingerprint
    assert other.model.tokenizer("Hello")["input_ids"] == loaded.model.tokenizer("Hello")["input_ids"]


def test_a_file_without_suffix_is_known_by_how_it_begins(file: Path, tmp_path: Path) -> None:
    shutil.copy(file, tmp_path / "sha256-0123")
    assert find_model(str(tmp_path / "sha256-0123")).gguf


def test_the_outline_reads_the_header_alone(file: Path, checkpoint: Path, tmp_path: Path) -> None:
    """The weights are overwritten here, and nothing changes."""
    whole, header = outline(str(file), "bfloat16"), header_of(file)
    assert whole.shape == outline(str(checkpoint), "bfloat16").shape
    assert (whole.name, whole.place, whole.folder) == ("tiny.gguf", "folder", file)
    assert whole.weights == 2 * whole.shape.parameters
    shutil.copy(file, tmp_path / "b.gguf")
    with (tmp_path / "b.gguf").open("r+b") as emptied:
        emptied.truncate(header.begin)
        emptied.truncate(header.size)
    assert outline(str(tmp_path / "b.gguf"), "bfloat16").shape == whole.shape


def test_saved_again_it_is_an_ordinary_checkpoint(file: Path, loaded: LoadedModel, tmp_path: Path) -> None:
    """As exported and merged models are saved."""
    from interp.alignment import load_trainable

    trainable = load_trainable(str(file), device="cpu")
    assert not getattr(trainable.model, "is_quantized", False)
    trainable.model.save_pretrained(tmp_path / "saved")
    copy_tokenizer(trainable.folder, tmp_path / "saved")
    again = load_model(tmp_path / "saved", device="cpu")
    assert again.fingerprint == loaded.fingerprint
    for text in ("The capital of France is", "한국의 수도는", "</s> a"):
        assert again.model.tokenizer(text)["input_ids"] == loaded.model.tokenizer(text)["input_ids"]


def test_the_run_folder_is_named_after_the_file() -> None:
    from interp.study.config import RunConfig

    assert RunConfig(model="some/where/tiny-Q8_0.gguf").model_name == "tiny-Q8_0.gguf"
    assert RunConfig(model="org/name:tiny-Q8_0.gguf").model_name == "name_tiny-Q8_0.gguf"


def test_settings_that_do_not_go_with_a_gguf_file(file: Path) -> None:
    with pytest.raises(ModelError, match="are already quantised: quantization 4bit would round them twice"):
        load_model(file, quantization="4bit")
    with pytest.raises(ModelError, match="are already quantised"):
        outline("org/name:a.gguf", "bfloat16", quantization="8bit")
    with pytest.raises(ModelError, match=r"can't be applied to the file .*tiny\.gguf"):
        load_model(file, revision="main")


def cut(file: Path, target: Path, size: int) -> Path:
    target.write_bytes(file.read_bytes()[:size])
    return target


def refused(path: Path | str) -> str:
    """What find_model says, in one line."""
    with pytest.raises(ModelError) as error:
        find_model(str(path))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_file_that_is_cut_off(file: Path, tmp_path: Path) -> None:
    size = file.stat().st_size
    said = refused(cut(file, tmp_path / "a.gguf", size - 1))
    assert f"is truncated: it has {size - 1:,} of {size:,} bytes; to do: copy or download it again" in said
    for inside in (5, 20, 100, header_of(file).begin - 40):
        assert "is truncated: it ends inside its header" in refused(cut(file, tmp_path / f"{inside}.gguf", inside))


def test_a_file_that_is_not_gguf(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"PK\3\4 something else")
    assert "is not a GGUF file: it does not begin with the letters GGUF" in refused(tmp_path / "a.gguf")
    (tmp_path / "b.gguf").write_bytes(b"")
    assert "is not a GGUF file" in refused(tmp_path / "b.gguf")


def test_a_file_that_is_absent(tmp_path: Path) -> None:
    for name in (
        tmp_path / "a.gguf",
        "a.gguf",
        "folder/a.gguf",
        "~/a/absent.gguf",
        "a/b/c:d.gguf",
        "org/name:../a.gguf",
    ):
        said = refused(name)
        assert f"file {str(name)!r} does not exist; allowed: a checkpoint folder, a GGUF file, a Hub id" in said


def test_a_file_in_parts(checkpoint: Path, file: Path, tmp_path: Path) -> None:
    part = tmp_path / "big-00001-of-00003.gguf"
    assert "is one of 3 parts of a split GGUF file; allowed: a model in one file; to do: merge" in refused(part)
    shutil.copy(file, part)
    assert "is one of 3 parts" in refused(part)
    assert "is one of 2 parts" in refused("org/name:big-00002-of-00002.gguf")
    shutil.copy(file, tmp_path / "big-00001-of-00001.gguf")
    assert find_model(str(tmp_path / "big-00001-of-00001.gguf")).gguf
    renamed = write_gguf(checkpoint, tmp_path / "renamed.gguf", values={"split.count": 4})
    assert "is one of 4 parts" in refused(renamed)


def test_an_architecture_that_transformers_can_not_read(checkpoint: Path, tmp_path: Path) -> None:
    said = refused(write_gguf(checkpoint, tmp_path / "a.gguf", architecture="rwkv7"))
    assert "has the architecture 'rwkv7', which Transformers can't read from GGUF; allowed: " in said
    assert "gemma3" in said
    assert "pass the original checkpoint" in said


@pytest.mark.parametrize(("number", "name"), [(9, "Q8_1"), (99, "number 99")])
def test_a_quantisation_that_transformers_can_not_read(file: Path, tmp_path: Path, number: int, name: str) -> None:
    """The first tensor's type is overwritten."""
    data = bytearray(file.read_bytes())
    tensor = header_of(file).tensors[0]
    place = data.rindex(tensor.name.encode(), 0, header_of(file).begin) + len(tensor.name) + 4 + 8 * len(tensor.shape)
    assert int.from_bytes(data[place : place + 4], "little") == tensor.type
    data[place : place + 4] = number.to_bytes(4, "little")
    (tmp_path / "a.gguf").write_bytes(data)
    said = refused(tmp_path / "a.gguf")
    assert f"has weights of the type {name}, which Transformers can't dequantise; allowed: BF16, F16, F32" in said
    assert "Q4_K" in said


def test_a_version_that_is_not_read(file: Path, tmp_path: Path) -> None:
    data = bytearray(file.read_bytes())
    data[4:8] = (1).to_bytes(4, "little")
    (tmp_path / "a.gguf").write_bytes(data)
    assert "is of GGUF version 1; allowed: versions 2 and 3" in refused(tmp_path / "a.gguf")


def test_a_control_vector_is_not_a_model(tmp_path: Path) -> None:
    from interp.export import write_gguf as write_vector

    write_vector(tmp_path / "a.gguf", {1: torch.ones(4)}, "llama")
    assert "has the architecture 'controlvector'" in refused(tmp_path / "a.gguf")


def test_it_is_checked_before_torch_is_imported(file: Path) -> None:
    code = "import sys; from interp.model.load import find_model; find_model(sys.argv[1]); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, str(file)], check=True)


def test_linear_scaling_of_rotary_angles_is_kept(checkpoint: Path, tmp_path: Path) -> None:
    """Transformers leaves it out: Gemma 3 of 4B and more has a factor of 8, in its global blocks alone."""
    scaled = {"qwen2.rope.scaling.type": "linear", "qwen2.rope.scaling.factor": 8.0}
    path = write_gguf(checkpoint, tmp_path / "a.gguf", values=scaled)
    parameters = read_configuration(find_model(str(path)), "a").rope_parameters
    assert parameters == {"rope_theta": 10000.0, "rope_type": "linear", "factor": 8.0}
    model = load_model(path, device="cpu").model.original_model
    plain = 10000.0 ** -(torch.arange(0, 8, 2) / 8)
    torch.testing.assert_close(model.model.rotary_emb.inv_freq, plain / 8)


def test_gemma_3_scales_its_global_blocks_alone(checkpoint: Path, tmp_path: Path) -> None:
    keys = {"gemma3.rope.scaling.type": "linear", "gemma3.rope.scaling.factor": 8.0, "gemma3.attention.key_length": 8}
    path = write_gguf(checkpoint, tmp_path / "a.gguf", values=keys, architecture="gemma3")
    parameters = gguf_configuration(path, "a").rope_parameters
    assert parameters["full_attention"]["factor"] == 8.0
    assert parameters["full_attention"]["rope_type"] == "linear"
    assert parameters["sliding_attention"]["rope_type"] == "default"


def test_the_27b_models_scale_attention_by_width_per_head(checkpoint: Path, tmp_path: Path) -> None:
    """168 and 144 in the published configurations; no key of a GGUF file says so."""
    for architecture, sizes, expected in (("gemma3", (62, 5376, 32), 168), ("gemma2", (46, 4608, 32), 144)):
        path = write_gguf(checkpoint, tmp_path / f"{architecture}.gguf", architecture=architecture)
        header = header_of(path)
        raw = dict(header.raw)
        for name, size in zip(("block_count", "embedding_length", "attention.head_count"), sizes, strict=True):
            key = f"{architecture}.{name}"
            assert raw[key].endswith(struct.pack("<I", header.values[key]))
            raw[key] = raw[key][:-4] + struct.pack("<I", size)
        assert gguf_configuration(replace(header, raw=raw), "x").query_pre_attn_scalar == expected
        assert gguf_configuration(header, "x").query_pre_attn_scalar == 256


def llama3_factors(size: int = 64, base: float = 500000.0, factor: float = 32.0) -> np.ndarray:
    """What llama.cpp divides frequencies by, from those that Transformers has with and without scaling."""
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    scaling = {
        "rope_type": "llama3", "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192, "rope_theta": base,
    }  # fmt: skip
    config = LlamaConfig(hidden_size=size, num_attention_heads=1, head_dim=size, rope_parameters=scaling)
    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    plain = base ** -(torch.arange(0, size, 2) / size)
    return (plain / scaled).numpy().astype(np.float32)


@pytest.mark.parametrize("factor", [8.0, 32.0])
def test_llama_3s_scaling_is_found_in_its_tensor(factor: float) -> None:
    assert llama3_factor(llama3_factors(factor=factor), 500000.0) == pytest.approx(factor, rel=1e-5)
    assert llama3_factor(llama3_factors(factor=factor) ** 2, 500000.0) is None


def test_llama_3s_scaling_comes_from_the_file(checkpoint: Path, tmp_path: Path) -> None:
    """A loaded model's frequencies are the plain ones divided by the tensor, as llama.cpp has them."""
    factors, values = llama3_factors(8), {"qwen2.rope.freq_base": 500000.0}
    path = write_gguf(checkpoint, tmp_path / "a.gguf", values=values, tensors={"rope_freqs.weight": factors})
    model = load_model(path, device="cpu").model.original_model
    plain = 500000.0 ** -(torch.arange(0, 8, 2) / 8)
    torch.testing.assert_close(model.model.rotary_emb.inv_freq, plain / torch.tensor(factors))


@pytest.mark.parametrize("kind", ["yarn", "longrope", "factors"])
def test_other_scaling_is_refused(checkpoint: Path, tmp_path: Path, kind: str) -> None:
    odd = {"rope_freqs.weight": np.linspace(1, 9, 4, dtype=np.float32)} if kind == "factors" else None
    values = None if odd else {"qwen2.rope.scaling.type": kind, "qwen2.rope.scaling.factor": 4.0}
    path = write_gguf(checkpoint, tmp_path / "a.gguf", values=values, tensors=odd)
    for call in (lambda: load_model(path, device="cpu"), lambda: outline(str(path), "float32")):
        with pytest.raises(ModelError, match="scales its rotary angles in a way that Transformers can't read") as said:
            call()
        assert "\n" not in str(said.value)


def test_exports_find_the_models_configuration(file: Path, loaded: LoadedModel, tmp_path: Path) -> None:
    """Plans name a file without its folder; --model gives the path."""
    from interp.export import config_of
    from interp.export._modules import outline_model
    from interp.steering import SteeringVectors, load_plans, write_plans

    SteeringVectors("v", torch.ones(3, 32)).save(tmp_path / "v.safetensors")
    steer = {"vectors": "v.safetensors", "layer": 1, "strength": 1.0, "operator": "add", "positions": "text"}
    model = {key: loaded.described()[key] for key in ("name", "fingerprint", "processing")}
    methods = {"en": {"ko": {"steers": [steer]}}}
    write_plans(tmp_path / "plan.json", model=model, template="none", methods=methods)
    saved = load_plans(tmp_path)
    config = config_of(saved, str(file))
    assert config.model_type == "qwen2"
    assert outline_model(config).num_parameters() == header_of(file).parameters
    with pytest.raises(ModelError, match=r"file 'tiny\.gguf' does not exist") as said:
        config_of(saved)
    assert "--model" in str(said.value)
