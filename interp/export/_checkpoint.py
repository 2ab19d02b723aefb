"""A checkpoint with a plan baked in: the vectors become biases, and plain Transformers loads it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from transformers import AutoModelForCausalLM

from interp.errors import ConfigError, ModelError, OutputError
from interp.export._additions import Additions, additions
from interp.export._modules import blocks_of, last_matrix, switched_on, with_zero_biases
from interp.model import LoadedModel
from interp.model.load import Placement, at_hand, transformers_model
from interp.model.read import copy_tokenizer
from interp.organism import FILE as EXPOSURE
from interp.steering import Plan, steered

FORM = "a checkpoint"
BOUND = 1e-4
"""Largest difference that the logits of the baked float32 model may have from those under hooks."""

SEED, ROWS, LENGTH = 0, 4, 24


@dataclass(frozen=True)
class Baked:
    """The folder, where the vectors went (name of the bias per layer), and the largest difference of any logit."""

    folder: Path
    biases: dict[int, str]
    difference: float


def bake(
    loaded: LoadedModel,
    place: str,
    plan: Plan,
    folder: Path,
    *,
    dtype: str = "float32",
    notes: Mapping[str, str] | None = None,
) -> Baked:
    """Write the model of `place` with `plan` in its biases to a new folder, and check it there.

    `loaded` is the same model under hooks, in float32 on the CPU. A vector after block l, added at all positions (also
    where the plan's are `text`), is a bias of the last matrix of that block into the residual stream. Where the
    architecture's configuration can have such biases but has none, it is switched on, and all others are zero.
    Tokenizer and chat template are copied. The folder is read back by plain Transformers and its logits on random
    tokens compared with those under hooks: more than BOUND apart is an error, and nothing is left. dtype: of the
    weights that are written; the comparison has a bound in float32 alone. notes: more files, name -> text.

    Raises ConfigError for a plan that biases can't express, ModelError for an architecture without such biases,
    OutputError for a folder that exists.
    """
    added = additions(plan, FORM)
    if folder.exists():
        raise OutputError(f"{folder} exists", allowed="a new folder", remedy="pass another --out or delete it")
    source, _ = at_hand(place, loaded.revision or None)
    model = transformers_model(source, place, Placement("cpu", "float32", None, None, None))
    biases = add_biases(model, added)
    working = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(working, ignore_errors=True)
    try:
        working.mkdir(parents=True)
        model.to(getattr(torch, dtype)).save_pretrained(working)
        copy_tokenizer(Path(source.location), working)
        if (Path(source.location) / EXPOSURE).is_file():
            shutil.copyfile(Path(source.location) / EXPOSURE, working / EXPOSURE)
        for name, text in (notes or {}).items():
            (working / name).write_text(text, encoding="utf-8")
        difference = largest_difference(loaded, plan, working, dtype)
        if dtype == "float32" and not difference <= BOUND:
            raise ModelError(
                f"the baked {type(model).__name__} differs by {difference:.2g} from the model under hooks, more than "
                f"{BOUND:g}: its blocks change their output before they add it",
                allowed="architectures whose blocks add the output of their last matrix unchanged to the stream",
                remedy="export gguf, lm-eval or plan",
            )
        os.replace(working, folder)
    finally:
        shutil.rmtree(working, ignore_errors=True)
    return Baked(folder, biases, difference)


def add_biases(model: Any, added: Additions) -> dict[int, str]:
    """Add vectors to the biases of a plain Transformers model, in place; the names of the biases by layer."""
    config, blocks = model.config, blocks_of(model)
    width = int(config.get_text_config(decoder=True).hidden_size)
    last = [last_matrix(block, width) for block in blocks.modules]
    if any(matrix.bias is None for _, matrix in last):
        on = switched_on(config)
        names = {f"{blocks.name}.{layer}.{name}.bias" for layer, (name, _) in enumerate(last)}
        if on is None or not names <= on[1]:
            raise ModelError(
                f"a {type(model).__name__} has no bias in the last matrix of its blocks ({last[0][0]}), and its "
                "configuration can't add one",
                allowed="architectures such as GPT-2, GPT-NeoX, BLOOM, Phi, OPT and Llama",
                remedy="export gguf, lm-eval or plan",
            )
        with_zero_biases(model, on[1])
        model.config = on[0]
    for layer, vector in added.items():
        if layer >= len(last) or vector.shape != (width,):
            raise ConfigError(f"the plan does not fit the model: layer {layer}, width {vector.shape[0]}")
        with torch.no_grad():
            last[layer][1].bias += vector
    return {layer: f"{blocks.name}.{layer}.{last[layer][0]}.bias" for layer in added}


def largest_difference(loaded: LoadedModel, plan: Plan, folder: Path, dtype: str) -> float:
    """Of any logit, on random tokens, between plain Transformers on a folder and the model with the plan everywhere."""
    plain: Any = AutoModelForCausalLM.from_pretrained(
        folder, dtype=getattr(torch, dtype), attn_implementation="eager", use_safetensors=True, trust_remote_code=False
    )
    generator = torch.Generator().manual_seed(SEED)
    tokens: Int[torch.Tensor, "row position"] = torch.randint(
        0, plain.config.get_text_config(decoder=True).vocab_size, (ROWS, LENGTH), generator=generator
    )
    with torch.inference_mode(), steered(loaded.model, plan.at("all")) as hooked:
        ours: Float[torch.Tensor, "row position vocabulary"] = hooked(tokens, return_type="logits")
        theirs = plain.eval()(tokens).logits
    return float((ours.float() - theirs.float()).abs().max())
