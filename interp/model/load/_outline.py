"""A model before it is loaded: where it is, how large, who may read it, and its sizes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, Literal, cast

import huggingface_hub
import torch
from huggingface_hub.utils import filter_repo_objects
from transformers import AutoConfig
from transformers.utils import logging as hf_logging

from interp.errors import ModelError, reason_of
from interp.model import HookedModel, LoadedModel, Shape, shape_from_config
from interp.model.load._configuration import check_language_model, read_configuration
from interp.model.load._gguf import gguf_configuration
from interp.model.load._gguf_support import read_header
from interp.model.load._hub import CHECKPOINT, ELSEWHERE, explained, no_such_file
from interp.model.load._placement import check_quantization
from interp.model.load._sources import ORGANISM, Source, find_model
from interp.model.load._vocabulary import check_vocabulary
from interp.model.machine import BYTES, QUANTIZED, local_place, weight_bytes
from interp.model.read import own_tokenizer

TIMEOUT = 20
BLOCK = 2**22
"""Bytes fetched at a time of a GGUF file's header."""

Place = Literal["embedded", "folder", "cached", "to download"]


@dataclass(frozen=True)
class Outline:
    """What can be known about a model without loading it.

    folder: folder of its files, or a GGUF file itself (None: not downloaded yet). gated: None if unknown. weights:
    bytes once loaded. download: bytes to download. tokenizer: None if its files are not on this machine.
    """

    name: str
    place: Place
    folder: Path | None
    revision: str
    gated: bool | None
    config: Any
    shape: Shape
    weights: int
    download: int
    tokenizer: Any | None

    def hooked(self, device: str, dtype: str) -> HookedModel:
        """A stand-in for the model where only its sizes, device and tokenizer are needed."""
        sizes = self.shape
        weight = torch.empty(0, device=device, dtype=getattr(torch, dtype))
        cfg = SimpleNamespace(
            n_layers=sizes.n_layers, d_model=sizes.d_model, d_mlp=sizes.d_mlp, n_heads=sizes.n_heads,
            d_head=sizes.d_head, d_vocab=sizes.d_vocab, n_ctx=sizes.n_ctx, dtype=weight.dtype,
        )  # fmt: skip
        embed = SimpleNamespace(parameters=lambda: [weight])
        return cast(HookedModel, SimpleNamespace(cfg=cfg, tokenizer=self.tokenizer, embed=embed))


def outline(name: str, dtype: str, *, quantization: str | None = None, revision: str | None = None) -> Outline:
    """Describe a model in `dtype` (`float32`, ...) without loading it.

    For a model on the Hub only the configuration is downloaded; for a GGUF file only the header is read.

    Raises ModelError for a model that can't be found, is gated for this token, is not a causal language model, or has a
    tokenizer that is larger than its embedding.
    """
    hf_logging.set_verbosity_error()
    source = find_model(name)
    check_quantization(source, quantization)
    folder = local_place(source, revision)
    gated, commit, download, parameters = None, "", 0, None
    if folder is None:
        gated, commit, download, parameters = _on_hub(source, revision)
    elif not source.local:
        commit = str(folder).removesuffix(source.file).rstrip("/").rpartition("/")[2]
    weights = None
    try:
        if folder:
            config = read_configuration(Source(source.name, str(folder), True), name)
        else:
            config = _configuration_on_hub(source, revision)
            check_language_model(config, name)
        weights = weight_bytes(folder, dtype, quantization) if folder else None
        tokenizer = own_tokenizer(folder) if folder else None
    except ModelError:
        raise
    except Exception as error:  # Transformers', the Hub's, the network's
        failure = explained(error, source.location, revision) if folder is None else None
        reason = reason_of(error)
        raise failure or ModelError(
            f"the configuration or tokenizer of {name!r} can't be read: {reason}", remedy="check the files"
        ) from error
    shape = shape_from_config(config)
    if tokenizer is not None:
        check_vocabulary(tokenizer, shape.d_vocab, name)
    counted = _bytes(shape, parameters, dtype, quantization)
    place: Place = "to download" if folder is None else "cached" if not source.local else "folder"
    return Outline(
        name=source.name,
        place="embedded" if name == ORGANISM else place,
        folder=folder,
        revision=commit,
        gated=gated,
        config=config,
        shape=shape,
        weights=weights or counted,
        download=download,
        tokenizer=tokenizer,
    )


def has_configuration(loaded: LoadedModel) -> bool:
    """Whether a model that is there as an object says its sizes as Transformers does."""
    return getattr(getattr(loaded.model, "original_model", None), "config", None) is not None


def outline_of(loaded: LoadedModel) -> Outline:
    """The outline of a model that is there as an object; ModelError if it has no configuration of Transformers."""
    model: Any = loaded.model
    if not has_configuration(loaded):
        raise ModelError(
            "the time for this model can't be estimated because it has no Transformers configuration",
            remedy="pass a design: small, medium, large or exhaustive",
        )
    original = model.original_model
    weights = sum(part.numel() * part.element_size() for part in original.parameters())
    return Outline(
        name=loaded.name, place="folder", folder=None, revision=loaded.revision, gated=None, config=original.config,
        shape=shape_from_config(original.config), weights=weights, download=0, tokenizer=model.tokenizer,
    )  # fmt: skip


def _bytes(shape: Shape, parameters: int | None, dtype: str, quantization: str | None) -> int:
    """Bytes of the weights by count: matrices of blocks are what quantization makes smaller."""
    total, inside = max(parameters or 0, shape.parameters), sum(shape.matrices)
    width = QUANTIZED[quantization] if quantization else BYTES[dtype]
    return int(inside * width + (total - inside) * BYTES[dtype])


def _on_hub(source: Source, revision: str | None) -> tuple[bool, str, int, int | None]:
    """Of a repository: whether it is gated, its commit, the bytes of the files that would be fetched, parameters."""
    try:
        api = huggingface_hub.HfApi()
        info = api.model_info(source.repository, revision=revision, files_metadata=True, timeout=TIMEOUT)
        if info.gated:
            api.auth_check(source.repository)
    except Exception as error:  # the Hub's errors and the network's have no common class
        failure = explained(error, source.location, revision)
        if failure is None:
            raise
        raise failure from error
    sizes = {file.rfilename: int(file.size or 0) for file in info.siblings or ()}
    if source.file and source.file not in sizes:
        raise no_such_file(source)
    checkpoint = filter_repo_objects(sizes, allow_patterns=list(CHECKPOINT), ignore_patterns=list(ELSEWHERE))
    fetched = [source.file] if source.file else checkpoint
    parameters = int(info.safetensors.total) if info.safetensors else None
    return bool(info.gated), str(info.sha or ""), sum(sizes[name] for name in fetched), parameters


def _configuration_on_hub(source: Source, revision: str | None) -> Any:
    """The configuration of a model that isn't here; of a GGUF file its first bytes are read, as far as the header."""
    if not source.file:
        return AutoConfig.from_pretrained(source.location, revision=revision, trust_remote_code=False)
    hub = huggingface_hub.HfFileSystem()
    path = f"{source.repository}@{revision}/{source.file}" if revision else f"{source.repository}/{source.file}"
    with hub.open(path, "rb", block_size=BLOCK) as file:
        header = read_header(cast(BinaryIO, file), int(file.size), source.name)
    return gguf_configuration(header, source.name)
