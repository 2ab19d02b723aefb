"""The simulated cluster: answers that are known, bounds of list scheduling, and the tables in docs/scaling.md."""

from __future__ import annotations

import importlib.util
import math
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "docs" / "examples" / "scaling.py"


@pytest.fixture(scope="module")
def scaling():
    spec = importlib.util.spec_from_file_location("scaling", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["scaling"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["scaling"]


def test_one_worker_does_all_in_turn(scaling) -> None:
    study = scaling.Study()
    seen = scaling.simulate(study, 1)
    assert seen.starts == study.runs == 200
    assert seen.makespan == pytest.approx(200 * (11 + 6 * 26 + 70) + 11)


@pytest.mark.parametrize("workers", [3, 8, 200, 1400, 3000])
def test_equal_units_without_loads_take_whole_rounds(scaling, workers: int) -> None:
    study = scaling.Study(language=60.0, locate=60.0, start=0.0, gather=0.0)
    assert scaling.simulate(study, workers).makespan == pytest.approx(math.ceil(1400 / workers) * 60)


@pytest.mark.parametrize("workers", [8, 64, 512, 2000])
def test_a_makespan_is_between_the_bounds_of_list_scheduling(scaling, workers: int) -> None:
    study = scaling.Study(gather=0.0, language=100.0, locate=300.0)
    seen = scaling.simulate(study, workers)
    work = study.runs * sum(study.units) / workers
    longest = study.start + max(study.units)
    assert max(work, longest) <= seen.makespan <= seen.units + seen.loads + longest  # Graham, 1966
    assert study.runs <= seen.starts <= study.runs * len(study.units)


def test_one_gatherer_bounds_a_study(scaling) -> None:
    study = scaling.Study(gather=1000.0)
    assert scaling.simulate(study, 2000).makespan == pytest.approx(11 + 70 + 200 * 1000, rel=1e-3)
    assert scaling.simulate(study, 2000).lost == "gathering"


def test_the_tables_of_the_page_are_what_the_script_prints() -> None:
    printed = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=True).stdout
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    tables = printed.strip().split("\n\n")
    assert len(tables) == 3
    for table in tables:
        assert table in page
