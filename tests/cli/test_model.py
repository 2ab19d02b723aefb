"""`interp model fetch`, with the Hub's download replaced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import typer
from huggingface_hub import errors

from interp.cli.setup.model import fetch
from interp.errors import ModelError
from tests.cli.conftest import Done

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def snapshot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder in the Hub's cache, and a download that gives it."""
    folder = tmp_path / COMMIT
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(bytes(2**20))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda repository, **settings: str(folder))
    return folder


def raising(error: BaseException) -> Any:
    def download(repository: str, **settings: Any) -> str:
        raise error

    return download


def test_help(call: Callable[..., Done]) -> None:
    done = call("model", "fetch", "--help")
    assert done.code == 0
    assert "Examples:" in done.out


def test_folder_commit_and_size_are_printed(snapshot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fetch("org/name")
    lines = capsys.readouterr().out.strip().split("\n")
    assert [line.split()[-1] for line in lines[:2]] == [str(snapshot), COMMIT]
    assert lines[2].endswith("0.00 GiB")
    fetch("org/name", quiet=True)
    assert capsys.readouterr().out == f"{snapshot}\n"


def test_stopped_it_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", raising(KeyboardInterrupt()))
    with pytest.raises(typer.Exit) as stopped:
        fetch("org/name")
    assert stopped.value.exit_code == 130
    assert capsys.readouterr().err == "stopped: downloaded files are kept; give the same command again to continue\n"


def test_a_failure_is_the_users_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    error = errors.GatedRepoError.__new__(errors.GatedRepoError)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", raising(error))
    with pytest.raises(ModelError, match="is gated"):
        fetch("org/name")


def test_pickles_alone_are_no_model(snapshot: Path) -> None:
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"does not hold a \*\.safetensors"):
        fetch("org/name")


def test_what_is_here_already(call: Callable[..., Done], tmp_path: Path) -> None:
    for name in ("organism", "no/such/folder"):
        done = call("model", "fetch", name, cwd=tmp_path)
        assert done.code == 2
        assert len(done.err.strip().split("\n")) == 1
