"""GGUF control vectors, as llama.cpp and repeng read them."""

from __future__ import annotations

from pathlib import Path

from gguf import GGUFWriter

from interp.export._additions import Additions
from interp.files import whole

GGUF_FORM = "a GGUF control vector"
FIRST_LAYER = 1
"""llama.cpp has no vector for block 0: it adds `direction.N` after block N, from 1 (see `interp.steering.foreign`)."""

ARCHITECTURE = "controlvector"


def write_gguf(path: Path, added: Additions, model_hint: str, positions: str = "") -> None:
    """Write one tensor `direction.N` [d_model] in float32 per layer, with the keys that repeng writes too.

    model_hint: Transformers' model type, such as llama. positions: what is known of the plan's positions, as JSON text
    (key `translocal.positions`); empty if it was chosen at all of them. Raises ValueError for layer 0.
    """
    if min(added) < FIRST_LAYER:
        raise ValueError("a control vector has no direction.0")
    with whole(path) as working:
        writer = GGUFWriter(working, ARCHITECTURE)
        writer.add_string(f"{ARCHITECTURE}.model_hint", model_hint)
        writer.add_uint32(f"{ARCHITECTURE}.layer_count", len(added))
        if positions:
            writer.add_string("translocal.positions", positions)
        for layer, vector in added.items():
            writer.add_tensor(f"direction.{layer}", vector.contiguous().numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
