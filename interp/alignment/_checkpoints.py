"""A run's state on disk: LoRA weights and optimiser moments as safetensors, step and loss curve as JSON; no pickle.

The random state needs no file: every step seeds it from the run's seed and the step's number.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from interp.errors import OutputError, reason_of

WEIGHTS, MOMENTS, STATE = "weights.safetensors", "moments.safetensors", "state.json"
_PREFIX = "step-"


def save_state(
    folder: Path,
    weights: Mapping[str, torch.nn.Parameter],
    optimiser: torch.optim.AdamW,
    step: int,
    curve: list[dict[str, float]],
) -> None:
    """Write the state after `step` steps beside earlier ones, then remove those; a killed write leaves them whole."""
    final, working = folder / f"{_PREFIX}{step:07d}", folder / f".{_PREFIX}{step:07d}.partial"
    moments = {
        f"{name}/{key}": value.detach().cpu().contiguous()
        for name, weight in weights.items()
        for key, value in optimiser.state[weight].items()
    }
    shutil.rmtree(working, ignore_errors=True)
    working.mkdir(parents=True)
    save_file({name: weight.detach().cpu().contiguous() for name, weight in weights.items()}, working / WEIGHTS)
    save_file(moments, working / MOMENTS)
    (working / STATE).write_text(json.dumps({"step": step, "curve": curve}) + "\n", encoding="utf-8")
    for path in working.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    shutil.rmtree(final, ignore_errors=True)
    os.replace(working, final)
    for path in folder.iterdir():
        if path != final:
            shutil.rmtree(path)


def load_state(
    folder: Path, weights: Mapping[str, torch.nn.Parameter], optimiser: torch.optim.AdamW
) -> tuple[int, list[dict[str, float]]]:
    """Bring weights and moments to the newest state in the folder: (steps done, loss curve); (0, []) where none is.

    Raises OutputError for a state that can't be read or is of other weights.
    """
    states = sorted(folder.glob(f"{_PREFIX}*"))
    if not states:
        return 0, []
    try:
        saved, moments = load_file(states[-1] / WEIGHTS), load_file(states[-1] / MOMENTS)
        state: dict[str, Any] = json.loads((states[-1] / STATE).read_text(encoding="utf-8"))
        with torch.no_grad():
            for name, weight in weights.items():
                weight.copy_(saved[name])
                own = {key.rpartition("/")[2]: key for key in moments if key.rpartition("/")[0] == name}
                optimiser.state[weight] = {
                    key: moments[full] if key == "step" else moments[full].to(weight.device)
                    for key, full in own.items()
                }
        return int(state["step"]), list(state["curve"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise OutputError(
            f"{states[-1]} can't be read: {reason_of(error)}",
            allowed="a training state written by an earlier run of the same command",
            remedy="delete it to start again",
        ) from error
