"""What a run leaves in its folder, each piece whole or not there; and whose folder it is."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from interp.alignment._models import Trainable
from interp.errors import OutputError
from interp.files import differences, whole, write_json
from interp.model.read import copy_tokenizer
from interp.organism import FILE as EXPOSURE

if TYPE_CHECKING:
    from peft import PeftModel

ADAPTER, MERGED, CURVE, MANIFEST = "adapter", "merged", "loss.csv", "manifest.json"
TRAINING, ASKED = "training", "asked.json"


def claim(folder: Path, asked: Mapping[str, Any]) -> None:
    """Take a new or empty folder for a run, or one that has this run; OutputError names what differs in another's."""
    try:
        recorded = json.loads((folder / ASKED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        recorded = None
    if not isinstance(recorded, dict):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OutputError(
                f"{folder} exists and is not a training run's folder",
                allowed="a new or empty folder, or an earlier run's",
                remedy="pass another --out",
            )
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / ASKED, asked)
        return
    changed = differences(recorded, json.loads(json.dumps(asked)))
    if changed:
        raise OutputError(
            f"{folder} holds another run: {'; '.join(changed)}",
            allowed="the same command, which continues or reuses the run",
            remedy="pass another --out or delete the folder",
        )


def write_curve(path: Path, curve: Sequence[Mapping[str, float]]) -> None:
    """A row per step; parts that a step doesn't have are empty."""
    with whole(path) as working:
        pd.DataFrame(curve).to_csv(working, index=False, float_format="%.6g", lineterminator="\n")


def save_adapter(model: PeftModel, target: Path) -> None:
    """The adapter as PEFT writes it, in safetensors."""

    def write(folder: Path) -> None:
        model.save_pretrained(str(folder), save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)  # a form to be filled in

    _folder(target, write)


def save_merged(model: PeftModel, source: Trainable, target: Path) -> None:
    """The model with the adapter's weights added, in the dtype of training, as a checkpoint with its tokenizer.

    What the base's folder says about its training data (`exposure.csv`) comes along. The model is merged in place.
    """
    adapted: Any = model
    merged = adapted.merge_and_unload(safe_merge=True)

    def write(folder: Path) -> None:
        merged.save_pretrained(folder)
        copy_tokenizer(source.folder, folder)
        if (source.folder / EXPOSURE).is_file():
            shutil.copyfile(source.folder / EXPOSURE, folder / EXPOSURE)

    _folder(target, write)


def _folder(target: Path, write: Callable[[Path], None]) -> None:
    """A folder that is written beside its place and moved there."""
    working = target.with_name(f".{target.name}.partial")
    shutil.rmtree(working, ignore_errors=True)
    working.mkdir(parents=True)
    write(working)
    shutil.rmtree(target, ignore_errors=True)
    os.replace(working, target)
