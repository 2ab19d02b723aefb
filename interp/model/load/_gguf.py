"""A model in a GGUF file, as Transformers reads it: configuration, tokenizer, and the weights as floats."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from math import prod
from pathlib import Path
from typing import Any, cast

import gguf
import numpy as np
import transformers
from jaxtyping import Float
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES

from interp.errors import ModelError
from interp.model.load._gguf_header import ARRAY, FLOAT32, NUMBERS, STRING, UINT32, VOCABULARY, Header, Tensor
from interp.model.load._gguf_names import MAGIC
from interp.model.load._gguf_support import header_of

ALONE = "model.gguf"
LONG = 1000
"""Longer arrays are a vocabulary's, or as many numbers."""

FACTORS = "rope_freqs.weight"
OTHER_FACTORS = ("rope_factors_long.weight", "rope_factors_short.weight")
LOW, HIGH, TRAINED = 1.0, 4.0, 8192
"""Llama 3's rotary scaling: wavelengths per trained context where it is whole and where it ends, and that context."""

WIDE_HEADS = {("gemma2", 46), ("gemma3", 62)}
"""Architecture and blocks of the models of 27B, which scale attention by the width per head, as llama.cpp knows too."""


@contextmanager
def alone(path: Path) -> Iterator[dict[str, str]]:
    """What Transformers' `from_pretrained` takes for a GGUF file, in a folder of its own.

    Beside the file itself Transformers would read a tokenizer or an adapter that lies in the same folder.
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / ALONE).symlink_to(path.resolve())
        yield {"pretrained_model_name_or_path": folder, "gguf_file": ALONE}


def gguf_configuration(source: Path | Header, name: str) -> Any:
    """Transformers' configuration of a GGUF model, from its header alone.

    Transformers leaves out of a header how rotary angles are scaled; that is added here, or refused where it can't be:
    the model would be computed otherwise. name: of the model, for messages.
    """
    header = source if isinstance(source, Header) else header_of(source)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / ALONE).write_bytes(_without_vocabulary(header))
        config: Any = AutoConfig.from_pretrained(folder, gguf_file=ALONE, trust_remote_code=False)
    config.vocab_size = header.vocabulary  # some architectures count words instead
    if (header.architecture, config.num_hidden_layers) in WIDE_HEADS:
        config.query_pre_attn_scalar = config.hidden_size // config.num_attention_heads
    scaling = _scaling(source, header, name)
    if scaling:
        angles = config.rope_parameters
        angles.get("full_attention", angles).update(scaling)
    return config


def _without_vocabulary(header: Header) -> bytes:
    """A GGUF file with the header's keys and the names of its tensors, each of one number.

    Transformers takes ten seconds and more to look through a vocabulary of 262k words.
    """
    tokens = f"{VOCABULARY}tokens"
    raw = {**header.raw, tokens: _text(tokens) + struct.pack("<IIQ", ARRAY, STRING, 1) + _text("")}
    raw.pop("general.alignment", None)
    size = f"{header.architecture}.vocab_size"
    raw[size] = _text(size) + struct.pack("<II", UINT32, header.vocabulary)
    width = 32
    tensors = b"".join(
        _text(tensor.name) + struct.pack("<IQIQ", 1, 1, FLOAT32, width * number)
        for number, tensor in enumerate(header.tensors)
    )
    head = MAGIC + struct.pack("<IQQ", 3, len(header.tensors), len(raw)) + b"".join(raw.values()) + tensors
    return head + bytes(-len(head) % width) + bytes(width * len(header.tensors))


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _scaling(source: Path | Header, header: Header, name: str) -> dict[str, Any]:
    """How rotary angles are scaled, as Transformers' `rope_parameters` say it; empty if they are not.

    Of a header alone Llama 3's factor is not known: it is no number of the header but follows from a tensor.
    """
    kind = str(header.values.get(f"{header.architecture}.rope.scaling.type", "none"))
    tensors = {tensor.name: tensor for tensor in header.tensors}
    if kind == "linear":
        return {"rope_type": "linear", "factor": float(header.values[f"{header.architecture}.rope.scaling.factor"])}
    if kind == "none" and not any(other in tensors for other in OTHER_FACTORS):
        if FACTORS not in tensors or not isinstance(source, Path):
            return {}
        factor = llama3_factor(_floats(source, header, tensors[FACTORS]), _rope_base(header))
        if factor is not None:
            return {
                "rope_type": "llama3", "factor": factor, "low_freq_factor": LOW, "high_freq_factor": HIGH,
                "original_max_position_embeddings": TRAINED,
            }  # fmt: skip
    raise ModelError(
        f"model {name!r} scales its rotary angles in a way that Transformers can't read from GGUF files",
        allowed="no scaling, linear scaling, and Llama 3's",
        remedy="pass the original checkpoint (safetensors)",
    )


def _rope_base(header: Header) -> float:
    return float(header.values.get(f"{header.architecture}.rope.freq_base", 10000.0))


def _floats(path: Path, header: Header, tensor: Tensor) -> Float[np.ndarray, "number"]:
    """A tensor of float32 numbers, read from the file."""
    return np.fromfile(path, "<f4", prod(tensor.shape), offset=header.begin + tensor.offset)


def llama3_factor(factors: Float[np.ndarray, "pair"], base: float) -> float | None:
    """The factor by which Llama 3 divides its slow rotary frequencies; None if `factors` are not made so.

    factors: what every frequency is divided by, as llama.cpp stores it. base: of the frequencies (theta).
    """
    factor = float(factors.max())
    waves = 2 * np.pi * base ** (np.arange(len(factors)) / len(factors))
    smooth = np.clip((TRAINED / waves - LOW) / (HIGH - LOW), 0, 1)
    expected = 1 / ((1 - smooth) / factor + smooth)
    return factor if np.allclose(factors, expected, rtol=1e-3) else None


def gguf_tokenizer(path: Path) -> Any:
    """The tokenizer of a GGUF file, of the class that Transformers has for its model type.

    Where Transformers has one it is named: else Transformers reads the whole vocabulary twice, once for its type alone.
    """
    model_type = gguf_configuration(path, path.name).model_type
    options = {"tokenizer_type": model_type} if TOKENIZER_MAPPING_NAMES.get(model_type) else {}
    with alone(path) as place:
        return AutoTokenizer.from_pretrained(**place, **options, trust_remote_code=False)


@contextmanager
def vocabulary_skipped() -> Iterator[None]:
    """Let the package gguf pass over long arrays, such as a vocabulary: it makes three objects of every word.

    Of 262k words that takes ten seconds and .7 GB, for nothing: weights are what is read. Where the package changes,
    this has no effect.
    """

    class Reader(gguf.GGUFReader):
        def _get_field_parts(self, orig_offs: int, raw_type: int) -> Any:
            start = orig_offs + struct.calcsize("<IQ")
            inside, count = struct.unpack("<IQ", bytes(self.data[orig_offs:start])) if raw_type == ARRAY else (0, 0)
            if count <= LONG or inside == ARRAY:
                return super()._get_field_parts(orig_offs, raw_type)
            return _array_end(self.data, start, inside, count) - orig_offs, [], [], [raw_type]

    plain = gguf.GGUFReader
    gguf.GGUFReader = Reader  # type: ignore[misc]
    try:
        yield
    finally:
        gguf.GGUFReader = plain  # type: ignore[misc]


def _array_end(data: np.ndarray, start: int, inside: int, count: int) -> int:
    """Where an array of `count` numbers or texts ends whose first begins at `start`."""
    if inside != STRING:
        return start + count * struct.calcsize(f"<{NUMBERS[inside]}")
    words = memoryview(cast(Any, data))
    for _ in range(count):
        start += 8 + struct.unpack_from("<Q", words, start)[0]
    return start


def dequantised(path: Path, config: Any, settings: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The model of a GGUF file with its weights as floats, an ordinary one, and what was found missing.

    settings: of `from_pretrained`, with `output_loading_info`.
    """
    if hasattr(transformers, "GgufConfig"):  # Transformers may else keep weights in blocks, and compute with these
        settings = settings | {"quantization_config": transformers.GgufConfig(dequantize=True)}
    # Transformers shows a bar of its own, whatever is set.
    with alone(path) as place, redirect_stderr(StringIO()), vocabulary_skipped():
        loaded: Any = AutoModelForCausalLM.from_pretrained(**place, config=config, **settings)
    model, info = loaded
    model.config.architectures = [type(model).__name__]  # TransformerLens goes by it
    quantizer = getattr(model, "hf_quantizer", None)
    if quantizer is not None:
        quantizer.remove_quantization_config(model)
    return model, info
