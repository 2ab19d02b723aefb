"""Where datasets are read from: folders, GitHub at a commit, the Hub; and what a user is told where they can't be."""

from __future__ import annotations

import io
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

from interp.data.files import Origin, Part, open_reader
from interp.data.files._sources import GitHub, Hub
from interp.errors import DataError

GITHUB = Origin("github", "org/data", "abc123", ("toy", "toy53"))
HUB = Origin("hub", "org/data", folders=("toy",), gated=True)


def test_a_data_folder_holds_the_dataset_or_is_it(tmp_path: Path) -> None:
    (tmp_path / "toy53").mkdir()
    (tmp_path / "toy53" / "ko.csv").write_text("ID\na\n")
    part = Part(("missing.csv", "*.csv"))
    for folder in (tmp_path, tmp_path / "toy53"):
        reader = open_reader("toy", GITHUB, folder)
        assert reader.has(part)
        assert [record.text("ID") for record in reader.records(part)] == ["a"]
    assert not reader.has(Part(("en.csv",)))
    with pytest.raises(DataError, match=r"toy53/en\.csv is missing; allowed: the files of https://github.com/org/data"):
        reader.records(Part(("en.csv",)))
    for wrong, told in ((tmp_path / "none", "none does not exist"), (tmp_path / "toy53" / "..", "holds no folder")):
        if told == "holds no folder":
            (tmp_path / "toy53" / "ko.csv").unlink()
            (tmp_path / "toy53").rmdir()
            wrong = tmp_path
        with pytest.raises(DataError, match=told):
            open_reader("toy", GITHUB, wrong)


@pytest.mark.parametrize("name", ["../secret.csv", "/etc/passwd"])
def test_a_part_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "secret.csv").write_text("ID\na\n")
    with pytest.raises(ValueError, match="leads outside the folder"):
        open_reader("toy", GITHUB, tmp_path).has(Part((name,)))


def test_github_files_are_downloaded_once_at_the_pinned_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSLOCAL_CACHE", str(tmp_path))
    asked: list[str] = []

    def urlopen(url: str, timeout: float):
        asked.append(url)
        if "ko" in url:
            return io.BytesIO(b"ID\na\n")
        raise urllib.error.HTTPError(url, 404, "not found", None, None)

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    for _ in range(2):
        reader = open_reader("toy", GITHUB, None)
        assert isinstance(reader, GitHub)
        assert reader.revision == "abc123"
        assert len(reader.records(Part(("data/k o.csv", "data/ko.csv")))) == 1
    assert asked == [
        f"https://raw.githubusercontent.com/org/data/abc123/data/{name}" for name in ("k%20o.csv", "ko.csv")
    ]
    with pytest.raises(DataError, match=r"not found: .*en\.csv: 404"):
        reader.records(Part(("en.csv",)))


def test_without_a_network_the_user_learns_which_file_to_put_where(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TRANSLOCAL_CACHE", str(tmp_path))

    def urlopen(url: str, timeout: float):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    with pytest.raises(
        DataError, match=r"can't be reached \(no route\); allowed: a network, or the file as .*toy/abc123/en.csv"
    ):
        open_reader("toy", GITHUB, None).records(Part(("en.csv",)))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match=r"en.csv is missing.*interp data fetch toy"):
        open_reader("toy", GITHUB, None).records(Part(("en.csv",)))


def fake_hub(monkeypatch: pytest.MonkeyPatch, answer):
    import datasets
    import huggingface_hub

    def load_dataset(repository, config, *, split, revision):
        asked.append((repository, config, split, revision))
        if isinstance(answer, Exception):
            raise answer
        return answer

    asked: list[tuple] = []
    api = SimpleNamespace(dataset_info=lambda repository, revision, timeout: SimpleNamespace(sha="f00"))
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: api)
    return asked


def test_the_hub_is_read_at_the_commit_that_the_branch_has(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = fake_hub(monkeypatch, [{"ID": "a"}, {"ID": "b"}])
    reader = open_reader("toy", HUB, None)
    assert isinstance(reader, Hub)
    records = reader.records(Part((), "ko", "test"))
    assert asked == [("org/data", "ko", "test", "f00")]
    assert reader.revision == "f00"
    assert (records[1].values, records[1].where) == ({"ID": "b"}, "org/data/ko/test, row 2")


def test_none_and_na_of_a_csv_on_the_hub_are_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real library reads a CSV file as it does one of the Hub's."""
    import datasets

    (tmp_path / "data.csv").write_text("ID,A,B,C\na,None,NA,nan\nb,null,N/A,\n", encoding="utf-8")
    real = datasets.load_dataset

    def load_dataset(repository, config, *, split, revision, **more):
        files = {split: str(tmp_path / "data.csv")}
        return real("csv", data_files=files, split=split, cache_dir=str(tmp_path / "cache"), **more)

    fake_hub(monkeypatch, [])
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    records = open_reader("toy", HUB, None).records(Part((), "ko", "test", csv=True))
    assert [record.maybe(name) for record in records for name in "ABC"] == ["None", "NA", "nan", "null", "N/A", ""]


def test_gated_missing_and_offline_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.errors import GatedRepoError

    gated = GatedRepoError.__new__(GatedRepoError)
    Exception.__init__(gated, "401")
    for error, told in (
        (gated, "is gated, and this machine has no token.*hf auth login"),
        (ConnectionError("down"), r"the Hub can't be reached.*--data-dir with toy/"),
        (ValueError("Unknown split"), "can't be read: Unknown split"),
    ):
        fake_hub(monkeypatch, error)
        with pytest.raises(DataError, match=told):
            open_reader("toy", HUB, None).records(Part((), "ko", "test"))


def test_offline_the_commit_comes_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    refs = tmp_path / "datasets--org--data" / "refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text("beef\n")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert open_reader("toy", HUB, None).revision == "beef"
