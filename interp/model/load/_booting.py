"""Transformers loads a checkpoint, TransformerLens wraps it."""

from __future__ import annotations

import logging
from typing import Any

import torch
from transformer_lens.factories.architecture_adapter_factory import SUPPORTED_ARCHITECTURES
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.utilities.multi_gpu import resolve_device_map
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging as hf_logging

from interp.errors import ModelError, reason_of
from interp.model import HookedModel
from interp.model.load._adapters import Adapter, fits, merged
from interp.model.load._configuration import CAUSAL, read_configuration
from interp.model.load._placement import Placement
from interp.model.load._sources import Source
from interp.model.load._weights import transformers_model
from interp.model.read import give_tokenizer, own_tokenizer, stand_in


def boot(source: Source, name: str, placement: Placement, adapter: Adapter | None) -> HookedModel:
    """Transformers loads, TransformerLens wraps. Raises ModelError with the reason where either fails."""
    hf_logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    _check_supported(source, name)
    try:
        model = transformers_model(source, name, placement, _spread(placement))
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
        reason = reason_of(error)
        raise ModelError(
            f"model {name!r} could not be loaded: {reason}",
            allowed="a causal language model of an architecture that TransformerLens supports",
            remedy="check the checkpoint, or choose another model",
        ) from error
    bridge.cfg.model_name = source.name
    return bridge.eval()


def _check_supported(source: Source, name: str) -> None:
    """Raise ModelError, before weights are read, where TransformerLens does not wrap the language model's class."""
    config = read_configuration(source, name)
    kind = CAUSAL.get(config.get_text_config(decoder=True).model_type, CAUSAL[config.model_type])
    if kind not in SUPPORTED_ARCHITECTURES:
        raise ModelError(
            f"model {name!r} is a {kind}, which TransformerLens does not support",
            allowed="the architectures of docs/models.md",
            remedy="choose another model",
        )


def _spread(placement: Placement) -> dict[str, Any]:
    """Where `from_pretrained` puts blocks, and how much each device may take; empty for a single device."""
    if placement.device_map is None and (placement.n_devices or 1) == 1:
        return {}
    wanted = placement.device_map
    device_map, memory = resolve_device_map(
        placement.n_devices, wanted if wanted is None or isinstance(wanted, str) else dict(wanted), None
    )
    return {"device_map": device_map, "max_memory": memory}


def _is_composite(model: PreTrainedModel) -> bool:
    return model.config.get_text_config() is not model.config


def _language_model(model: PreTrainedModel) -> PreTrainedModel:
    """The causal language model inside one of text and images, sharing its weights.

    TransformerLens would wrap the whole, and load (or install) what is needed for images.
    """
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
