"""Finished runs: recognised by their settings, read back from their folder, or opened again to add files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pandas as pd

from figures.tables import read_table
from interp.errors import OutputError
from interp.files import differences, write_json
from interp.model.loading import LoadedModel
from interp.model.protocol import HookedModel
from interp.steering.saved import PLANS, SURGICAL, SavedPlans, load_plans
from interp.study.ask import Study, prepare, resolve, resolve_data, with_model
from interp.study.config import RunConfig
from interp.study.folder._folder import (
    MANIFEST,
    check_folder,
    draw_figures,
    draw_report,
    read_manifest,
    verify,
    writable,
)
from interp.study.folder._store import checksums, identity_of
from interp.study.folder._written import made_of
from interp.study.methods import DEFAULT

if TYPE_CHECKING:
    from interp.study.search import Chosen


VERSION = "translocal"


@dataclass(frozen=True)
class RunResult:
    """What a run leaves behind.

    headroom: what there is to gain, in words. verdicts: what EN's and LOC's effects may be called, over all languages.
    checks: what robustness, consistency with English and damage say in words. again: it was there already, and nothing
    was done.
    """

    folder: Path
    plane: pd.DataFrame
    contrasts: pd.DataFrame
    chosen: Mapping[str, Mapping[str, Chosen]]
    findings: list[str]
    verdicts: list[str]
    headroom: list[str]
    generated: pd.DataFrame | None = None
    checks: tuple[str, ...] = ()
    again: bool = False


def plain(config: RunConfig) -> dict[str, Any]:
    """The settings as a manifest has them."""
    found: dict[str, Any] = json.loads(json.dumps(config.described()))
    return found


def finished(config: RunConfig) -> RunResult | None:
    """The run of these settings that `config.folder` holds, as `finished_manifest`; None where there is none."""
    manifest = finished_manifest(config)
    return None if manifest is None else read_result(config.folder, manifest, again=True)


def finished_manifest(config: RunConfig) -> dict[str, Any] | None:
    """What the run of these settings that `config.folder` holds says of itself; None where there is none.

    Raises OutputError for a folder that holds something else, or a run with other settings or of another version, with
    the differences named.
    """
    check_folder(config.folder)
    path = config.folder / MANIFEST
    if not path.is_file():
        return None
    manifest = read_manifest(config.folder)
    there = {"config": manifest.get("config"), VERSION: manifest.get("versions", {}).get(VERSION)}
    differ = differences(there, {"config": plain(config), VERSION: version(VERSION)})
    if differ:
        raise OutputError(
            f"{config.folder} holds another run: {'; '.join(differ)}", allowed="a new folder, or the same settings",
            remedy="pass another --out, or --overwrite",
        )  # fmt: skip
    return manifest


def read_result(folder: Path, manifest: Mapping[str, Any], *, again: bool) -> RunResult:
    """What a finished run's folder says."""
    from interp.steering.saved import load_plans
    from interp.study.search import Chosen, method_of

    saved = load_plans(folder)
    chosen = {
        method: {
            code: Chosen(
                tuple(
                    (method_of(steer.vectors), steer.layer, strength)
                    for steer, strength in zip(plan.steers, plan.strengths, strict=True)
                ),
                dict(plan.notes.get("dev_gain", {})),
            )
            for code, plan in by_language.items()
        }
        for method, by_language in saved.methods.items()
    }
    said = folder / "generated.csv"
    return RunResult(
        folder,
        read_table(folder / "plane.csv"),
        read_table(folder / "contrasts.csv"),
        chosen,
        list(manifest.get("findings", [])),
        list(manifest.get("verdicts", [])),
        list(manifest.get("headroom", [])),
        read_table(said) if said.is_file() else None,
        tuple(line for lines in manifest.get("checks", {}).values() for line in lines),
        again,
    )


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
    config, loaded = with_model(RunConfig(**_as_settings(manifest["config"]) | named), model)
    inputs = resolve(config) if loaded is None else resolve_data(config)
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


def _as_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Lists, as JSON has them, become tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}


def _added(file: str) -> bool:
    return file in ADDED or file.startswith("figures/")
