"""A sweep that is killed thirty times ends with the bytes of one that nobody disturbed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLING = Path(__file__).with_name("killing.py")


def killed(out: Path, kills: int) -> dict:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(KILLING), str(out), str(kills), "0"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_thirty_kills_leave_no_trace(tmp_path: Path) -> None:
    undisturbed = killed(tmp_path / "undisturbed" / "run", 0)
    found = killed(tmp_path / "killed" / "run", 30)
    assert undisturbed["kills"] == 0
    assert found["kills"] == 30
    assert found["in_writes"] >= 8
    one, other = ({p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file() and p.name != "manifest.json"}
                  for f in (tmp_path / "undisturbed" / "run", tmp_path / "killed" / "run"))  # fmt: skip
    assert Path("plane.csv") in one
    assert one == other
    assert not list((tmp_path / "killed").glob(".*"))
