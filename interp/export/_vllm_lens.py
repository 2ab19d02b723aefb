"""The steering vector that vLLM-Lens takes, as JSON: what its `SteeringVector` reads (`model_validate`)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from interp.export._additions import Additions
from interp.files import json_text, whole

VLLM_FORM = "a steering vector of vLLM-Lens"


def write_vllm_lens(path: Path, added: Additions, notes: Mapping[str, Any]) -> None:
    """Write one vector per layer, in float32 and base64, added at every position with scale 1 (vLLM-Lens 1.3).

    notes: what is known of the plan's positions, kept under `translocal`, which vLLM-Lens does not read.
    """
    stacked = torch.stack(list(added.values())).float().contiguous()
    document = {
        "activations": {
            "data": base64.b64encode(stacked.numpy().tobytes()).decode("ascii"),
            "dtype": "float32",
            "original_dtype": "torch.float32",
            "shape": list(stacked.shape),
        },
        "layer_indices": list(added),
        "scale": 1.0,
        "norm_match": False,
        "position_indices": None,
    }
    with whole(path) as working:
        working.write_text(json_text(document | ({"translocal": dict(notes)} if notes else {})), encoding="utf-8")
