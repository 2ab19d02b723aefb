"""The folder of a run that is not finished, or is opened again: parts stay in it until the run is whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from interp.errors import ConfigError, OutputError
from interp.files import differences, write_json
from interp.model import HookedModel, LoadedModel
from interp.steering import PLANS, SURGICAL, SavedPlans, load_plans
from interp.study.ask import Inputs, Study, prepare, resolve, with_model
from interp.study.config import RunConfig
from interp.study.folder._finished import VERSION, plain
from interp.study.folder._folder import (
    LOCK,
    MANIFEST,
    check_folder,
    draw_figures,
    draw_report,
    partial_folder,
    read_manifest,
    verify,
    writable,
)
from interp.study.folder._store import IDENTITY, PARTS, Store
from interp.study.folder._written import described_data, described_text, made_of
from interp.study.methods import DEFAULT

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
    config: RunConfig, inputs: Inputs, parts: Sequence[str], *, told: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Iterator[tuple[Path, Store]]:  # fmt: skip
    """The run's working folder with the folders `parts`, and its store; it becomes `config.folder` when all is well.

    When the block ends badly, what the store has is kept, and found by the next run; a folder without any is removed.
    told: what tells it from a run of the same settings, such as the verb. overwrite: a working folder of another run is
    begun anew. Raises OutputError where the folder can't be written, holds something else or is held by another
    process, ConfigError where it is another run's.
    """
    final, folder = config.folder, partial_folder(config.folder)
    check_folder(final)
    identity = identity_of(config, inputs) | dict(told or {})
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


ADDED = ("ablations.csv", "regret.csv", "noise.csv", "report.html")
"""Files that are written again when a run is added to; its figures are too."""

REMEDY = "make the run again: `interp run --overwrite` with its settings"


@dataclass(frozen=True)
class Reopened:
    """A finished run: what its manifest says, its plans, and its study without the methods that are trained."""

    folder: Path
    manifest: Mapping[str, Any]
    plans: SavedPlans
    study: Study

    @contextmanager
    def store(self, told: Mapping[str, Any]) -> Iterator[Store]:
        """Where parts of what is added are kept until the block ends well; told: what they are of.

        Raises ConfigError where the parts of something else are kept there.
        """
        folder = partial_folder(self.folder.resolve())
        store = Store.open(folder, {"config": self.manifest["config"], "files": self.manifest["files"], **told})
        ended = False
        try:
            yield store
            ended = True
        finally:
            store.close()
            if ended or not any(names for _, _, names in os.walk(folder / PARTS)):
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def adding(self, told: Mapping[str, Any]) -> Iterator[Path]:
        """A folder beside the run's, whose tables join the run's when the block ends well, with figures and report.

        told: keys of the manifest, which may be filled in the block. Else the run stays as it was.
        """
        parent = self.folder.resolve().parent
        with writable(self.folder), TemporaryDirectory(prefix=f".{self.folder.name}.", dir=parent) as name:
            working = Path(name)
            (working / "figures").mkdir()
            yield working
            draw_figures(working)
            own = checksums(working)
            for path in self.folder.iterdir():
                if path.is_file() and not (working / path.name).exists():
                    (working / path.name).symlink_to(path.resolve())
            (working / ADDED[-1]).unlink(missing_ok=True)
            manifest = {**self.manifest, **told}
            draw_report(working, manifest)
            own |= {ADDED[-1]: checksums(working)[ADDED[-1]]}
            for file in own:
                (self.folder / file).parent.mkdir(exist_ok=True)
                os.replace(working / file, self.folder / file)
            write_json(self.folder / MANIFEST, manifest | {"files": dict(sorted((manifest["files"] | own).items()))})


def reopen(folder: Path, model: HookedModel | LoadedModel | None = None) -> Reopened:
    """Read a finished run's settings and load its data and model. model: in place of the one that the settings name.

    Raises OutputError for a folder that is no finished run with a surgical plan, and for one that is not as it was
    written or was made with other data, another model or other versions than are here; each difference is named.
    """
    manifest = read_manifest(folder)
    if not (folder / PLANS).is_file() or SURGICAL not in (plans := load_plans(folder)).methods:
        raise OutputError(
            f"{folder} has no {SURGICAL} plan", allowed="a finished run of EN and LOC together",
            remedy="pass the folder of `interp run` with its default --methods",
        )  # fmt: skip
    _check(folder, {VERSION: manifest.get("versions", {}).get(VERSION)}, {VERSION: version(VERSION)})
    if changed := [line for line in verify(folder, manifest) if not _added(line.partition(":")[0])]:
        raise OutputError(
            f"{folder} was changed: {'; '.join(changed)}", allowed="a run as it was written", remedy=REMEDY
        )
    named: dict[str, Any] = {"methods": DEFAULT, "out": str(folder)}
    config, loaded = with_model(RunConfig(**as_settings(manifest["config"]) | named), model)
    inputs = resolve(config, loaded=loaded)
    data = identity_of(config, inputs)["data"]
    _check(folder, {key: manifest["data"].get(key) for key in data}, data)
    study = prepare(config, loaded, inputs)
    here = json.loads(json.dumps(made_of(study)))
    _check(folder, {key: manifest.get(key) for key in here}, here)
    return Reopened(folder, manifest, plans, study)


def _check(folder: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    if differ := differences(dict(there), dict(here)):
        raise OutputError(
            f"{folder} was made otherwise: {'; '.join(differ)}", allowed="the same data, model and versions",
            remedy=REMEDY,
        )  # fmt: skip


def as_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Lists, as JSON has them, become tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}


def _added(file: str) -> bool:
    return file in ADDED or file.startswith("figures/")
