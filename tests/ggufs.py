"""GGUF files of tiny models, written by the package gguf from checkpoints that Transformers wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def write_gguf(
    folder: Path, target: Path, stored: str = "F32", *, values: Mapping[str, Any] | None = None,
    tensors: Mapping[str, np.ndarray] | None = None, architecture: str = "qwen2",
) -> Path:  # fmt: skip
    """The checkpoint of a folder (Qwen 2, byte-level tokenizer) as a GGUF file, its matrices stored as `stored`.

    values, tensors: more keys and tensors. architecture: what the file says that it is.
    """
    import gguf
    from safetensors.numpy import load_file

    config = json.loads((folder / "config.json").read_text())
    kind = gguf.GGMLQuantizationType[stored]
    writer = gguf.GGUFWriter(target, architecture)
    writer.add_name("tiny")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    if "qwen2.rope.freq_base" not in (values or {}):
        writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_file_type(getattr(gguf.LlamaFileType, {"F32": "ALL_F32"}.get(stored, f"MOSTLY_{stored}")))
    _add_tokenizer(writer, folder, config["vocab_size"])
    for key, value in (values or {}).items():
        {str: writer.add_string, float: writer.add_float32, int: writer.add_uint32}[type(value)](key, value)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, config["num_hidden_layers"])
    weights = load_file(folder / "model.safetensors")
    for name, weight in weights.items():
        own = names.get_name(name.rpartition(".")[0]) + "." + name.rpartition(".")[2]
        if _stays(weight) or stored == "F32":
            writer.add_tensor(own, weight)
        else:
            writer.add_tensor(own, gguf.quantize(weight, kind), raw_dtype=kind)
    for name, tensor in (tensors or {}).items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def _stays(weight: np.ndarray) -> bool:
    """Whether a weight is left in float32: vectors, and rows that don't divide into blocks of 32."""
    return weight.ndim < 2 or weight.shape[-1] % 32 > 0


def _add_tokenizer(writer: Any, folder: Path, rows: int) -> None:
    """The byte-level vocabulary and merges of tokenizer.json; rows without a word get names, as llama.cpp gives them."""
    file = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    words = {number: word for word, number in file["model"]["vocab"].items()}
    special = {token["id"] for token in file["added_tokens"]}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([words.get(number, f"[PAD{number}]") for number in range(rows)])
    writer.add_token_types([3 if number in special else 1 if number in words else 5 for number in range(rows)])
    writer.add_token_merges([" ".join(pair) for pair in file["model"]["merges"]])
    writer.add_eos_token_id(file["model"]["vocab"]["</s>"])
    writer.add_pad_token_id(file["model"]["vocab"]["<pad>"])


def dequantised_checkpoint(folder: Path, target: Path, stored: str) -> Path:
    """The checkpoint with every matrix rounded as a GGUF file would store it, by the package gguf."""
    import shutil

    import gguf
    from safetensors.numpy import load_file, save_file

    shutil.copytree(folder, target)
    kind = gguf.GGMLQuantizationType[stored]
    weights = load_file(folder / "model.safetensors")
    rounded = {
        name: weight if _stays(weight) else gguf.dequantize(gguf.quantize(weight, kind), kind)
        for name, weight in weights.items()
    }
    save_file(rounded, target / "model.safetensors", metadata={"format": "pt"})
    return target
