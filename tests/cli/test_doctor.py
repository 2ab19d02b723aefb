"""`interp doctor`: what it prints, and its exit code."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from interp.cli import app


def doctor(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> Result:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TRANSLOCAL_CACHE", str(folder / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder / "hub"))
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_secret_word")
    monkeypatch.chdir(folder)
    return CliRunner().invoke(app, ["doctor", *arguments])


def test_it_says_what_is_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import torch

    done = doctor(monkeypatch, tmp_path)
    assert done.exit_code == 0
    lines = {line[:18].strip(): line[18:] for line in done.output.split("\n")}
    assert lines["python"].startswith(sys.version.split()[0])
    assert torch.__version__.split("+")[0] in done.output
    assert lines["token"] == "there"
    assert "secret" not in done.output
    assert lines["offline switches"] == "HF_HUB_OFFLINE"
    assert "not asked" in lines["Hub"]
    assert lines["cached"] == "nothing"
    assert not list(tmp_path.iterdir())


def test_json_holds_it_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cache" / "blend" / "abc").mkdir(parents=True)
    done = doctor(monkeypatch, tmp_path, "--json")
    found = json.loads(done.output)
    assert found["hub"]["token"] is True
    assert found["hub"]["cached"] == [
        {"kind": "dataset", "name": "blend", "bytes": 0, "revisions": ["abc"], "complete": True}
    ]
    assert found["machine"]["ram_total"] >= found["machine"]["ram_free"] > 0
    assert {"level", "text", "remedy"} == set(found["advice"][0]) if found["advice"] else True
    assert "secret" not in done.output


def test_what_makes_a_run_impossible_is_exit_code_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    done = doctor(monkeypatch, tmp_path)
    assert done.exit_code == 1
    assert "error: torch can't be imported" in done.output
