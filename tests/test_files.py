"""Names of folders and files, and what is said of those that are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from interp.data import load_universal
from interp.data.files import Origin, open_reader
from interp.errors import TranslocalError
from interp.files import folder_name
from interp.model.load import find_model
from interp.model.load._adapters import find_adapter
from interp.studies import find_runs
from interp.study.config import RunConfig


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("organism", "organism"), ("org/name", "name"), ("org/Qwen2.5-0.5B", "Qwen2.5-0.5B"), ("models/tiny/", "tiny"),
        ("models/tiny/.", "tiny"), ("a b/c:d", "c_d"), ("-dashed", "dashed"), (".hidden", "hidden"), ("x/地图", "地图"),
        ("..\\evil", "_evil"), ("/", "_"), ("C:\\models\\x", "C_models_x"),
    ],
)  # fmt: skip
def test_a_folder_is_called_after_the_last_part_of_a_path_or_id(source: str, name: str) -> None:
    assert folder_name(source) == name


@pytest.mark.parametrize(
    ("model", "name"), [(".", "tiny"), ("./", "tiny"), ("..", "models"), ("../", "models"), ("../tiny/", "tiny")]
)
def test_a_run_of_the_model_that_lies_here_is_called_after_its_folder(
    model: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "models" / "tiny"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    assert str(RunConfig(model=model).folder) == f"runs/{name}-atlas-atlas"
    assert RunConfig(adapter=model).model_name == f"organism+{name}"


@pytest.mark.parametrize("model", ["..", "../..", ".", "/", "a/../..", "x/..", "-", "...", "~", "a\\..\\b", "\x00/x"])
def test_no_name_leaves_the_folder_of_runs(model: str) -> None:
    if "\x00" in model:
        assert "\x00" not in str(RunConfig(model=model).folder)
        return
    config = RunConfig(model=model, universal="../../facts.csv", cultural="..")
    assert config.folder.parent == Path("runs")
    assert config.name[0] not in ".-+"
    assert config.folder.resolve().is_relative_to(Path("runs").resolve())


def test_a_file_is_not_called_missing_where_a_folder_is_wanted(tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_text("x")
    for call in (
        lambda: find_model(str(file)),
        lambda: find_adapter(str(file)),
        lambda: find_runs(file),
        lambda: open_reader("toy", Origin("github", "a/b"), file),
    ):
        with pytest.raises(TranslocalError, match=r"file.csv'? is a file, not a folder"):
            call()
    with pytest.raises(TranslocalError, match="is a folder, not a file"):
        load_universal(f"{tmp_path}/")
    with pytest.raises(TranslocalError, match="does not exist"):
        find_model(str(tmp_path / "none"))
