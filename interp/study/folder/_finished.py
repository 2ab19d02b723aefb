"""Finished runs: recognised by their settings, read back from their folder, or opened again to add files."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from figures import read_table
from interp.errors import OutputError
from interp.files import differences, write_json
from interp.model import HookedModel, LoadedModel
from interp.steering import PLANS, SURGICAL, SavedPlans, load_plans
from interp.study.ask import Study, prepare, resolve, with_model
from interp.study.config import RunConfig
from interp.study.folder._folder import (
    MANIFEST,
    PACKAGE,
    as_settings,
    check_folder,
    draw_figures,
    draw_report,
    manifest_settings,
    partial_folder,
    read_manifest,
    verify,
    writable,
)
from interp.study.folder._store import Store
from interp.study.folder._working import checksums
from interp.study.folder._written import described_inputs, made_of
from interp.study.methods import DEFAULT
from interp.study.search import Chosen, method_of

ADDED = ("ablations.csv", "regret.csv", "noise.csv", "report.html")
"""Files that are written again when a run is added to; its figures are too."""

REMEDY = "repeat the run: `interp run --overwrite` with its settings"


@dataclass(frozen=True)
class RunResult:
    """Result of a run.

    headroom: sentences on how much steering can gain. verdicts: sentences on the effects of EN and LOC over all
    languages. checks: sentences on robustness, consistency with English and damage. again: whether the run was finished
    already and nothing was done.
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


def finished(config: RunConfig) -> RunResult | None:
    """The finished run of these settings in `config.folder`; None if there is none. Errors: `finished_manifest`."""
    manifest = finished_manifest(config)
    return None if manifest is None else read_result(config.folder, manifest, again=True)


def finished_manifest(config: RunConfig) -> dict[str, Any] | None:
    """The manifest of the finished run of these settings in `config.folder`; None if there is none.

    Raises OutputError, which lists the differences, if the folder holds something else, or a run with other settings or
    of another version.
    """
    check_folder(config.folder)
    path = config.folder / MANIFEST
    if not path.is_file():
        return None
    manifest = read_manifest(config.folder)
    made_with = {"config": manifest.get("config"), PACKAGE: manifest.get("versions", {}).get(PACKAGE)}
    if differ := differences(made_with, {"config": manifest_settings(config), PACKAGE: version(PACKAGE)}):
        raise OutputError(
            f"{config.folder} holds another run: {'; '.join(differ)}", allowed="a new folder, or the same settings",
            remedy="pass another --out, or --overwrite",
        )  # fmt: skip
    return manifest


def read_result(folder: Path, manifest: Mapping[str, Any], *, again: bool) -> RunResult:
    """Read the result of a finished run from its folder."""
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
    answers = folder / "generated.csv"
    return RunResult(
        folder,
        read_table(folder / "plane.csv"),
        read_table(folder / "contrasts.csv"),
        chosen,
        list(manifest.get("findings", [])),
        list(manifest.get("verdicts", [])),
        list(manifest.get("headroom", [])),
        read_table(answers) if answers.is_file() else None,
        tuple(line for lines in manifest.get("checks", {}).values() for line in lines),
        again,
    )


@dataclass(frozen=True)
class Reopened:
    """A finished run: its manifest, its plans, and its study without trained methods."""

    folder: Path
    manifest: Mapping[str, Any]
    plans: SavedPlans
    study: Study

    @contextmanager
    def store(self, purpose: Mapping[str, Any]) -> Iterator[Store]:
        """The store for parts of an addition, until the block ends without error. purpose: the kind of addition.

        Raises ConfigError if the store holds parts of something else.
        """
        folder = partial_folder(self.folder.resolve())
        store = Store.open(folder, {"config": self.manifest["config"], "files": self.manifest["files"], **purpose})
        ended = False
        try:
            yield store
            ended = True
        finally:
            store.close()
            if ended or store.empty:
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def adding(self, entries: Mapping[str, Any]) -> Iterator[Path]:
        """A temporary folder whose tables join the run's, with new figures and report, if the block ends without error.

        entries: additions to the manifest, which the block may fill in. After an error the run is unchanged.
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
            manifest = {**self.manifest, **entries}
            draw_report(working, manifest)
            own |= {ADDED[-1]: checksums(working)[ADDED[-1]]}
            for file in own:
                (self.folder / file).parent.mkdir(exist_ok=True)
                os.replace(working / file, self.folder / file)
            write_json(self.folder / MANIFEST, manifest | {"files": dict(sorted((manifest["files"] | own).items()))})


def reopen(folder: Path, model: HookedModel | LoadedModel | None = None) -> Reopened:
    """Read a finished run's settings and load its data and model. model: used instead of the one in the settings.

    Raises OutputError for a folder that is not a finished run with a surgical plan, whose files were changed, or that
    was made with other data, another model or other versions; each difference is listed.
    """
    manifest = read_manifest(folder)
    if not (folder / PLANS).is_file() or SURGICAL not in (plans := load_plans(folder)).methods:
        raise OutputError(
            f"{folder} has no {SURGICAL} plan", allowed="a finished run of EN and LOC together",
            remedy="pass the folder of `interp run` with its default --methods",
        )  # fmt: skip
    _check(folder, {PACKAGE: manifest.get("versions", {}).get(PACKAGE)}, {PACKAGE: version(PACKAGE)})
    files = {line.partition(":")[0]: line for line in verify(folder, manifest)}
    if changed := [line for file, line in files.items() if file not in ADDED and not file.startswith("figures/")]:
        raise OutputError(
            f"{folder} was changed: {'; '.join(changed)}", allowed="a run whose files are unchanged", remedy=REMEDY
        )
    named: dict[str, Any] = {"methods": DEFAULT, "out": str(folder)}
    config, loaded = with_model(RunConfig(**as_settings(manifest["config"]) | named), model)
    inputs = resolve(config, loaded=loaded)
    data = described_inputs(inputs)
    _check(folder, {key: manifest["data"].get(key) for key in data}, data)
    study = prepare(config, loaded, inputs)
    current = json.loads(json.dumps(made_of(study)))
    _check(folder, {key: manifest.get(key) for key in current}, current)
    return Reopened(folder, manifest, plans, study)


def _check(folder: Path, made_with: dict[str, Any], current: dict[str, Any]) -> None:
    if differ := differences(made_with, current):
        raise OutputError(
            f"{folder} was made in another way: {'; '.join(differ)}", allowed="the same data, model and versions",
            remedy=REMEDY,
        )  # fmt: skip
