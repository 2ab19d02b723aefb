"""The Hub's failures, one clear line each; no test touches the network."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import errors

from interp.errors import ModelError
from interp.model.load import load_model, organism_folder
from interp.model.load._hub import ADAPTER, fetch

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def raised(kind: type[BaseException], *arguments: Any) -> BaseException:
    """An error of the Hub's without the response that its constructor wants."""
    error = kind.__new__(kind, *arguments)
    Exception.__init__(error, *arguments)
    return error


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Calls of `snapshot_download`; the last entry's `answer` is what it returns or raises."""
    calls: list[dict[str, Any]] = []

    def download(repository: str, **settings: Any) -> str:
        answer = calls[-1]["answer"]
        calls.append({"repository": repository, **settings, "answer": answer})
        if isinstance(answer, BaseException):
            raise answer
        return str(answer)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    return calls


def test_only_safetensors_and_text_are_asked_for(hub: list, tmp_path: Path) -> None:
    from huggingface_hub.utils import filter_repo_objects

    hub.append({"answer": tmp_path / COMMIT})
    found = fetch("org/name", "main")
    assert found.name == COMMIT
    settings = hub[-1]
    assert settings["revision"] == "main"
    there = [
        "model-00001-of-00002.safetensors", "model.safetensors.index.json", "config.json", "tokenizer.model", "merges.txt",
        "chat_template.jinja", "pytorch_model.bin", "model.pt", "modeling_x.py", "consolidated.safetensors",
        "onnx/model.safetensors", "original/params.json", "README.md", "training_args.pkl", "weights.h5",
    ]  # fmt: skip
    patterns = {key: settings[key] for key in ("allow_patterns", "ignore_patterns")}
    assert list(filter_repo_objects(there, **patterns)) == there[:6]


GATED, UNKNOWN = raised(errors.GatedRepoError, "403"), raised(errors.RepositoryNotFoundError, "404")
LOCAL, OFFLINE = raised(errors.LocalEntryNotFoundError, "not here"), errors.OfflineModeIsEnabled("offline")


@pytest.mark.parametrize(
    ("error", "said", "todo"),
    [
        (GATED, "is gated and no token is set", "hf auth login"),
        (caused(OSError("You are trying to access a gated repo"), GATED), "is gated", "https://huggingface.co/org/name"),
        (UNKNOWN, "is not on the Hub, or is private", "check the spelling"),
        (raised(errors.RevisionNotFoundError, "404"), "has no revision 'v9'", "branch, tag or commit"),
        (raised(errors.HFValidationError, "bad"), "is neither a folder nor a Hub id", "check the name"),
        (LOCAL, "the Hub can't be reached", "interp model fetch org/name"),
        (caused(raised(errors.LocalEntryNotFoundError, "x"), OFFLINE), "HF_HUB_OFFLINE forbids", "interp model fetch org/name"),
        (ConnectionError("refused"), "the Hub can't be reached", "check the network"),
        (OSError(errno.ENOSPC, "No space left on device"), "does not fit on the disk", "HF_HOME"),
        (PermissionError(errno.EACCES, "Permission denied"), "could not be downloaded: permission denied", "try again"),
    ],
    ids=["gated", "gated by cause", "unknown", "revision", "odd id", "no network", "offline", "refused", "disk", "permission"],
)  # fmt: skip
def test_each_failure_has_its_line(hub: list, error: BaseException, said: str, todo: str) -> None:
    hub.append({"answer": error})
    with pytest.raises(ModelError, match=said) as caught:
        load_model("org/name", revision="v9")
    assert todo in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_token_without_access_is_said(hub: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "secret")
    hub.append({"answer": GATED})
    with pytest.raises(ModelError, match="your token has no access") as caught:
        fetch("org/name")
    assert "secret" not in str(caught.value)


def test_an_incomplete_cache_is_said(hub: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    hub.append({"answer": raised(errors.IncompleteSnapshotError, "x", "y")})
    with pytest.raises(ModelError, match="only partly in the Hub's cache"):
        fetch("org/name")


def test_a_bug_keeps_its_traceback(hub: list) -> None:
    hub.append({"answer": TypeError("snapshot_download() got an unexpected keyword")})
    with pytest.raises(TypeError):
        fetch("org/name")


def test_the_commit_is_recorded_and_the_name_kept(hub: list, tmp_path: Path) -> None:
    (tmp_path / COMMIT).symlink_to(organism_folder())
    hub.append({"answer": tmp_path / COMMIT})
    loaded = load_model("org/name", device="cpu", revision="main")
    assert (loaded.name, loaded.revision) == ("org/name", COMMIT)
    assert loaded.model.cfg.model_name == "org/name"


def test_a_repository_of_pickles_is_refused(hub: list, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    hub.append({"answer": tmp_path})
    with pytest.raises(ModelError, match=r"model 'org/name' does not hold a \*\.safetensors file"):
        load_model("org/name", device="cpu")


def test_adapters_by_hub_id(hub: list) -> None:
    hub.append({"answer": UNKNOWN})
    with pytest.raises(ModelError, match="adapter 'org/lora' is not on the Hub"):
        load_model("organism", device="cpu", adapter="org/lora@v1")
    assert hub[-1]["revision"] == "v1"
    assert tuple(hub[-1]["allow_patterns"]) == ADAPTER


def test_offline_without_a_cache(tmp_path: Path) -> None:
    """The real thing: another process, an empty cache, no network allowed."""
    import os
    import subprocess
    import sys

    code = "from interp.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "model", "fetch", "org/name"],
        capture_output=True, text=True, check=False, env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: model 'org/name' is not cached, and HF_HUB_OFFLINE forbids the network")
    assert len(done.stderr.strip().split("\n")) == 1
