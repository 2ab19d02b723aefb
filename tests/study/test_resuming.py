"""Verbs that are stopped go on where they were, make nothing twice, and end with the bytes of one that was not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from interp.errors import ConfigError
from interp.matrix import _cells, _matrix, run_matrix
from interp.model import LoadedModel
from interp.progress import Bars
from interp.steering import load_plans
from interp.study import rescoring
from interp.study import run as running
from interp.study.ask import _score
from interp.study.config import RunConfig
from interp.study.folder import partial_folder, read_manifest
from interp.study.locate import _locate
from interp.study.rescoring import Candidates, rescore
from interp.study.run import run_locate
from tests.study.conftest import CountedRun

QUICK = {"limit": 60, "strengths": (1.0,), "bootstrap_draws": 200, "attribution_items": 0, "layers": "2,4"}
Verb = Callable[[Path, int], Path]


def config(out: Path, seed: int) -> RunConfig:
    return RunConfig(languages=("el",), out=str(out), seed=seed, **QUICK)  # type: ignore[arg-type]


@pytest.fixture
def verbs(counted_run: CountedRun, organism: LoadedModel) -> dict[str, tuple[Verb, Any, str, Any, str]]:
    """Verb -> how it is called, what stops it (module, name), and what must not be done again (module, name)."""

    def locate(out: Path, seed: int) -> Path:
        return run_locate(config(out, seed), Bars(quiet=True), organism).folder

    def matrix(out: Path, seed: int) -> Path:
        return run_matrix(config(out, seed), Bars(quiet=True), ("GR", "KR"), organism).folder

    def score(out: Path, seed: int) -> Path:
        plans = Candidates.of_plans(load_plans(counted_run.folder), ["en", "loc"])
        settings = replace(counted_run.config, out=str(out), seed=seed)
        return rescore(settings, plans, Bars(quiet=True), model=organism).folder

    return {
        "locate": (locate, running, "save_left_out", _locate, "run_probes"),
        "matrix": (matrix, _matrix, "summary_table", _cells, "score_tasks"),
        "score": (score, rescoring, "base_contrasts", _score, "score"),
    }


def files_of(folder: Path) -> dict[str, bytes]:
    """Files by name but the manifest, which has timings, and pictures."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json" and path.suffix not in (".png", ".pdf", ".svg")
    }


@pytest.mark.parametrize("name", ["locate", "matrix", "score"])
def test_a_verb_that_was_stopped_goes_on(
    name: str, verbs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verb, where, stopped, place, again = verbs[name]

    def stop(*given: object, **more: object) -> None:
        raise KeyboardInterrupt

    def never(*given: object, **more: object) -> None:
        raise AssertionError("it was made already")

    whole = files_of(verb(tmp_path / "whole", 0))
    assert len(whole) > 2
    out = tmp_path / "stopped"
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(where, stopped, stop)
        verb(out, 0)
    assert not out.exists()
    assert partial_folder(out).is_dir()
    with pytest.raises(ConfigError, match="seed: 0 there, 1 here"):
        verb(out, 1)
    with monkeypatch.context() as patched:
        patched.setattr(place, again, never)
        verb(out, 0)
    assert files_of(out) == whole
    assert not partial_folder(out).exists()
    assert read_manifest(out)["config"]["seed"] == 0
