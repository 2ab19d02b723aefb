"""Figures and tables of a small run: drawn by it, and drawn again from its folder with the same bytes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from figures import FIGURES, RunTables, draw, lacking, on_page, save
from figures._registry import usual_layers
from interp.cli import app
from tests.study.conftest import CountedRun

OF_A_RUN = {"plane", "changes", "plane_by_language", "layers", "sweep", "geometry", "lens"}


@pytest.fixture
def folder(counted_run: CountedRun, tmp_path: Path) -> Path:
    return Path(shutil.copytree(counted_run.folder, tmp_path / "runs" / "mine"))


def interp(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_figure_of_a_run_again_with_the_same_bytes(folder: Path) -> None:
    drawn = contents(folder / "figures")
    assert set(drawn) == {f"{name}.{suffix}" for name in OF_A_RUN for suffix in ("pdf", "png", "svg")}
    shutil.rmtree(folder / "figures")
    program = "import sys; from interp.cli import main; sys.argv[0] = 'interp'; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "figures", folder], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert contents(folder / "figures") == drawn
    assert interp("runs", "show", folder, "--verify").exit_code == 0


def test_every_figure_is_told_in_words_with_numbers(folder: Path) -> None:
    run = RunTables.of(folder)
    assert set(FIGURES) - set(lacking(run)) == OF_A_RUN
    for name in OF_A_RUN:
        words = FIGURES[name].says(run, "macro")
        assert re.search(r"\d\.\d\d", words), name
        assert "nan" not in words
    base = run.require("plane").query("method == 'base' and language == 'macro'").iloc[0]
    assert f"base (unsteered) {base['transfer']:.3f} [{base['transfer_lo']:.3f}" in FIGURES["plane"].says(run, "macro")
    assert set(usual_layers(run)) == {"en", "loc"}


def test_type_is_embedded_as_type_42_on_every_page(folder: Path, tmp_path: Path) -> None:
    with on_page("neurips"):
        for name, figure in draw(RunTables.of(folder)):
            (path,) = save(figure, tmp_path / "out" / name, ["pdf"])
            content = path.read_bytes()
            assert b"/Subtype /Type3" not in content, name
            assert b"/FontFile2" in content, name
            assert figure.get_figwidth() <= 5.5


def test_the_command_says_where_and_what_is_missing(folder: Path, tmp_path: Path) -> None:
    done = interp(
        "figures", folder, "--only", "plane,sweep", "--format", "svg", "--style", "slides", "--language", "el"
    )
    assert done.exit_code == 0, done.output
    assert done.output.split() == [str(folder / "figures-slides-el" / f"{name}.svg") for name in ("plane", "sweep")]
    every = interp("figures", folder, "--format", "pdf", "--out", tmp_path / "all")
    assert "erasure is left out: the run has no table erasure" in every.output
    tables = interp("tables", folder)
    assert tables.exit_code == 0
    assert (folder / "tables" / "plane.tex").read_text().count(r"\\") > 8


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "plain"), "figure 'plain' is unknown; allowed: "),
        (("--only", "matrix"), "matrix can't be drawn"),
        (("--style", "a4"), "style 'a4' is unknown; allowed: "),
        (("--format", "gif"), "formats gif are not allowed"),
        (("--language", "xx"), "no language 'xx' in the plane table"),
        (("--font", "nowhere.ttf"), "can't be read as a font"),
    ],
)
def test_a_mistake_is_told(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    done = interp("figures", folder, *arguments)
    assert said in str(done.exception)
    assert type(done.exception).__name__ == "ConfigError"
