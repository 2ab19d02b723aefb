"""Transformers loads a checkpoint, TransformerLens wraps it: always eager attention, safetensors, no remote code."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.errors import ModelError
from interp.model.load._adapters import Adapter, fits, merged
from interp.model.load._gguf import dequantised, gguf_configuration
from interp.model.load._kinds import ALLOWED, check_language_model
from interp.model.load._placement import Placement
from interp.model.load._sources import Source
from interp.model.read import give_tokenizer, own_tokenizer, stand_in

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from interp.model import HookedModel


def boot(source: Source, name: str, placement: Placement, adapter: Adapter | None) -> HookedModel:
    """Transformers loads, TransformerLens wraps. Raises ModelError with the reason where either fails."""
    from transformer_lens.model_bridge import TransformerBridge
    from transformers.utils import logging as hf_logging

    hf_logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    _check_supported(source, name)
    try:
        model = transformers_model(source, name, placement)
        if adapter is not None and (fits(adapter, model) or not _is_composite(model)):
            model, adapter = merged(model, adapter, name), None
        if _is_composite(model):
            model = _language_model(model)
        if adapter is not None:
            model = merged(model, adapter, name)
        device = str(model.get_input_embeddings().weight.device)
        bridge: Any = TransformerBridge.boot_transformers(
            source.location, hf_model=model, tokenizer=stand_in(), device=device, dtype=model.dtype,
            trust_remote_code=False,
        )  # fmt: skip
        give_tokenizer(bridge, own_tokenizer(source.location))
    except ModelError:
        raise
    except Exception as error:  # every loader above raises its own kind
        reason = " ".join(str(error).split())[:300]
        raise ModelError(
            f"model {name!r} could not be loaded: {reason}",
            allowed="a causal language model of an architecture that TransformerLens supports",
            remedy="check the checkpoint, or choose another model",
        ) from error
    bridge.cfg.model_name = source.name
    return bridge.eval()


def _check_supported(source: Source, name: str) -> None:
    """Raise ModelError, before weights are read, where TransformerLens does not wrap the language model's class."""
    from transformer_lens.factories.architecture_adapter_factory import SUPPORTED_ARCHITECTURES
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as classes

    config = read_configuration(source, name)
    kind = classes.get(config.get_text_config(decoder=True).model_type, classes[config.model_type])
    if kind not in SUPPORTED_ARCHITECTURES:
        raise ModelError(
            f"model {name!r} is a {kind}, which TransformerLens does not support",
            allowed="the architectures of docs/models.md",
            remedy="choose another model",
        )


def read_configuration(source: Source, name: str) -> Any:
    """The checkpoint's configuration; raises ModelError where it can't be read or is not a causal language model's."""
    from transformers import AutoConfig

    try:
        config = (
            gguf_configuration(Path(source.location), name)
            if source.gguf
            else AutoConfig.from_pretrained(source.location, trust_remote_code=False)
        )
    except ModelError:
        raise
    except Exception as error:  # Transformers raises many kinds
        reason = " ".join(str(error).split())[:300]
        raise ModelError(
            f"model {name!r} could not be loaded: {reason}", allowed=ALLOWED, remedy="check the checkpoint"
        ) from error
    check_language_model(config, name)
    return config


def transformers_model(source: Source, name: str, placement: Placement) -> PreTrainedModel:
    """The model as Transformers has it, with eager attention; refuses a checkpoint that lacks some of its weights."""
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    config = read_configuration(source, name)
    dtype = getattr(torch, placement.dtype)
    settings: dict[str, Any] = {}
    if placement.device_map is not None or (placement.n_devices or 1) > 1:
        from transformer_lens.utilities.multi_gpu import resolve_device_map

        told = placement.device_map
        where, most = resolve_device_map(placement.n_devices, dict(told) if isinstance(told, Mapping) else told, None)
        settings = {"device_map": where, "max_memory": most}
    elif placement.device.partition(":")[0] == "cuda":
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
            f"model {name!r} lacks {len(missing)} of its weights, {missing[0]} first",
            allowed="complete checkpoints",
            remedy="download or save it again; an adapter's folder is passed as the adapter of its base",
        )
    return model if "device_map" in settings else model.to(placement.device)


def _is_composite(model: PreTrainedModel) -> bool:
    return model.config.get_text_config() is not model.config


def _language_model(model: PreTrainedModel) -> PreTrainedModel:
    """The causal language model inside one of text and images, sharing its weights.

    TransformerLens would wrap the whole, and load (or install) what is needed for images.
    """
    import torch
    from transformers import AutoModelForCausalLM

    config = model.config.get_text_config()
    with torch.device("meta"):
        text: Any = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    inside = getattr(getattr(model, "model", None), "language_model", None)
    if type(inside) is not type(getattr(text, "model", None)) or not hasattr(model, "lm_head"):
        raise ModelError(
            f"the language model inside a {type(model).__name__} can't be taken out",
            allowed="models of text alone, and Gemma 3",
            remedy="choose another model",
        )
    text.model, text.lm_head = inside, model.lm_head
    text.generation_config = model.generation_config  # it names the tokens that end a turn
    text.config.architectures = [type(text).__name__]
    spread = getattr(model, "hf_device_map", None)
    if spread:
        text.hf_device_map = {
            key.replace("model.language_model", "model", 1): target
            for key, target in spread.items()
            if key in ("", "lm_head", "model") or key.startswith("model.language_model")
        }
    return text.eval()
