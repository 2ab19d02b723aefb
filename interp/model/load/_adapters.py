"""LoRA adapters: read from safetensors, checked against their base, merged into it."""

from __future__ import annotations

import json
import os
import re
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from transformers import PreTrainedModel

from interp.errors import ModelError, reason_of
from interp.files import not_a_folder
from interp.model.load._hub import ADAPTER, fetch

CONFIG, WEIGHTS = ADAPTER
PREFIX = "base_model.model."
_HUB_ID = re.compile(r"\w[\w.-]*/[\w.-]+(@[^@]+)?")


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter in a folder: its name to show, the base it says it was trained on, and its Hub commit if any."""

    name: str
    folder: Path
    base: str
    revision: str


def check_adapter(name: str) -> None:
    """Raise ModelError for what is neither a folder nor a Hub id. The Hub is not asked."""
    folder = Path(os.path.expanduser(name))
    if folder.is_dir() or (not folder.exists() and _HUB_ID.fullmatch(name)):
        return
    raise ModelError(
        f"adapter {name!r} {not_a_folder(folder)}",
        allowed="a folder, or a Hub id such as org/name",
        remedy="check the path",
    )


def find_adapter(name: str) -> Adapter:
    """An adapter by folder or Hub id (`org/name`, or `org/name@revision`), downloaded where it has to be.

    Raises ModelError for a folder that is no adapter, another kind than LoRA, pickled weights, or without PEFT.
    """
    if find_spec("peft") is None:
        raise ModelError("an adapter needs the package peft", remedy="pip install 'translocal[align]'")
    check_adapter(name)
    folder, revision = Path(os.path.expanduser(name)), ""
    shown = f"adapter folder {name!r}"
    if not folder.is_dir():
        repository, _, commit = name.partition("@")
        folder = fetch(repository, commit or None, files=ADAPTER, kind="adapter")
        revision, shown = folder.name, f"adapter {name!r}"
    if not (folder / CONFIG).is_file():
        raise ModelError(
            f"{shown} has no {CONFIG}", allowed="a folder written by PEFT's save_pretrained", remedy="check the path"
        )
    if not (folder / WEIGHTS).is_file():
        raise ModelError(
            f"{shown} has no {WEIGHTS}",
            allowed="weights in safetensors format; pickled ones (*.bin) are never opened",
            remedy="save it again with PEFT's save_pretrained",
        )
    try:
        settings = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        kind, base = settings["peft_type"], str(settings.get("base_model_name_or_path") or "an unnamed model")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{folder / CONFIG} can't be read: {reason_of(error)}", remedy="save the adapter again"
        ) from error
    if kind != "LORA":
        raise ModelError(f"{shown} is an adapter of the kind {kind}", allowed="LORA", remedy="train a LoRA adapter")
    return Adapter(name if revision else folder.resolve().name, folder, base, revision)


def fits(adapter: Adapter, model: PreTrainedModel) -> bool:
    """Whether every module that the adapter changes is there."""
    return not _misfit(adapter, model)


def merged(model: PreTrainedModel, adapter: Adapter, name: str) -> PreTrainedModel:
    """The model with the adapter's weights added to its own; `name` is the model's, for messages.

    The sum is taken in the model's dtype. Raises ModelError for an adapter of another base.
    """
    from peft import PeftModel

    misfit = _misfit(adapter, model)
    if misfit:
        raise _wrong_base(adapter, name, misfit)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", message=".*missing adapter keys")
            adapted: Any = PeftModel.from_pretrained(model, str(adapter.folder), autocast_adapter_dtype=False)
        whole = adapted.merge_and_unload(safe_merge=True).eval()
        return whole.requires_grad_(True)  # PEFT froze it; attribution takes gradients
    except Exception as error:  # PEFT raises many kinds, and warns of weights it did not find
        raise _wrong_base(adapter, name, reason_of(error)) from error


def _misfit(adapter: Adapter, model: PreTrainedModel) -> str:
    """What of the adapter has no counterpart in the model; an empty text where all has."""
    modules = dict(model.named_modules())
    try:
        with safe_open(adapter.folder / WEIGHTS, "pt") as file:
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{adapter.folder / WEIGHTS} can't be read: {reason_of(error)}", remedy="save the adapter again"
        ) from error
    for key, shape in shapes.items():
        path, part, _ = key.removeprefix(PREFIX).partition(".lora_")
        if not part:
            continue
        module = modules.get(path)
        weight = getattr(module, "weight", None)
        if weight is None:
            return f"it has no {path}"
        side = {".lora_A.": shape[-1], ".lora_B.": shape[0]}.get(key[key.index(".lora_") :][:8])
        if side is not None and side not in weight.shape:
            return f"{path} is {list(weight.shape)}, the adapter's {key.rpartition('.lora_')[2]} {list(shape)}"
    return ""


def _wrong_base(adapter: Adapter, name: str, reason: str) -> ModelError:
    return ModelError(
        f"adapter {adapter.name!r} does not fit model {name!r}: {reason}",
        allowed=f"the model it was trained on ({adapter.base})",
        remedy="pass that model, or another adapter",
    )
