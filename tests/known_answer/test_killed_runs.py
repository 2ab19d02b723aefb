"""A sweep that is killed thirty times ends with the bytes of one that nobody disturbed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLING = Path(__file__).with_name("killing.py")


def runs(kills: dict[Path, int]) -> list[dict]:
    """What was seen of runs that were killed so many times."""
    command = [sys.executable, str(KILLING), *(f"{out}={n}" for out, n in kills.items())]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()[-len(kills) :]]


@pytest.mark.slow
def test_thirty_kills_leave_no_trace(tmp_path: Path) -> None:
    undisturbed, found = runs({tmp_path / "undisturbed" / "run": 0, tmp_path / "killed" / "run": 30})
    assert undisturbed["kills"] == 0
    assert found["kills"] == 30
    assert found["in_writes"] >= 8
    one, other = ({p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file() and p.name != "manifest.json"}
                  for f in (tmp_path / "undisturbed" / "run", tmp_path / "killed" / "run"))  # fmt: skip
    assert Path("plane.csv") in one
    assert one == other
    assert not list((tmp_path / "killed").glob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["local", "ray"])
def test_units_in_two_processes_give_the_same_bytes(kind: str, tmp_path: Path) -> None:
    if kind == "ray":
        pytest.importorskip("ray")
    undisturbed = tmp_path / "undisturbed" / "run"
    runs({undisturbed: 0})
    study = tmp_path / "study.yaml"
    study.write_text(
        "name: s\nmodels: [organism]\ndata: [{universal: atlas, cultural: atlas}]\nseeds: [0]\n"
        "settings: {languages: [el], limit: 60, strengths: [1.0], design: medium, bootstrap_draws: 200, "
        "attribution_items: 0}\n"
    )
    command = ["study", "run", str(study), "--out", str(tmp_path), "--executor", kind, "--workers", "2", "--quiet"]
    program = "import sys; from interp.cli import main; sys.argv[0] = 'interp'; main()"
    done = subprocess.run([sys.executable, "-c", program, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    for name in (
        "plane.csv", "contrasts.csv", "probes.csv", "plan.json", "scores/base.parquet", "robustness.csv",
        "consistency.csv", "damage.csv", "scores/english.parquet", "scores/sentences.parquet",
    ):  # fmt: skip
        found = tmp_path / "s" / "organism-atlas-atlas-seed0" / name
        assert found.read_bytes() == (undisturbed / name).read_bytes(), name
