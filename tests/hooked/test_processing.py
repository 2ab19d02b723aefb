"""What HookedTransformer's default processing moves, and what it leaves: the reason why vectors stay with their processing.

Folding norms alone leaves the residual stream as it is (Llama, Mistral, Qwen, Gemma: RMSNorm). Where what writes to the
stream is centred too (GPT-2, GPT-NeoX, BLOOM: LayerNorm), every token's residual loses its mean.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch

from interp.model.read import read_residuals
from interp.steering.engine import score
from tests.hooked.building import build
from tests.hooked.cases import Reference, plans, prompts, texts

LIMIT = 1e-4
CENTRED = ("gpt2", "gpt_neox", "bloom")

READ_OUT = {"unembed.hook_in", "unembed.hook_out"}
"""Hooks that differ behind folded norms: the final norm's weights are in the unembedding, which is centred."""

STREAM = {
    "hook_embed", "hook_pos_embed", "blocks.hook_resid_pre", "blocks.hook_resid_mid", "blocks.hook_resid_post",
    "blocks.hook_attn_out", "blocks.hook_mlp_out",
}  # fmt: skip
"""Hooks that differ where the stream is centred; values differ too, as their biases are in the output's."""

VALUES = {"blocks.attn.hook_v", "blocks.attn.hook_z"}


def centred(stream: torch.Tensor) -> torch.Tensor:
    return stream - stream.mean(dim=-1, keepdim=True)


def test_log_likelihoods_stay(processed: Any, reference: Reference) -> None:
    for engine in ("reference", "replay"):
        found = score(processed, prompts(), plans(reference.vectors)[:1], engine=engine).logp
        assert np.abs(found - reference.logp[:1]).max() <= LIMIT


def test_the_stream_stays_or_loses_its_mean(processed: Any, reference: Reference, kind: str) -> None:
    found = read_residuals(processed, texts())
    assert (centred(found) - centred(reference.last)).abs().max() <= LIMIT
    moved = (found - reference.last).abs().max()
    assert moved > 0.01 if kind in CENTRED else moved <= LIMIT


def test_a_vector_that_crosses_is_another_intervention_where_the_stream_is_centred(
    processed: Any, reference: Reference, kind: str
) -> None:
    found = score(processed, prompts(), plans(reference.vectors), engine="reference").logp
    apart = np.abs(found - reference.logp).max(axis=1)
    asked = plans(reference.vectors)  # the residual's norm has another size without its mean
    keeps_norm = next(i for i, plan in enumerate(asked) if any(s.operator == "add_keep_norm" for s in plan.steers))
    if kind in CENTRED:
        assert apart[keeps_norm] > 10 * LIMIT
        assert np.delete(apart, keeps_norm).max() <= LIMIT
    else:
        assert apart.max() <= LIMIT


def test_which_hooks_differ(reference: Reference, kind: str) -> None:
    models = [build(reference.checkpoint, processed=folds) for folds in (False, True)]  # ALiBi's scores hold the past
    tokens = torch.tensor([models[0].tokenizer(texts()[0])["input_ids"]])
    plain, folded = (model.run_with_cache(tokens)[1] for model in models)
    assert set(plain) == set(folded)
    differ = {
        re.sub(r"blocks\.\d+\.", "blocks.", name)
        for name in plain
        if not torch.allclose(plain[name], folded[name], atol=LIMIT)
    }
    assert differ - READ_OUT == (differ & (STREAM | VALUES) if kind in CENTRED else set())
    assert "unembed.hook_in" in differ
    assert ("blocks.hook_resid_post" in differ) == (kind in CENTRED)


def test_the_config_tells_folded_norms(hooked: Any, processed: Any, kind: str) -> None:
    plain = hooked.cfg.normalization_type
    assert plain == ("LN" if kind in CENTRED else "RMS")
    assert processed.cfg.normalization_type == f"{plain}Pre"
    assert (processed.W_E.mean(dim=-1).abs().max() <= 1e-6) == (kind in CENTRED)
    assert hooked.W_E.mean(dim=-1).abs().max() > 1e-4
