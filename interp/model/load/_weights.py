"""A checkpoint's weights as Transformers loads them: always eager attention, safetensors, no remote code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel

from interp.errors import ModelError
from interp.model.load._configuration import read_configuration
from interp.model.load._gguf import dequantised
from interp.model.load._placement import Placement
from interp.model.load._sources import Source


def transformers_model(
    source: Source, name: str, placement: Placement, spread: Mapping[str, Any] | None = None
) -> PreTrainedModel:
    """The model as Transformers has it, with eager attention; refuses a checkpoint that lacks some of its weights.

    name: of the model, for messages. spread: `device_map` and `max_memory`, where blocks go to several devices.
    """
    config = read_configuration(source, name)
    dtype = getattr(torch, placement.dtype)
    settings: dict[str, Any] = dict(spread or {})
    if not settings and placement.device.partition(":")[0] == "cuda":
        settings = {"device_map": {"": placement.device}}
    if placement.quantization:
        four = placement.quantization == "4bit"
        settings["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=four, load_in_8bit=not four, bnb_4bit_compute_dtype=dtype
        )
    settings |= {
        "dtype": dtype, "attn_implementation": "eager", "use_safetensors": True, "trust_remote_code": False,
        "output_loading_info": True,
    }  # fmt: skip
    if source.gguf:
        loaded: Any = dequantised(Path(source.location), config, settings)
    else:
        loaded = AutoModelForCausalLM.from_pretrained(source.location, **settings)
    model, info = loaded
    missing = sorted(info["missing_keys"])
    if missing:
        raise ModelError(
            f"model {name!r} lacks {len(missing)} of its weights, such as {missing[0]}",
            allowed="complete checkpoints",
            remedy="download or save it again; an adapter's folder goes with --adapter, and its base with --model",
        )
    return model if "device_map" in settings else model.to(placement.device)
