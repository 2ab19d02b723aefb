"""Finished runs: recognised by their settings, read back from their folder, or opened again to add files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from figures import read_table
from interp.errors import OutputError
from interp.files import differences
from interp.steering import load_plans
from interp.study.config import RunConfig
from interp.study.folder._folder import (
    MANIFEST,
    check_folder,
    read_manifest,
)
from interp.study.search import Chosen, method_of

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
