"""`interp matrix` from the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest


@pytest.mark.slow
def test_a_small_matrix_from_end_to_end(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text("strengths: [1.0]\nbootstrap_draws: 200\n")
    flags = ["--languages", "el", "--limit", "60", "--config", "small.yaml", "--out", "el"]
    done = subprocess.run(
        [sys.executable, "-c", "from interp.cli import main; main()", "matrix", *flags],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    summary = pd.read_csv(tmp_path / "el" / "matrix_summary.csv", keep_default_na=False)
    levels = summary[summary["against"] == ""]
    assert set(levels["over"]) == {"all", "diagonal", "off_diagonal"}
    for condition, share in levels.loc[levels["over"] == "all", ["condition", "estimate"]].itertuples(index=False):
        assert f"{condition}" in done.stdout
        assert f"{float(share):.3f}" in done.stdout
    assert "picture el/figures/matrix.png" in done.stdout
    assert (tmp_path / "el" / "figures" / "matrix.png").is_file()
    for stage in ("loading", "fitting vectors", "choosing on dev", "scoring on test"):
        assert stage in done.stderr
