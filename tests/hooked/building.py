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
    config = get_pretrained_model_config(
        str(folder), hf_cfg=weights.config.to_dict(), fold_ln=processed, device="cpu", dtype=torch.float32
    )
    model = HookedTransformer(config, AutoTokenizer.from_pretrained(folder), default_padding_side=padding_side)
    state = get_pretrained_state_dict(str(folder), config, weights, dtype=torch.float32)
    model.load_and_process_state_dict(
        state,
        fold_ln=processed,
        center_writing_weights=processed,
        center_unembed=processed,
        fold_value_biases=processed,
    )
    return model.eval()
