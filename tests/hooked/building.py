"""A real `HookedTransformer` from a checkpoint's folder, by TransformerLens' own config and weight converters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


def build(folder: Path, *, processed: bool = False, padding_side: str | None = None) -> Any:
    """processed: with folded norms, centred weights and folded biases, HookedTransformer's default."""
    from transformer_lens import HookedTransformer
    from transformer_lens.loading_from_pretrained import get_pretrained_model_config, get_pretrained_state_dict
    from transformers import AutoModelForCausalLM, AutoTokenizer

    weights = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    given = weights.config
    if given.model_type.startswith("gemma"):
        config = _gemma(given)
    else:
        config = get_pretrained_model_config(
            str(folder), hf_cfg=given.to_dict(), fold_ln=processed, device="cpu", dtype=torch.float32
        )
    model = HookedTransformer(config, AutoTokenizer.from_pretrained(folder), default_padding_side=padding_side)
    state = get_pretrained_state_dict(str(folder), config, weights, dtype=torch.float32)
    capped = (
        config.output_logits_soft_cap or 0
    ) > 0  # then centring would change the logits; TransformerLens leaves it
    model.load_and_process_state_dict(
        state,
        fold_ln=processed,
        center_writing_weights=processed,
        center_unembed=processed and not capped,
        fold_value_biases=processed,
    )
    return model.eval()


def _gemma(given: Any) -> Any:
    """TransformerLens 3 knows Gemma's configs by the models' names alone: the same fields for other sizes."""
    from transformer_lens import HookedTransformerConfig

    local = {"sliding_attention": "local", "full_attention": "global"}
    kind: dict[str, Any] = {
        "gemma2": {
            "attn_scores_soft_cap": given.attn_logit_softcapping,
            "output_logits_soft_cap": given.final_logit_softcapping,
            "rotary_base": int(given.rope_parameters.get("rope_theta", 0)),
        },
        "gemma3_text": {"use_qk_norm": True},
    }[given.model_type]
    if given.model_type == "gemma3_text":
        kind["rotary_base"] = int(given.rope_parameters["full_attention"]["rope_theta"])
        kind["rotary_base_local"] = int(given.rope_parameters["sliding_attention"]["rope_theta"])
    return HookedTransformerConfig(
        d_model=given.hidden_size, d_head=given.head_dim, n_heads=given.num_attention_heads,
        n_key_value_heads=given.num_key_value_heads, d_mlp=given.intermediate_size, n_layers=given.num_hidden_layers,
        n_ctx=given.max_position_embeddings, eps=given.rms_norm_eps, d_vocab=given.vocab_size,
        act_fn=given.hidden_activation, normalization_type="RMS", positional_embedding_type="rotary",
        use_attn_scale=True, attn_scale=given.query_pre_attn_scalar**0.5, use_local_attn=True,
        window_size=given.sliding_window, attn_types=[local[layer] for layer in given.layer_types], gated_mlp=True,
        final_rms=True, use_normalization_before_and_after=True, original_architecture=given.architectures[0],
        device="cpu", init_weights=False, **kind,
    )  # fmt: skip
