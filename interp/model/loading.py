"""Load any checkpoint that TransformerLens supports: a Hub id, a folder in Transformers' format, or a hooked model."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.errors import ModelError
from interp.organism.exposure import Exposure

if TYPE_CHECKING:
    from interp.model.protocol import HookedModel

ORGANISM = "organism"
DTYPES = ("auto", "float32", "bfloat16", "float16")
DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class LoadedModel:
    """A hooked model with its name, a fingerprint of its weights, and what it saw if its folder says so."""

    model: HookedModel
    name: str
    fingerprint: str
    exposure: Exposure | None


def organism_folder() -> Path:
    """Folder of the embedded model; raises ModelError where the installation lacks it."""
    folder = Path(str(files("interp.organism") / "checkpoint"))
    if not (folder / "config.json").is_file():
        raise ModelError(
            "the embedded model is missing from this installation",
            remedy="run `interp organism train`, or pass --model with a folder or a Hub id",
        )
    return folder


def resolve_device(device: str) -> str:
    """`auto` becomes cuda, mps or cpu, whichever is there first; raises ModelError where a named one isn't."""
    kind = device.partition(":")[0]
    if kind not in DEVICES:
        raise ModelError(f"device {device!r} is unknown", allowed=", ".join(DEVICES), remedy="pass one of these")
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    if not there[kind]:
        raise ModelError(
            f"device {device!r} is not available here",
            allowed=", ".join(name for name, yes in there.items() if yes),
            remedy="pass --device cpu, or install a torch build for your accelerator",
        )
    return device


@dataclass(frozen=True)
class Source:
    """Where a model comes from: a name to show, the folder or Hub id that holds it, and whether it is a folder."""

    name: str
    location: str
    local: bool


def find_model(name: str, dtype: str = "auto") -> Source:
    """The source of a model, checked without importing torch.

    Raises ModelError for an unknown dtype, a folder that doesn't exist, is no checkpoint or has no safetensors.
    """
    if dtype not in DTYPES:
        raise ModelError(f"dtype {dtype!r} is unknown", allowed=", ".join(DTYPES), remedy="pass one of these")
    if name == ORGANISM:
        return Source(name, str(organism_folder()), True)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        if folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
            raise ModelError(
                f"folder {name!r} does not exist",
                allowed="a checkpoint folder, a Hub id such as org/name, or 'organism'",
                remedy="check the path",
            )
        return Source(name, name, False)
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"folder {name!r} is no checkpoint: it has no config.json",
            allowed="a folder written by Transformers' save_pretrained (config.json, *.safetensors, tokenizer.json)",
            remedy="check the path",
        )
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"folder {name!r} holds no *.safetensors file",
            allowed="weights in safetensors format",
            remedy="convert the weights with Transformers' save_pretrained",
        )
    return Source(folder.resolve().name, str(folder), True)


def load_model(name: str | HookedModel = ORGANISM, *, device: str = "auto", dtype: str = "auto") -> LoadedModel:
    """A `TransformerBridge` for a Hub id or a checkpoint folder; `organism` is the embedded model.

    A `TransformerBridge` or a `HookedTransformer` is taken as it is, on its device and in its dtype; what it saw is
    unknown then. dtype `auto` is float32 on a CPU and bfloat16 elsewhere. Raises ModelError for a folder that is no
    checkpoint, an unknown Hub id, or an architecture that TransformerLens doesn't support.
    """
    if not isinstance(name, str):
        check_hooked(name)
        return LoadedModel(name, str(name.cfg.model_name), fingerprint(name), None)
    source = find_model(name, dtype)
    model = _boot(source.location, name, resolve_device(device), dtype)
    exposure = Exposure.read(Path(source.location)) if source.local else None
    return LoadedModel(model, source.name, fingerprint(model), exposure)


def _boot(source: str, name: str, device: str, dtype: str) -> HookedModel:
    import torch
    from transformer_lens.model_bridge import TransformerBridge
    from transformers.utils import logging as hf_logging

    hf_logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    kind = dtype if dtype != "auto" else ("float32" if device == "cpu" else "bfloat16")
    try:
        bridge: Any = TransformerBridge.boot_transformers(
            source, device=device, dtype=getattr(torch, kind), trust_remote_code=False
        )
    except Exception as error:  # every loader below raises its own kind
        reason = " ".join(str(error).split())[:300]
        raise ModelError(
            f"model {name!r} could not be loaded: {reason}",
            allowed="a checkpoint folder or Hub id of an architecture that TransformerLens supports",
            remedy="check the name, the network (or HF_HUB_OFFLINE), and your access to gated models",
        ) from error
    bridge.eval()
    check_hooked(bridge)
    return bridge


def check_hooked(model: HookedModel) -> None:
    """Raise ModelError unless the model has a residual stream after every block and a tokenizer."""
    missing = [
        hook
        for layer in range(model.cfg.n_layers)
        if (hook := f"blocks.{layer}.hook_resid_post") not in model.hook_dict
    ]
    if missing:
        raise ModelError(
            f"the model has no hook {missing[0]}",
            allowed="decoder-only models with a residual stream per block",
            remedy="choose another model",
        )
    if model.tokenizer is None:
        raise ModelError("the model has no tokenizer", remedy="load it with its tokenizer files")


def fingerprint(model: HookedModel) -> str:
    """SHA-256 (16 hex digits) over names, shapes, dtypes and bytes of the weights.

    Masks and angles that a HookedTransformer keeps beside its weights do not count: they grow with what it has read.
    """
    import torch

    digest = hashlib.sha256()
    buffers = {key for key, _ in model.named_buffers()}  # type: ignore[attr-defined]
    for key, value in sorted(model.state_dict().items()):  # type: ignore[attr-defined]
        if key in buffers:
            continue
        digest.update(f"{key} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
