"""Is it a causal language model? Said from its configuration, before weights are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED

from interp.errors import ModelError, reason_of
from interp.model.load._gguf import gguf_configuration
from interp.model.load._sources import Source

ALLOWED = (
    "causal language models of text (Llama, Qwen, Gemma, ...), including the one inside a Gemma 3 of text and images"
)


def read_configuration(source: Source, name: str) -> Any:
    """The checkpoint's configuration; raises ModelError if it can't be read or is not a causal language model's."""
    try:
        config = (
            gguf_configuration(Path(source.location), name)
            if source.gguf
            else AutoConfig.from_pretrained(source.location, trust_remote_code=False)
        )
    except ModelError:
        raise
    except Exception as error:  # Transformers raises many kinds
        reason = reason_of(error)
        raise ModelError(
            f"model {name!r} could not be loaded: {reason}", allowed=ALLOWED, remedy="check the checkpoint"
        ) from error
    check_language_model(config, name)
    return config


def check_language_model(config: Any, name: str) -> None:
    """Raise ModelError unless a Transformers configuration is of a causal language model, or has one inside.

    name: of the model, for the message. What the configuration can't tell, a forward at load does.
    """
    kind = str(config.model_type)
    if config.is_encoder_decoder:
        _refuse(name, f"it is an encoder-decoder model ({kind})")
    if kind not in CAUSAL:
        _refuse(name, f"Transformers has no causal language model of type {kind}")
    if kind in MASKED and getattr(config, "is_decoder", None) is False:
        _refuse(name, f"it is an encoder ({kind}): its tokens attend to later ones")
    for architecture in config.architectures or ():
        usual = architecture.endswith(("Model", "ForCausalLM", "ForConditionalGeneration"))
        if not usual and architecture not in CAUSAL.values():
            _refuse(name, f"its weights are those of a {architecture}, which has no language-model head")


def _refuse(name: str, reason: str) -> None:
    raise ModelError(
        f"model {name!r} is not a causal language model: {reason}", allowed=ALLOWED, remedy="choose another model"
    )
