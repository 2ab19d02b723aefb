"""Where a model comes from: the embedded one, a checkpoint's folder, a GGUF file, the Hub; checked without torch."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from interp.errors import ModelError, reason_of
from interp.files import not_a_folder
from interp.model import load
from interp.model.load._gguf_names import SUFFIX, check_not_split, is_gguf

ORGANISM = "organism"
DEVICES = ("auto", "cpu", "cuda", "mps")
DTYPES = ("auto", "float32", "bfloat16", "float16")
QUANTIZATIONS = ("4bit", "8bit")
INDEX = "model.safetensors.index.json"
ALLOWED = "a checkpoint folder, a GGUF file, a Hub id such as org/name or org/name:file.gguf, or 'organism'"


@dataclass(frozen=True)
class Source:
    """The source of a model: the name to show, its location, and whether that is a path.

    location: a checkpoint's folder, a GGUF file, or on the Hub `org/name` or `org/name:file.gguf`.
    """

    name: str
    location: str
    local: bool

    @property
    def gguf(self) -> bool:
        """Whether it is a GGUF file, here or on the Hub."""
        return is_gguf(Path(self.location)) if self.local else bool(self.file)

    @property
    def repository(self) -> str:
        """Of a model on the Hub, `org/name`."""
        return self.location.partition(":")[0]

    @property
    def file(self) -> str:
        """Of a model on the Hub, the GGUF file; empty for a checkpoint."""
        return self.location.partition(":")[2]


def organism_folder() -> Path:
    """Folder of the embedded model. Raises ModelError if the installation lacks it."""
    folder = Path(str(files("interp.organism") / "checkpoint"))
    if not (folder / "config.json").is_file():
        raise ModelError(
            "the embedded model is missing from this installation",
            remedy="run `interp organism train`, or pass --model with a folder or a Hub id",
        )
    return folder


def find_model(name: str, dtype: str = "auto") -> Source:
    """The source of a model, checked without importing torch.

    Raises ModelError for an unknown dtype, a folder that doesn't exist, is not a checkpoint or has no safetensors, and
    for a GGUF file that doesn't exist, is cut off, or that Transformers can't read.
    """
    if dtype not in DTYPES:
        raise ModelError(f"dtype {dtype!r} is unknown", allowed=", ".join(DTYPES), remedy="pass one of these")
    if name == ORGANISM:
        return Source(name, str(organism_folder()), True)
    folder = Path(os.path.expanduser(name))
    if is_gguf(folder):
        load.header_of(folder)  # through the face: reading a header takes Transformers, other names don't
        return Source(folder.name, str(folder), True)
    if name.lower().endswith(SUFFIX) and not folder.is_dir():
        return _on_hub(name)
    if not name or not folder.is_dir():
        exists = bool(name) and folder.exists()
        if not name or exists or folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
            raise ModelError(
                f"model {name!r} {not_a_folder(folder)}" if exists else f"folder {name!r} does not exist",
                allowed=ALLOWED,
                remedy="check the path",
            )
        return Source(name, name, False)
    check_checkpoint(folder, f"folder {name!r}")
    return Source(folder.resolve().name, str(folder), True)


def _on_hub(name: str) -> Source:
    """The source of a GGUF file that isn't here, by `org/name:file.gguf`."""
    check_not_split(name)
    repository, colon, file = name.partition(":")
    if (
        not (colon and re.fullmatch(r"[\w.-]+/[\w.-]+", repository))
        or repository[0] in ".~"
        or ".." in Path(file).parts
    ):
        raise ModelError(f"file {name!r} does not exist", allowed=ALLOWED, remedy="check the path")
    return Source(name, name, False)


def check_checkpoint(folder: Path, what: str) -> None:
    """Raise ModelError, about `what`, for a folder without config.json or without all of its safetensors files."""
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"{what} is not a checkpoint: it has no config.json",
            allowed="a folder written by Transformers' save_pretrained (config.json, *.safetensors, tokenizer.json)",
            remedy="check the path (a folder with adapter_config.json is an adapter: pass it with its base)",
        )
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{what} does not hold a *.safetensors file",
            allowed="weights in safetensors format; pickled ones (*.bin, *.pt) are never opened",
            remedy="convert the weights with Transformers' save_pretrained",
        )
    missing = [path.name for path in weight_files(folder) if not path.is_file()]
    if missing:
        raise ModelError(
            f"{what} lacks {len(missing)} of its weight files, such as {missing[0]}",
            remedy="copy or download it again",
        )


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that a checkpoint is made of, by its index where it has one.

    Raises ModelError for an index that can't be read or that names a file elsewhere.
    """
    index = folder / INDEX
    if not index.is_file():
        whole = folder / "model.safetensors"
        return [whole] if whole.is_file() else sorted(folder.glob("*.safetensors"))
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        odd = [name for name in names if Path(name).name != name]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{index} can't be read: {reason_of(error)}", remedy="copy or download the model again"
        ) from error
    if odd:
        raise ModelError(f"{index} names {odd[0]!r}", allowed="files beside it", remedy="download the model again")
    return [folder / name for name in names]


def resolve_device(device: str) -> str:
    """`auto` becomes cuda, mps or cpu, whichever is available first; raises ModelError if a named one isn't."""
    kind = device.partition(":")[0]
    if kind not in DEVICES:
        raise ModelError(f"device {device!r} is unknown", allowed=", ".join(DEVICES), remedy="pass one of these")
    import torch  # here, so that an unknown name, and whatever else is checked before a run, is told without it

    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if available[name])
    if not available[kind]:
        raise ModelError(
            f"device {device!r} is not available here",
            allowed=", ".join(name for name, yes in available.items() if yes),
            remedy="pass --device cpu, or install a torch build for your accelerator",
        )
    return device


def resolve_dtype(dtype: str, device: str) -> str:
    """`auto` becomes float32 on a CPU and bfloat16 elsewhere."""
    return dtype if dtype != "auto" else "float32" if device.partition(":")[0] == "cpu" else "bfloat16"
