"""The file that EleutherAI's lm-evaluation-harness takes for `--model steered`."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import torch

from interp.export._additions import Additions
from interp.files import whole

HARNESS_FORM = "lm-evaluation-harness's steered model"


def write_harness(path: Path, added: Additions, hook_names: Sequence[str]) -> None:
    """Write, with torch.save, a dictionary of the harness's form: a vector per block, action `add`, coefficient 1.

    hook_names: of `interp.export.modules`, one per block. The file is for the harness (lm_eval/models/hf_steered.py,
    read at 0.4.13), which opens such files by pickle; translocal never reads one. The same bytes for the same vectors.
    """
    entries = {
        hook_names[layer]: {
            "steering_vector": vector.contiguous(),
            "steering_coefficient": 1.0,
            "action": "add",
            "bias": None,
            "head_index": None,
        }
        for layer, vector in added.items()
    }
    content = io.BytesIO()
    torch.save(entries, content)
    with whole(path) as working:
        working.write_bytes(content.getvalue())
