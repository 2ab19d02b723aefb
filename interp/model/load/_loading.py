"""Load any model that TransformerLens supports: by Hub id, from a checkpoint's folder, a GGUF file, or as an object."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interp.errors import ModelError
from interp.model import HookedModel, LoadedModel, device_of, dtype_of, embedding_rows, load
from interp.model.load._adapters import find_adapter
from interp.model.load._configuration import read_configuration
from interp.model.load._gguf_support import header_of
from interp.model.load._hub import at_hand, check_revision
from interp.model.load._placement import DeviceMap, check_quantization, place
from interp.model.load._processing import fingerprint, processing_of
from interp.model.load._sources import DTYPES, ORGANISM, find_model
from interp.model.load._trial import check_hooks_work
from interp.model.load._vocabulary import check_vocabulary
from interp.model.machine import check_fits
from interp.model.read import notice_changed
from interp.organism import Exposure


def load_model(
    model: str | Path | HookedModel = ORGANISM,
    *,
    device: str = "auto",
    dtype: str = "auto",
    n_devices: int | None = None,
    device_map: DeviceMap | None = None,
    quantization: str | None = None,
    adapter: str | Path | None = None,
    revision: str | None = None,
) -> LoadedModel:
    """Load a model with hooks by Hub id, checkpoint folder or GGUF file; `organism` is the embedded model.

    A loaded model is a `TransformerBridge`. A GGUF file is given by its path or as `org/name:file.gguf`, and its
    weights are dequantised to the dtype. Texts are encoded by the checkpoint's own tokenizer, as Transformers loads it.
    A `TransformerBridge` or `HookedTransformer` object is used unchanged, with its tokenizer; a notice is given if
    TransformerLens has changed that tokenizer. dtype: `auto` is float32 on a CPU and bfloat16 elsewhere. n_devices:
    number of GPUs that the blocks are spread over. device_map: as in Transformers. quantization: `4bit` or `8bit`, with
    bitsandbytes on a GPU. adapter: folder or Hub id (also `id@revision`) of a LoRA adapter, which is merged into the
    weights. revision: branch, tag or commit on the Hub. For a model of text and images, the language model is loaded.
    Raises ModelError for settings that can't be combined, a model that can't be found, opened or hooked or that doesn't
    fit into the free memory, and an adapter of another model.
    """
    if not isinstance(model, (str, Path)):
        unusable = {
            "n_devices": n_devices, "device_map": device_map, "quantization": quantization, "adapter": adapter,
            "revision": revision,
        }  # fmt: skip
        return _taken(model, device, dtype, unusable)
    name = str(model)
    wanted = find_model(name, dtype)
    check_revision(wanted, revision)
    check_quantization(wanted, quantization)
    placement = place(device, dtype, n_devices, device_map, quantization)
    if adapter is not None and quantization is not None:
        raise ModelError(
            f"merging an adapter into {quantization} weights would lose precision",
            allowed="either adapter or quantization",
            remedy="load without quantization",
        )
    lora = None if adapter is None else find_adapter(str(adapter))
    source, commit = at_hand(name, revision)
    read_configuration(source, name)
    check_fits(source, placement.dtype, placement.devices, quantization=quantization)
    booted = load.boot(source, name, placement, lora)  # through the face: TransformerLens takes seconds to import
    check_hooked(booted, source.name)
    check_hooks_work(booted)
    return LoadedModel(
        booted,
        source.name,
        fingerprint(booted),
        Exposure.read(Path(source.location)),
        revision=commit,
        processing=processing_of(booted),
        adapter="" if lora is None else f"{lora.name} {lora.revision}".strip(),
        quantization=quantization or "",
        gguf=header_of(Path(source.location)).described(placement.dtype) if source.gguf else "",
    )


def _taken(model: HookedModel, device: str, dtype: str, unusable: Mapping[str, Any]) -> LoadedModel:
    """An object as it is; raises ModelError if a setting of `unusable` is given: only loading could meet it."""
    if not (hasattr(model, "cfg") and hasattr(model, "hook_dict")):
        raise ModelError(
            f"a {type(model).__name__} is not a model with hooks",
            allowed="a name, a folder, a TransformerBridge or a HookedTransformer",
            remedy="pass one of these",
        )
    for setting, value in unusable.items():
        if value is not None:
            raise ModelError(
                f"{setting} {value!r} can't be applied to a model that is already loaded",
                remedy="leave it out, or pass the model's name",
            )
    name = Path(str(getattr(model.cfg, "model_name", "") or "model")).name
    check_hooked(model, name)
    actual = {"device": str(device_of(model)), "dtype": str(dtype_of(model)).removeprefix("torch.")}
    if dtype not in DTYPES:
        raise ModelError(f"dtype {dtype!r} is unknown", allowed=", ".join(DTYPES), remedy="pass one of these")
    for setting, value in (("device", device), ("dtype", dtype)):
        if value not in ("auto", actual[setting], actual[setting].partition(":")[0]):
            raise ModelError(
                f"{setting} {value!r} was requested, but the model has {actual[setting]}",
                remedy=f"leave {setting} out, or convert the model first",
            )
    notice_changed(model.tokenizer)
    check_hooks_work(model)
    config = getattr(getattr(model, "original_model", None), "config", None)
    method = getattr(getattr(config, "quantization_config", None), "quant_method", "")
    return LoadedModel(
        model, name, fingerprint(model), None, processing=processing_of(model),
        quantization=str(getattr(method, "value", method)),
    )  # fmt: skip


def check_hooked(model: HookedModel, name: str) -> None:
    """Raise ModelError unless the model has a residual stream after every block and a tokenizer of its size."""
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
    check_vocabulary(model.tokenizer, embedding_rows(model), name)
