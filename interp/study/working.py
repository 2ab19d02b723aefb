"""The folder of a run that can be killed: parts stay in it, and it moves to its place when the run is whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from interp.errors import ConfigError
from interp.files import differences
from interp.study.config import RunConfig
from interp.study.describing import described_data, described_text
from interp.study.finished import plain
from interp.study.holding import LOCK
from interp.study.output import MANIFEST, check_folder, partial_folder, writable
from interp.study.resolve import Inputs
from interp.study.store import IDENTITY, PARTS, Store

OURS = (PARTS, IDENTITY, LOCK)
"""What a working folder has besides the run's own files."""


def identity_of(config: RunConfig, inputs: Inputs) -> dict[str, Any]:
    """What tells a run from others before its model is loaded: settings, data and our version."""
    data = {
        "universal": described_data(inputs.universal),
        "cultural": described_data(inputs.cultural),
        "parallel": described_text(inputs.parallel),
    }
    languages = list(inputs.languages)
    return {"config": plain(config), "languages": languages, "data": data, "version": version("translocal")}


@contextmanager
def working_folder(
    config: RunConfig, inputs: Inputs, parts: Sequence[str], *, overwrite: bool = False
) -> Iterator[tuple[Path, Store]]:
    """The run's working folder with the folders `parts`, and its store; it becomes `config.folder` when all is well.

    When the block ends badly, what the store has is kept, and found by the next run; a folder without any is removed.
    overwrite: a working folder of another run is begun anew. Raises OutputError where the folder can't be written,
    holds something else or is held by another process, ConfigError where it is another run's.
    """
    final, folder = config.folder, partial_folder(config.folder)
    check_folder(final)
    identity = identity_of(config, inputs)
    try:
        store = Store.open(folder, identity)
    except ConfigError:
        if not overwrite:
            raise
        shutil.rmtree(folder)
        store = Store.open(folder, identity)
    try:
        with writable(final):
            _clear(folder)
            for part in parts:
                (folder / part).mkdir()
            yield folder, store
            if final.exists():
                shutil.rmtree(final)
            os.replace(folder, final)
            _drop_store(final)
    finally:
        store.close()
        if folder.is_dir() and not any(names for _, _, names in os.walk(folder / PARTS)):
            shutil.rmtree(folder, ignore_errors=True)


def check_made_of(store: Store, made_of: Mapping[str, Any]) -> None:
    """Raise ConfigError where the parts were made with another model than `made_of` describes."""
    there = store.value("made_of", lambda: dict(made_of))
    differ = differences(there, json.loads(json.dumps(made_of)))
    if differ:
        raise ConfigError(
            f"{store.folder} holds parts of another run: {'; '.join(differ)}", allowed="the same model, which goes on",
            remedy="pass another --out, or --overwrite",
        )  # fmt: skip


def checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a run but its manifest."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and name.parts[0] not in (*OURS, MANIFEST):
            found[name.as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _clear(folder: Path) -> None:
    """Remove what an earlier attempt wrote besides the parts: tables and figures are made of them again."""
    for path in folder.iterdir():
        if path.name not in OURS:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _drop_store(final: Path) -> None:
    shutil.rmtree(final / PARTS, ignore_errors=True)
    for name in (IDENTITY, LOCK):
        (final / name).unlink(missing_ok=True)
