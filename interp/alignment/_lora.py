"""LoRA adapters on a text decoder's projections, found by their names; a vision tower is never touched."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from interp.alignment._settings import ATTENTION, ROLES, Role, Settings
from interp.errors import ConfigError, ModelError, Notice

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

NAMES: Mapping[str, tuple[Role, ...]] = {
    "q_proj": ("q",), "k_proj": ("k",), "v_proj": ("v",), "o_proj": ("o",), "out_proj": ("o",),
    "gate_proj": ("gate",), "up_proj": ("up",), "down_proj": ("down",),
    "qkv_proj": ("q", "k", "v"), "gate_up_proj": ("gate", "up"),
    "query_key_value": ("q", "k", "v"), "attn.c_attn": ("q", "k", "v"),
    "attn.c_proj": ("o",), "attention.dense": ("o",), "self_attention.dense": ("o",), "self_attn.dense": ("o",),
    "mlp.c_fc": ("up",), "mlp.fc1": ("up",), "dense_h_to_4h": ("up",), "fc_in": ("up",),
    "mlp.c_proj": ("down",), "mlp.fc2": ("down",), "dense_4h_to_h": ("down",), "fc_out": ("down",),
}  # fmt: skip
"""The end of a module's name inside a block -> what it projects; several where they are one matrix."""


@dataclass(frozen=True)
class Decoder:
    """The blocks of a model's text decoder, and their path in the model."""

    path: str
    blocks: nn.ModuleList

    def __len__(self) -> int:
        return len(self.blocks)


def find_decoder(model: PreTrainedModel) -> Decoder:
    """The text decoder's blocks; raises ModelError if they can't be told from other parts."""
    text = model.config.get_text_config(decoder=True)
    inside: Any = model if text is model.config else model.get_decoder()
    count = int(text.num_hidden_layers)
    paths = [
        path
        for path, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == count and any(module is own for own in inside.modules())
    ]
    if len(paths) != 1:
        raise ModelError(
            f"the blocks of a {type(model).__name__} can't be found",
            allowed=f"one list of {count} blocks in the text decoder; found {', '.join(paths) or 'none'}",
            remedy="choose another model",
        )
    blocks = model.get_submodule(paths[0])
    assert isinstance(blocks, nn.ModuleList)
    return Decoder(paths[0], blocks)


def _projections(decoder: Decoder) -> Iterator[tuple[str, tuple[Role, ...]]]:
    """Names inside a block, each once, of the modules that can be adapted, with what they project."""
    seen = set()
    for block in decoder.blocks:
        for path, module in block.named_modules():
            if path in seen or not (isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"):
                continue
            seen.add(path)
            for end, roles in NAMES.items():
                if path == end or path.endswith(f".{end}"):
                    yield path, roles
                    break


def find_targets(decoder: Decoder, settings: Settings, architecture: str) -> tuple[str, ...]:
    """Names, inside a block, of the modules that get LoRA weights.

    Of the published targets those that the architecture lacks are left out, with a notice. Raises ConfigError for
    asked ones that it lacks, and for a part of a matrix that holds several.
    """
    roles_of = dict(_projections(decoder))
    known = {role for roles in roles_of.values() for role in roles}
    wanted = set(settings.targets or settings.published_targets)
    lacking = [role for role in ROLES if role in wanted - known]
    if lacking and (settings.targets or not set(ATTENTION) <= known):
        raise ConfigError(
            f"{architecture} has no projection {', '.join(lacking)}",
            allowed=", ".join(role for role in ROLES if role in known)
            or "none, because translocal knows none of its projections",
            remedy="pass --targets with some of these" if known else "choose another model",
        )
    if lacking:
        warnings.warn(
            f"{architecture} has no projection {', '.join(lacking)}; training goes on without it", Notice, stacklevel=2
        )
    for path, roles in roles_of.items():
        if wanted & set(roles) and not set(roles) <= wanted:
            raise ConfigError(
                f"{architecture} has {', '.join(roles)} in a single matrix, {path}",
                allowed="all of them or none",
                remedy=f"pass --targets with {','.join(r for r in ROLES if r in wanted | set(roles))}",
            )
    return tuple(path for path, roles in roles_of.items() if wanted & set(roles))


def add_lora(model: PreTrainedModel, settings: Settings) -> PeftModel:
    """The model with LoRA weights, initialised from torch's random state; nothing else is trainable."""
    import peft

    decoder = find_decoder(model)
    paths = find_targets(decoder, settings, type(model).__name__)
    config = peft.LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=_pattern(decoder.path, paths),
        fan_in_fan_out=any(type(decoder.blocks[0].get_submodule(path)).__name__ == "Conv1D" for path in paths),
        bias="none",
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of what PEFT asks Transformers
        adapted: Any = peft.get_peft_model(model, config)
    return adapted


def _pattern(path: str, inside: Sequence[str]) -> str:
    """What PEFT matches whole module names with."""
    return rf"{re.escape(path)}\.\d+\.({'|'.join(map(re.escape, inside))})"
