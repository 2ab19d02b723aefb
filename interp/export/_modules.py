"""Where a plain Transformers model has its blocks, and which of their biases are added to the residual stream."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import ModuleList
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from interp.errors import ModelError, reason_of
from interp.model.load import at_hand, check_language_model, find_model, gguf_configuration
from interp.steering import SavedPlans, naming_model

SWITCHES = ("mlp_bias", "use_bias", "use_mlp_bias")
"""Settings of configurations that give the MLP's matrices biases where they are true."""


@dataclass(frozen=True)
class Blocks:
    """The list of blocks: its name among the modules of the model, and the blocks."""

    name: str
    modules: tuple[Any, ...]


def blocks_of(model: PreTrainedModel) -> Blocks:
    """The blocks of a model's text decoder: of its lists of as many modules, the one with the most weights."""
    text = model.config.get_text_config(decoder=True)
    n_layers = int(text.num_hidden_layers)
    decoder = model if text is model.config else model.get_decoder()  # ModernBERT calls its head a decoder
    inside = {id(module) for module in decoder.modules()}
    lists = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, ModuleList) and len(module) == n_layers and id(module) in inside
    }
    if not lists:
        raise ModelError(f"a {type(model).__name__} has no list of {n_layers} blocks", remedy="choose another model")
    name = max(lists, key=lambda name: sum(p.numel() for p in lists[name].parameters()))
    return Blocks(name, tuple(lists[name]))


def config_of(saved: SavedPlans, model: str | None = None) -> PretrainedConfig:
    """The configuration of the model that plans were made for, or of `model`; raises ModelError if there is none."""
    name = model or saved.model.name
    with naming_model(saved, name):
        source = find_model(name)
        if source.gguf:
            local, _ = at_hand(name, None)
            return gguf_configuration(Path(local.location), name)
        try:
            config: PretrainedConfig = AutoConfig.from_pretrained(source.location, trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise ModelError(
                f"the configuration of {name!r} can't be read: {reason_of(error)}", remedy="pass --model"
            ) from error
    return config


def outline_model(config: PretrainedConfig) -> PreTrainedModel:
    """A model of a configuration without weights; raises ModelError if no causal language model has it."""
    check_language_model(config, config.model_type)
    with torch.device("meta"):
        outline: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    return outline


def hook_names(config: PretrainedConfig) -> list[str]:
    """Names of the blocks among the modules of `model.base_model`, which is where lm-evaluation-harness looks."""
    base: Any = outline_model(config).base_model
    blocks = blocks_of(base)
    return [f"{blocks.name}.{layer}" for layer in range(len(blocks.modules))]


def last_matrix(block: Any, d_model: int) -> tuple[str, Any]:
    """The last module of a block, by registration, that is a matrix into the residual stream: its name, and itself."""
    for name, module in reversed(list(block.named_modules())):
        out = module.out_features if isinstance(module, nn.Linear) else module.nf if isinstance(module, Conv1D) else 0
        if out == d_model:
            return name, module
    raise ModelError(f"a {type(block).__name__} has no matrix into the residual stream")


def switched_on(config: PretrainedConfig) -> tuple[PretrainedConfig, set[str]] | None:
    """The configuration with biases in the MLP, and the names of the parameters that this adds; None without such."""
    for switch in SWITCHES:
        if getattr(config.get_text_config(decoder=True), switch, None) is not False:
            continue
        other = copy.deepcopy(config)
        setattr(other.get_text_config(decoder=True), switch, True)
        before, after = (set(dict(outline_model(c).named_parameters())) for c in (config, other))
        if after > before:
            return other, after - before
    return None


def with_zero_biases(model: PreTrainedModel, names: set[str]) -> None:
    """Give modules of a model the biases of these names, all zero."""
    for name in sorted(names):
        module: torch.nn.Module = model.get_submodule(name.rpartition(".")[0])
        weight: Any = module.weight
        module.bias = torch.nn.Parameter(torch.zeros(weight.shape[0], dtype=weight.dtype, device=weight.device))
