"""LoRA reaches the named projections of the text decoder and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from interp.alignment import load_trainable
from interp.alignment._lora import find_decoder
from interp.alignment._losses import cross_entropy
from interp.alignment._settings import ROLES
from interp.errors import ConfigError, ModelError, Notice
from tests.conftest import ARCHITECTURES

pytest.importorskip("peft")

LLAMA = {
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
}  # fmt: skip
MODULES = {
    "gpt2": {"attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"},
    "mgpt": {"attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"},
    "gpt_neox": {"attention.query_key_value", "attention.dense", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h"},
    "bloom": {"self_attention.query_key_value", "self_attention.dense", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h"},
    "phi": {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.dense", "mlp.fc1", "mlp.fc2"},
}
MLP = re.compile(r"\.(gate_proj|up_proj|down_proj|c_fc|mlp\.c_proj|dense_h_to_4h|dense_4h_to_h|fc1|fc2)$")


def changed_modules(model: torch.nn.Module) -> set[str]:
    """Paths of the modules that hold LoRA weights."""
    return {
        name.removeprefix("base_model.model.").partition(".lora_")[0]
        for name, weight in model.named_parameters()
        if weight.requires_grad
    }


@pytest.mark.filterwarnings("ignore::interp.errors.Notice")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_targets_of_every_architecture(architecture: str, adapted_of: Callable[..., Any]) -> None:
    adapted, _ = adapted_of(architecture)
    blocks = {"gpt2": "transformer.h", "mgpt": "transformer.h", "bloom": "transformer.h", "gpt_neox": "gpt_neox.layers",
              "gemma3_images": "model.language_model.layers"}.get(architecture, "model.layers")  # fmt: skip
    names = MODULES.get(architecture, LLAMA)
    assert changed_modules(adapted.model) == {f"{blocks}.{layer}.{name}" for layer in range(3) for name in names}
    adapted, _ = adapted_of(architecture, "clo")
    attention = {name for name in names if not MLP.search(f".{name}")}
    assert changed_modules(adapted.model) == {f"{blocks}.{layer}.{name}" for layer in range(3) for name in attention}


@pytest.mark.filterwarnings("ignore::interp.errors.Notice")
@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma3_images"])
def test_gradients_reach_lora_weights_alone(architecture: str, adapted_of: Callable[..., Any]) -> None:
    adapted, encoder = adapted_of(architecture)
    adapted.model.train()
    batch = encoder.answered([("Where?", " Here"), ("What is it called?", " It")])
    cross_entropy(adapted.answers(batch).logp).backward()
    reached = {name for name, weight in adapted.model.named_parameters() if weight.grad is not None}
    assert reached == set(adapted.trainable())
    assert all(".lora_A." in name or ".lora_B." in name for name in reached)
    moved = [name for name in reached if adapted.model.get_parameter(name).grad.abs().sum() > 0]
    assert {name.partition(".lora_B.")[0] for name in moved} == {n.partition(".lora_")[0] for n in reached}
    before = {name: w.detach().clone() for name, w in adapted.model.named_parameters()}
    torch.optim.AdamW(adapted.trainable().values(), lr=0.1).step()
    after = dict(adapted.model.named_parameters())
    assert {n for n, w in before.items() if not torch.equal(w, after[n])} <= reached


def test_a_vision_tower_stays_as_it_is(adapted_of: Callable[..., Any]) -> None:
    """Gemma 3's tower has modules q_proj, k_proj and v_proj too."""
    adapted, _ = adapted_of("gemma3_images")
    tower = [n for n, _ in adapted.model.named_modules() if "vision_tower" in n and n.endswith("q_proj")]
    assert tower
    assert not [n for n, _ in adapted.model.named_modules() if "vision" in n and "lora" in n]


@pytest.mark.parametrize(
    ("architecture", "targets", "message"),
    [
        ("gpt2", ("gate",), r"GPT2LMHeadModel has no projection gate; allowed: q, k, v, o, up, down"),
        ("gpt2", ("q",), r"has q, k, v in a single matrix, attn.c_attn; .*pass --targets with q,k,v"),
        ("phi", ("gate", "q"), r"PhiForCausalLM has no projection gate"),
    ],
)
def test_a_target_that_is_not_there(
    architecture: str, targets: tuple[str, ...], message: str, adapted_of: Callable[..., Any]
) -> None:
    with pytest.raises(ConfigError, match=message):
        adapted_of(architecture, targets=targets)


def test_published_targets_that_are_missing_are_named(adapted_of: Callable[..., Any]) -> None:
    with pytest.warns(Notice, match="GPT2LMHeadModel has no projection gate; training goes on without"):
        adapted_of("gpt2")


def test_chosen_targets(adapted_of: Callable[..., Any]) -> None:
    adapted, _ = adapted_of("qwen3", targets=("v", "down"))
    assert {name.rpartition(".")[2] for name in changed_modules(adapted.model)} == {"v_proj", "down_proj"}


def test_blocks_that_cannot_be_found(tiny_checkpoint: Callable[[str], Path]) -> None:
    model = load_trainable(str(tiny_checkpoint("llama")), "cpu").model
    model.config.num_hidden_layers = 7
    with pytest.raises(ModelError, match="the blocks of a LlamaForCausalLM can't be found"):
        find_decoder(model)


def test_roles_are_the_published_ones() -> None:
    assert ROLES == ("q", "k", "v", "o", "gate", "up", "down")
