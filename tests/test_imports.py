"""Who may import whom, and what start-up may cost."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("data", "model", "steering", "plane", "export", "alignment", "study", "cli")
"""Rooms of `interp` in the order in which data flows: each may import itself and those before it."""


def imported(path: Path) -> set[str]:
    """Modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("package", ["probes", "figures"])
def test_probes_and_figures_know_nothing_of_the_model_side(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        roots = {name.partition(".")[0] for name in imported(path)}
        assert not roots & {"interp", "torch", "transformer_lens", "transformers"}, path


@pytest.mark.parametrize("room", ROOMS)
def test_arrows_run_one_way(room: str) -> None:
    later = ROOMS[ROOMS.index(room) + 1 :]
    for path in (ROOT / "interp" / room).rglob("*.py"):
        rooms = {name.split(".")[1] for name in imported(path) if name.startswith("interp.")}
        assert not rooms & set(later), path


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    "module",
    [
        "interp",
        "interp.cli",
        "probes",
        "figures",
        "interp.study.config",
        "interp.alignment.settings",
        "interp.alignment.pairs",
    ],
)
def test_importing_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print({{'torch', 'transformer_lens', 'transformers', 'sklearn', 'matplotlib'}} & set(sys.modules))"
    assert run_python(code).strip() == "set()"
