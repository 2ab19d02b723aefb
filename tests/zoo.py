"""A tiny random configuration of any model type, made from its class's defaults by shrinking the sizes that it has."""

from __future__ import annotations

from typing import Any

HEADS, KEY_HEADS, HEAD, WIDTH, BLOCKS, WINDOW = 4, 2, 8, 32, 4, 6
SIZES: tuple[tuple[int, tuple[str, ...]], ...] = (
    (WIDTH, (
        "hidden_size", "n_embd", "n_embed", "d_model", "embed_dim", "embedding_size", "word_embed_proj_dim", "emb_dim",
        "lru_width", "attention_hidden_size", "dim_model",
    )),
    (48, (
        "intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size", "dff", "d_inner", "decoder_ffn_dim", "dim_ff",
        "encoder_ffn_dim", "intermediate_size_mlp", "d_ff", "expert_ffn_hidden_size",
    )),
    (16, (
        "moe_intermediate_size", "shared_expert_intermediate_size", "shared_intermediate_size", "mamba_d_head",
        "mamba_head_dim",
    )),
    (BLOCKS, (
        "num_hidden_layers", "n_layer", "num_layers", "n_layers", "decoder_layers", "encoder_layers", "num_decoder_layers",
    )),
    (HEADS, (
        "num_attention_heads", "n_head", "num_heads", "n_heads", "attention_heads", "decoder_attention_heads",
        "encoder_attention_heads", "mamba_n_heads", "mamba_num_heads", "num_experts", "num_local_experts",
        "n_routed_experts", "moe_num_experts", "time_step_rank", "mamba_dt_rank", "laurel_rank", "index_topk",
        "qk_rope_head_dim", "rotary_dim",
    )),
    (KEY_HEADS, (
        "num_key_value_heads", "num_experts_per_tok", "moe_k", "top_k", "linear_num_key_heads", "linear_num_value_heads",
        "index_n_heads", "num_global_key_value_heads", "moe_topk",
    )),
    (HEAD, (
        "head_dim", "kv_channels", "attention_head_dim", "global_head_dim", "d_kv", "kv_lora_rank", "q_lora_rank",
        "qk_nope_head_dim", "v_head_dim", "mamba_d_state", "ssm_state_size", "state_size", "chunk_size",
        "mamba_chunk_size", "hidden_size_per_layer_input", "linear_key_head_dim", "linear_value_head_dim",
        "index_head_dim", "multiple_of", "block_multiple_of", "query_pre_attn_scalar", "o_lora_rank",
    )),
    (WINDOW, ("sliding_window", "attention_window_size", "window_size", "attention_chunk_size")),
    (1, (
        "n_group", "topk_group", "n_groups", "mamba_n_groups", "mamba_ngroups", "n_shared_experts", "first_k_dense_replace",
        "decoder_sparse_step", "o_groups",
    )),
    (0, ("num_kv_shared_layers",)),
    (12, ("qk_head_dim",)),
    (64, ("mamba_d_ssm",)),
    (256, ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len")),
)  # fmt: skip
"""Sizes, with the names that configurations have for what gets them."""

LATENT = {"num_key_value_heads": HEADS, "head_dim": 4}
OWN: dict[str, dict[str, Any]] = {
    "axk1": LATENT, "axk2": LATENT, "bailing_hybrid": LATENT, "deepseek_v2": LATENT, "deepseek_v3": LATENT,
    "deepseek_v32": LATENT, "glm4_moe_lite": LATENT, "minicpm3": LATENT, "youtu": LATENT,
    "bamba": {"attn_layer_indices": [1, 3]},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "granitemoehybrid": {"layer_types": ["mamba", "attention", "mamba", "attention"]},
    "mamba2": {"num_heads": 8},
    "lfm2_moe": {"layer_types": ["conv", "full_attention", "conv", "full_attention"], "num_dense_layers": 1},
    "glm_moe_dsa": LATENT | {"index_topk": 256},
    "reformer": {"is_decoder": True},
    "zamba2": {"layers_block_type": ["mamba", "hybrid", "mamba", "hybrid"], "attention_head_dim": 16, "attention_hidden_size": 64},
    "zaya": {"num_experts_per_tok": 1},
}  # fmt: skip
"""What a type needs beside its sizes."""


def tiny_config_of(model_type: str, vocabulary: int) -> Any:
    """A configuration of four blocks of width 32; of one of several parts every part is shrunk."""
    from transformers import CONFIG_MAPPING

    return _tiny(CONFIG_MAPPING[model_type], vocabulary, OWN.get(model_type, {}))


def _tiny(kind: Any, vocabulary: int, own: dict[str, Any]) -> Any:
    default = kind()
    known = default.to_dict()
    values: dict[str, Any] = {}
    for size, names in SIZES:
        values |= {name: size for name in names if isinstance(known.get(name, ""), int | None)}
    values |= {"vocab_size": vocabulary, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    if "vocab_size_per_layer_input" in known:
        values["vocab_size_per_layer_input"] = vocabulary
    for name in ("initializer_range", "init_std"):
        if name in known:
            values[name] = 0.2  # ten times the usual: every block and its attention must matter
    kinds = known.get("layer_types")
    if isinstance(kinds, list) and kinds:
        some = list(dict.fromkeys(kinds))
        values["layer_types"] = [some[i % len(some)] for i in range(BLOCKS)]
    for name in getattr(kind, "sub_configs", None) or {}:
        if getattr(default, name, None) is not None:
            values[name] = _tiny(type(getattr(default, name)), vocabulary, {}).to_dict()
    return kind(**values | own)
