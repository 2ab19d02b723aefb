"""Notebooks run from top to bottom and say what is stored in them."""

from __future__ import annotations

import importlib.util
import re
import time
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
NUMBER = re.compile(r"[-+]?\d+\.\d+")


def executor() -> ModuleType:
    spec = importlib.util.spec_from_file_location("execute", NOTEBOOKS[0].parent / "execute.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(cell: nbformat.NotebookNode) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stdout")


def test_there_are_five() -> None:
    assert NAMES == [
        "01_quickstart", "02_layerwise_probing", "03_attribution", "04_paper_figures", "05_your_model_your_data",
    ]  # fmt: skip


@each
def test_a_notebook_is_small_and_begins_by_installing(path: Path) -> None:
    assert path.stat().st_size < 600_000
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert len(cells) <= 12
    assert "%pip install" in cells[0].source
    assert 'find_spec("interp") is None' in cells[0].source
    assert any(cell.outputs for cell in cells)
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.~$}/-])/(work|root|home|tmp|mnt|opt)/", text)
    assert "plotly.js v" not in text


CLICKS = """
# The widgets are clicked: each changes what is compared, `none` changes nothing, and a removed part does.
said = []
for widget, value in ((method, "none"), (part, "MLP 0"), (code, "ko"), (kind, "fact"), (method, "en")):
    widget.value = value
    said.append(compare(kind.value, code.value, number.value, method.value, part.value))
questions = [question for question, _, _ in said]
assert questions[0] == questions[1] != questions[2] != questions[3]
assert (said[0][1]["before"] == said[0][1]["after"]).all()
assert (said[1][1]["before"] != said[1][1]["after"]).any()
print(len(shown.outputs) or "shown by the page")
"""


@pytest.mark.notebooks
@each
def test_a_notebook_runs_and_says_what_is_stored(path: Path, tmp_path: Path) -> None:
    stored = nbformat.read(path, as_version=4)
    clicked = nbformat.read(path, as_version=4)
    if path.stem == "03_attribution":
        clicked.cells.append(nbformat.v4.new_code_cell(CLICKS))
    nbformat.write(clicked, tmp_path / path.name)
    begun = time.perf_counter()
    done = executor().execute(tmp_path / path.name, tmp_path)
    assert time.perf_counter() - begun < 180
    for cell, before in zip(code_cells(done), code_cells(stored), strict=False):
        assert not [o for o in cell.outputs if o.output_type == "stream" and o.name == "stderr"], cell.source
        assert [output.output_type for output in cell.outputs] == [output.output_type for output in before.outputs]
        if "varies" in before.metadata.get("tags", []):
            continue
        said, told = printed(cell), printed(before)
        assert NUMBER.sub("", said) == NUMBER.sub("", told)
        numbers = [[float(number) for number in NUMBER.findall(text)] for text in (said, told)]
        assert numbers[0] == pytest.approx(numbers[1], abs=0.011)
