"""Where published datasets are read from: a folder with the published files, GitHub at a pinned commit, or the Hub."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import quote

import huggingface_hub

from interp.data.files._records import Record, read_lines, read_records
from interp.errors import DataError, reason_of
from interp.files import not_a_folder, whole
from interp.hub import failure_of, offline_switches

RAW = "https://raw.githubusercontent.com"
TIMEOUT = 60


@dataclass(frozen=True)
class Part:
    """One table of a dataset: its file in the source (alternatives in order), and its place on the Hub.

    `repository` is the Hub repository that holds it, where that is not the dataset's own. quoted: as `read_records`.
    csv: the Hub has CSV files, in which "None" and "NA" are texts and only an empty cell is empty.
    """

    paths: tuple[str, ...]
    config: str = ""
    split: str = ""
    repository: str = ""
    quoted: bool = True
    csv: bool = False


@dataclass(frozen=True)
class Origin:
    """Where a dataset is published. `folders` are the names that its files may lie under below a data folder.

    revision: a commit, or a branch of the Hub's that is resolved to a commit when it is read.
    """

    site: Literal["hub", "github"]
    repository: str
    revision: str = "main"
    folders: tuple[str, ...] = ()
    gated: bool = False

    @property
    def page(self) -> str:
        """The source's web page."""
        site = "https://huggingface.co/datasets" if self.site == "hub" else "https://github.com"
        return f"{site}/{self.repository}"


class Reader:
    """Reads the tables of a dataset from its source. This base class, for embedded datasets, has none."""

    revision: str = "embedded"
    """What is read: a commit, or that the files are local."""

    def has(self, part: Part) -> bool:
        """Whether the table exists (or is published, if its existence can't be known before reading)."""
        return False

    def records(self, part: Part) -> list[Record]:
        """The records of a table. Raises DataError if it is missing or can't be read."""
        raise ValueError(f"an embedded dataset asks for {part.paths}")

    def lines(self, part: Part) -> list[str]:
        """The lines of a plain text file; raises DataError if it is missing or can't be read."""
        raise ValueError(f"an embedded dataset asks for {part.paths}")


@dataclass
class Folder(Reader):
    """Published files in a folder."""

    name: str
    root: Path
    origin: Origin
    revision: str = "local files"

    def find(self, part: Part) -> Path | None:
        """The table's file."""
        for pattern in part.paths:
            inside = PurePosixPath(pattern)
            if inside.is_absolute() or ".." in inside.parts:
                raise ValueError(f"{pattern!r} leads outside the folder")
            for path in sorted(self.root.glob(pattern)):
                if path.is_file():
                    return path
        return None

    def has(self, part: Part) -> bool:
        """Whether the table's file is there."""
        return self.find(part) is not None

    def path(self, part: Part) -> Path:
        """The table's file; raises DataError, which says what to put where."""
        path = self.find(part)
        if path is None:
            raise DataError(
                f"dataset {self.name!r}: {self.root / part.paths[0]} is missing",
                allowed=f"the files of {self.origin.page} as published",
                remedy=f"run `interp data fetch {self.name}` where there is a network, or put the file there",
            )
        return path

    def records(self, part: Part) -> list[Record]:
        """Records of the table's file."""
        return read_records(self.path(part), quoted=part.quoted)

    def lines(self, part: Part) -> list[str]:
        """Lines of the table's file."""
        return read_lines(self.path(part))


@dataclass
class GitHub(Folder):
    """Files of a repository at a pinned commit, downloaded once into the cache."""

    def has(self, part: Part) -> bool:
        """Whether the file is cached, or can be asked for."""
        return super().has(part) or not offline()

    def path(self, part: Part) -> Path:
        """The cached file, downloaded where it is missing."""
        if self.find(part) is None and not offline():
            self._download(part)
        return super().path(part)

    def _download(self, part: Part) -> None:
        tried = []
        for name in part.paths:
            if "*" in name:
                continue
            url = f"{RAW}/{self.origin.repository}/{self.origin.revision}/{quote(name)}"
            target = self.root / name
            try:
                with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
                    data = answer.read()
            except urllib.error.HTTPError as error:
                tried.append(f"{url}: {error.code}")
                continue
            except OSError as error:
                reason = getattr(error, "reason", error)
                raise DataError(
                    f"dataset {self.name!r}: {url} can't be reached ({reason})",
                    allowed=f"a network, or the file as {target}",
                    remedy=f"run `interp data fetch {self.name}` where there is a network, or pass --data-dir",
                ) from error
            target.parent.mkdir(parents=True, exist_ok=True)
            with whole(target) as partial:
                partial.write_bytes(data)
            return
        raise DataError(f"dataset {self.name!r}: not found: {'; '.join(tried)}", remedy="pass --data-dir")


@dataclass
class Hub(Reader):
    """A dataset repository of the Hugging Face Hub, read through `datasets`; never code from it.

    Other repositories that hold some of its tables are read at their newest commit, and `revision` names theirs too.
    """

    name: str
    origin: Origin
    revision: str = ""
    _commits: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._commit(self.origin.repository)

    def _commit(self, repository: str) -> str:
        if repository not in self._commits:
            self._commits[repository] = self._newest(repository)
            (_, own), *others = self._commits.items()
            self.revision = "; ".join([own, *(f"{other}@{commit}" for other, commit in others)])
        return self._commits[repository]

    def _newest(self, repository: str) -> str:
        revision = self.origin.revision if repository == self.origin.repository else "main"
        if offline():
            return _cached(repository, revision)
        try:
            return huggingface_hub.HfApi().dataset_info(repository, revision=revision, timeout=TIMEOUT).sha or revision
        except Exception as error:
            raise self._failed(error, repository) from error

    def has(self, part: Part) -> bool:
        """Whether the table has a place on the Hub."""
        return bool(part.split)

    def records(self, part: Part) -> list[Record]:
        """Rows of a configuration's split."""
        import datasets  # three seconds, for this source alone

        datasets.disable_progress_bars()
        repository = part.repository or self.origin.repository
        where = "/".join(word for word in (repository, part.config, part.split) if word)
        revision = self._commit(repository)
        as_text = {"keep_default_na": False} if part.csv else {}
        try:
            rows = datasets.load_dataset(
                repository, part.config or None, split=part.split, revision=revision, **as_text
            )
        except Exception as error:  # the library and the network below it raise many kinds
            raise self._failed(error, where) from error
        return [Record(row, f"{where}, row {number}") for number, row in enumerate(rows, start=1)]

    def lines(self, part: Part) -> list[str]:
        """Texts of a table with one column."""
        return [str(next(iter(record.values.values()))) for record in self.records(part)]

    def _failed(self, error: Exception, where: str) -> DataError:
        failure = failure_of(error)
        reason = reason_of(error)
        what = f"dataset {self.name!r}: {where}"
        if failure == "gated":
            return DataError(
                f"{what} is gated, and this machine has no token that may read it",
                allowed=f"the token of an account that accepted the terms at {self.origin.page}",
                remedy="run `hf auth login` (or set HF_TOKEN), or pass --data-dir with the published files",
            )
        if offline() or failure in ("not cached", "partly cached", "unreachable"):
            return DataError(
                f"{what} is not in the cache, and the Hub can't be reached",
                allowed=f"a network, or the files of {self.origin.page} as published",
                remedy=f"run `interp data fetch {self.name}` where there is a network, or pass --data-dir with "
                f"{' or '.join(self.origin.folders or (self.name,))}/ holding the files",
            )
        return DataError(
            f"{what} can't be read: {reason}", allowed=self.origin.page, remedy="check the revision, or pass --data-dir"
        )


def _cached(repository: str, revision: str) -> str:
    """The commit that the cache has for a dataset repository's revision, else the revision."""
    folder = "--".join(("datasets", *repository.split("/")))  # as huggingface_hub names it
    commit = Path(huggingface_hub.constants.HF_HUB_CACHE) / folder / "refs" / revision
    return commit.read_text(encoding="utf-8").strip() if commit.is_file() else revision


def offline() -> bool:
    """Whether the environment says that there is no network."""
    switches = offline_switches()
    return switches["HF_HUB_OFFLINE"] or switches["HF_DATASETS_OFFLINE"]


def cache_folder() -> Path:
    """Where files from GitHub are kept: $TRANSLOCAL_CACHE, or below the user's cache folder."""
    named = os.environ.get("TRANSLOCAL_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named) if named else base / "translocal"


def check_data_dir(data_dir: Path | None) -> None:
    """Raise DataError if a folder with published files is given and is none."""
    if data_dir is not None and not data_dir.is_dir():
        raise DataError(f"--data-dir {data_dir} {not_a_folder(data_dir)}", allowed="a folder", remedy="check the path")


def folder_in(data_dir: Path, name: str, origin: Origin) -> Path | None:
    """The folder of a dataset's published files: one of its names in `data_dir`, or `data_dir` itself; else None."""
    names = origin.folders or (name,)
    inside = (data_dir / folder for folder in names if (data_dir / folder).is_dir())
    return next(inside, data_dir if data_dir.resolve().name in names else None)


def open_reader(name: str, origin: Origin, data_dir: Path | None) -> Reader:
    """The reader of a dataset: from files in `data_dir` (or a folder of its name in there), else from its origin.

    Raises DataError if `data_dir` is not a folder or has none of the dataset's folders.
    """
    if data_dir is None:
        if origin.site == "hub":
            return Hub(name, origin)
        return GitHub(name, cache_folder() / name / origin.revision, origin, origin.revision)
    check_data_dir(data_dir)
    if (folder := folder_in(data_dir, name, origin)) is not None:
        return Folder(name, folder, origin)
    raise DataError(
        f"--data-dir {data_dir} holds no folder for dataset {name!r}",
        allowed=" or ".join(f"{folder}/" for folder in origin.folders or (name,)),
        remedy=f"put the files of {origin.page} there as published",
    )
