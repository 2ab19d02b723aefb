"""GGUF files of the Hub: `org/name:file.gguf`; no test touches the network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest

from interp.errors import ModelError
from interp.model.load import find_model, header_of, load_model, outline
from interp.model.machine import weight_bytes
from tests.conftest import write_tiny
from tests.ggufs import write_gguf
from tests.model.load.test_hub import GATED, LOCAL, UNKNOWN, hub  # noqa: F401

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "org/name-GGUF:tiny-Q8_0.gguf"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    checkpoint = write_tiny("qwen2", tmp_path_factory.mktemp("qwen2"))
    return write_gguf(checkpoint, tmp_path_factory.mktemp("gguf") / "tiny-Q8_0.gguf", "Q8_0")


@pytest.fixture
def cache(file: Path, tmp_path: Path) -> Path:
    """What the Hub's client leaves of one file; HF_HOME."""
    repository = tmp_path / "hub" / "models--org--name-GGUF"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    shutil.copy(file, snapshot / file.name)
    return tmp_path


def test_a_name_on_the_hub() -> None:
    source = find_model(NAME)
    assert (source.name, source.local, source.gguf) == (NAME, False, True)
    assert (source.repository, source.file) == ("org/name-GGUF", "tiny-Q8_0.gguf")
    assert find_model("org/name:Q4/tiny.gguf").file == "Q4/tiny.gguf"
    assert not find_model("org/name").gguf


def test_that_file_alone_is_asked_for(hub: list, file: Path, tmp_path: Path) -> None:  # noqa: F811
    from huggingface_hub.utils import filter_repo_objects

    folder = tmp_path / COMMIT
    (folder / "Q8").mkdir(parents=True)
    shutil.copy(file, folder / "Q8" / "a[1].gguf")
    hub.append({"answer": folder})
    loaded = load_model("org/name:Q8/a[1].gguf", device="cpu", revision="main")
    assert (hub[-1]["repository"], hub[-1]["revision"]) == ("org/name", "main")
    patterns = {key: hub[-1][key] for key in ("allow_patterns", "ignore_patterns")}
    there = ["Q8/a[1].gguf", "Q8/a1.gguf", "a[1].gguf", "config.json", "model.safetensors"]
    assert list(filter_repo_objects(there, **patterns)) == there[:1]
    assert (loaded.name, loaded.revision) == ("org/name:Q8/a[1].gguf", COMMIT)
    assert loaded.fingerprint == load_model(file, device="cpu").fingerprint


@pytest.mark.parametrize(
    ("error", "said", "todo"),
    [
        (GATED, f"model '{NAME}' is gated", "https://huggingface.co/org/name-GGUF,"),
        (UNKNOWN, f"model '{NAME}' is not on the Hub", "check the spelling"),
        (LOCAL, "the Hub can't be reached", f"interp model fetch {NAME}"),
    ],
    ids=["gated", "unknown", "no network"],
)
def test_each_failure_has_its_line(hub: list, error: BaseException, said: str, todo: str) -> None:  # noqa: F811
    hub.append({"answer": error})
    with pytest.raises(ModelError, match=said) as caught:
        load_model(NAME)
    assert todo in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_the_repository_lacks(hub: list, tmp_path: Path) -> None:  # noqa: F811
    hub.append({"answer": tmp_path})
    with pytest.raises(
        ModelError, match=r"model 'org/name-GGUF' has no file 'tiny-Q8_0.gguf'; to do: choose a \*\.gguf"
    ):
        load_model(NAME)


def test_a_download_that_is_cut_off(hub: list, file: Path, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / file.name).write_bytes(file.read_bytes()[:-9])
    hub.append({"answer": tmp_path})
    with pytest.raises(ModelError, match="is truncated"):
        load_model(NAME)


def run_offline(cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from interp.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True, text=True, check=False, env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(cache)},
    )  # fmt: skip


def test_a_cached_file_is_used_without_a_network(cache: Path) -> None:
    """The real thing: another process, a cache with one file, no network allowed."""
    done = run_offline(cache, "model", "fetch", NAME)
    where = cache / "hub" / "models--org--name-GGUF" / "snapshots" / COMMIT / "tiny-Q8_0.gguf"
    assert done.stdout.split("\n")[:2] == [f"file      {where}", f"revision  {COMMIT}"], done.stderr
    assert run_offline(cache, "model", "fetch", NAME, "--quiet").stdout.strip() == str(where)


def test_another_file_is_not_cached(cache: Path) -> None:
    done = run_offline(cache, "model", "fetch", "org/name-GGUF:other.gguf")
    assert done.returncode == 2
    assert len(done.stderr.strip().split("\n")) == 1
    assert "org/name-GGUF" in done.stderr


def test_the_outline_of_a_cached_file(cache: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache / "hub"))
    found = outline(NAME, "float32")
    assert (found.name, found.place, found.revision) == (NAME, "cached", COMMIT)
    assert found.shape == outline(str(file), "float32").shape
    assert found.tokenizer is not None
    assert weight_bytes(find_model(NAME), "bfloat16") == 2 * header_of(file).parameters


class FakeHub:
    """A repository with two GGUF files."""

    def __init__(self, size: int) -> None:
        self.size = size

    def model_info(self, name: str, **more: Any) -> Any:
        assert name == "org/name-GGUF"
        files = {"tiny-Q8_0.gguf": self.size, "tiny-F32.gguf": 10 * self.size, "README.md": 1}
        return SimpleNamespace(
            gated=False, sha=COMMIT, safetensors=None,
            siblings=[SimpleNamespace(rfilename=path, size=size) for path, size in files.items()],
        )  # fmt: skip


def test_the_outline_of_a_file_to_download(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its header is read over the network, and no weight."""
    asked: list[str] = []
    header = header_of(file)

    class Files:
        def open(self, path: str, mode: str, block_size: int) -> Any:
            asked.append(path)
            (tmp_path / "header").write_bytes(file.read_bytes()[: header.begin])

            class Remote:
                size = header.size

                def __enter__(self) -> Any:
                    self.file = (tmp_path / "header").open("rb")
                    self.read, self.tell = self.file.read, self.file.tell
                    return self

                def __exit__(self, *error: object) -> None:
                    self.file.close()

            return Remote()

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: FakeHub(header.size))
    monkeypatch.setattr(huggingface_hub, "HfFileSystem", Files)
    found = outline(NAME, "float32", revision="v1")
    assert asked == ["org/name-GGUF@v1/tiny-Q8_0.gguf"]
    assert (found.place, found.folder, found.tokenizer, found.revision) == ("to download", None, None, COMMIT)
    assert found.download == header.size
    assert found.shape == outline(str(file), "float32").shape
    assert found.weights == 4 * header.parameters
    with pytest.raises(ModelError, match=r"has no file 'absent\.gguf'"):
        outline("org/name-GGUF:absent.gguf", "float32")
