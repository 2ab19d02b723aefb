"""A small finished run, and its desk."""

from __future__ import annotations

from pathlib import Path

import pytest

from interp.progress import Bars
from interp.serve import Desk, run_desk
from interp.study.config import RunConfig
from interp.study.run import run


@pytest.fixture(scope="session")
def opened_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "el"
    config = RunConfig(
        languages=("el", "fa"), limit=60, design="small", strengths=("0.3r",), draws=1, bootstrap_draws=200,
        attribution_items=4, damage_sentences=0, out=str(out),
    )  # fmt: skip
    return run(config, Bars(quiet=True)).folder


@pytest.fixture(scope="session")
def desk(opened_run: Path) -> Desk:
    return run_desk(opened_run, lambda text: None)
