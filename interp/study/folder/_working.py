"""The folder of a run that is not finished: parts stay in it until the run is whole."""

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
from interp.study.ask import Inputs
from interp.study.config import RunConfig
from interp.study.folder._folder import (
    LOCK,
    MANIFEST,
    PACKAGE,
    check_folder,
    manifest_settings,
    partial_folder,
    writable,
)
from interp.study.folder._store import IDENTITY, PARTS, Store
from interp.study.folder._written import described_inputs

OURS = (PARTS, IDENTITY, LOCK)
"""What a working folder has besides the run's own files."""


def identity_of(config: RunConfig, inputs: Inputs) -> dict[str, Any]:
    """What tells a run from others before its model is loaded: settings, data and our version."""
    return {
        "config": manifest_settings(config),
        "languages": list(inputs.languages),
        "data": described_inputs(inputs),
        "version": version(PACKAGE),
    }


@contextmanager
def working_folder(
    config: RunConfig, inputs: Inputs, folders: Sequence[str], *, purpose: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Iterator[tuple[Path, Store]]:  # fmt: skip
    """The run's working folder, with empty `folders` in it, and its store. It becomes `config.folder` at the end.

    After an error the store's parts are kept for the next run; a folder without parts is removed. purpose:
    distinguishes it from other work with the same settings, such as another command. overwrite: replace a working
    folder of another run. Raises OutputError if the folder can't be written, holds something else or is locked by
    another process, and ConfigError if it belongs to another run.
    """
    final, working = config.folder, partial_folder(config.folder)
    check_folder(final)
    identity = identity_of(config, inputs) | dict(purpose or {})
    try:
        store = Store.open(working, identity)
    except ConfigError:
        if not overwrite:
            raise
        shutil.rmtree(working)
        store = Store.open(working, identity)
    try:
        with writable(final):
            _clear(working)
            for name in folders:
                (working / name).mkdir()
            yield working, store
            if final.exists():
                shutil.rmtree(final)
            os.replace(working, final)
            _drop_store(final)
    finally:
        store.close()
        if store.empty:
            shutil.rmtree(working, ignore_errors=True)


def check_made_of(store: Store, made_of: Mapping[str, Any]) -> None:
    """Raise ConfigError if the parts were made with another model than `made_of` describes."""
    differ = differences(store.value("made_of", lambda: dict(made_of)), json.loads(json.dumps(made_of)))
    if differ:
        raise ConfigError(
            f"{store.folder} holds parts of another run: {'; '.join(differ)}",
            allowed="the same model, to continue the run", remedy="pass another --out, or --overwrite",
        )  # fmt: skip


def checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a run except its manifest."""
    paths = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {
        name.as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in paths.items()
        if name.parts[0] not in (*OURS, MANIFEST)
    }


def _clear(folder: Path) -> None:
    """Remove what an earlier attempt wrote besides the parts: tables and figures are made of them again."""
    for path in folder.iterdir():
        if path.name not in OURS:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _drop_store(final: Path) -> None:
    shutil.rmtree(final / PARTS, ignore_errors=True)
    for name in (IDENTITY, LOCK):
        (final / name).unlink(missing_ok=True)
