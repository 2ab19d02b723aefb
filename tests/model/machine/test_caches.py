"""The Hub from here: switches, token, whether anything answers, and what is cached."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from interp.hub import SWITCHES
from interp.model.machine import find_hub
from interp.model.machine._caches import Cached, hub_files, own_files, unreachable


def cached(folder: Path, kind: str, name: str, size: int, commit: str = "a" * 40, cut: bool = False) -> None:
    """A repository as the Hub's cache keeps it."""
    root = folder / f"{kind}s--{name.replace('/', '--')}"
    (root / "blobs").mkdir(parents=True)
    (root / "refs").mkdir()
    (root / "snapshots" / commit).mkdir(parents=True)
    (root / "blobs" / "1234").write_bytes(b"x" * size)
    (root / "refs" / "main").write_text(commit)
    (root / "snapshots" / commit / "model.safetensors").symlink_to(root / "blobs" / "1234")
    if cut:
        (root / "blobs" / "5678.incomplete").write_bytes(b"x")


def test_what_is_cached_with_size_and_revision(tmp_path: Path) -> None:
    cached(tmp_path, "model", "org/small", 10)
    cached(tmp_path, "model", "org/large", 1000, "b" * 40, cut=True)
    cached(tmp_path, "dataset", "org/data", 100)
    assert hub_files(tmp_path) == (
        Cached("dataset", "org/data", 100, ("a" * 40,)),
        Cached("model", "org/large", 1000, ("b" * 40,), complete=False),
        Cached("model", "org/small", 10, ("a" * 40,)),
    )


def test_no_cache_is_no_error(tmp_path: Path) -> None:
    assert hub_files(tmp_path / "absent") == ()
    assert own_files(tmp_path / "absent") == ()
    (tmp_path / "file").write_text("")
    assert hub_files(tmp_path / "file") == ()


def test_our_own_cache_names_datasets_and_commits(tmp_path: Path) -> None:
    folder = tmp_path / "blend" / "abc123" / "data"
    folder.mkdir(parents=True)
    (folder / "a.json").write_bytes(b"12345")
    assert own_files(tmp_path) == (Cached("dataset", "blend", 5, ("abc123",)),)
    (folder / "b.json.partial").write_bytes(b"1")
    assert not own_files(tmp_path)[0].complete


def answering(monkeypatch: pytest.MonkeyPatch, error: Exception | None, wait: float = 0.0) -> list[str]:
    asked: list[str] = []

    class Answer:
        def __enter__(self) -> Answer:
            return self

        def __exit__(self, *_: object) -> None: ...

    def urlopen(request: urllib.request.Request, timeout: float) -> Any:
        asked.append(request.full_url)
        time.sleep(wait)
        if error:
            raise error
        return Answer()

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    return asked


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (None, ""),
        (urllib.error.HTTPError("u", 403, "Forbidden", None, None), ""),  # type: ignore[arg-type]
        (urllib.error.URLError("no route"), "no route"),
        (TimeoutError("timed out"), "timed out"),
    ],
)
def test_anything_that_answers_is_there(error: Exception | None, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, error)
    assert unreachable("https://hub.invalid") == said


def test_a_name_that_is_looked_up_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, None, wait=3)
    begun = time.perf_counter()
    assert "no answer" in unreachable("https://hub.invalid", seconds=-0.9)
    assert time.perf_counter() - begun < 2


@pytest.mark.parametrize("switch", SWITCHES)
def test_offline_the_hub_is_not_asked(switch: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = answering(monkeypatch, None)
    for name in SWITCHES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    found = find_hub(tmp_path / "own")
    assert (found.answers, found.problem, len(asked)) == (True, "", 1)
    monkeypatch.setenv(switch, "yes")
    found = find_hub(tmp_path / "own")
    assert (found.answers, found.switches[switch], len(asked)) == (None, True, 1)


def test_the_token_is_never_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_secret_word")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    found = find_hub(tmp_path, ask=False)
    assert found.token is True
    assert "secret" not in repr(found)
