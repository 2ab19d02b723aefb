"""Parts of a run on disk, each made once: a killed run goes on with the first that is missing."""

from __future__ import annotations

import json
import os
import platform
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import pandas as pd
from filelock import FileLock

from interp.errors import ConfigError, Notice, OutputError
from interp.files import PARTIAL, differences, whole, write_json
from interp.study.folder._folder import hold, writable
from interp.study.folder._parts import (
    DAMAGED,
    UNREADABLE,
    Parts,
    bytes_frame,
    bytes_value,
    frame_bytes,
    part_bytes,
    part_name,
    value_bytes,
)

PARTS, IDENTITY = "parts", "identity.json"
_SEGMENT = re.compile(r"[A-Za-z0-9_@+-][A-Za-z0-9._@+-]{0,119}")
_READERS: dict[str, Callable[[bytes], tuple[str, Any]]] = {"parquet": bytes_frame, "json": bytes_value}


class Store(Parts):
    """The parts of a run in `folder`, by key such as `test/ko`: segments of letters, digits and `._@+-`.

    Every part is written under a temporary name, synced and renamed; its name includes the SHA-256 of its bytes. A part
    that doesn't match its name, or can't be read, is moved to `parts/damaged` with a Notice and computed again. Create
    a store with `Store.open`. Methods raise OutputError if the folder can't be written, and ValueError for a bad key.
    """

    def __init__(self, folder: Path, lock: FileLock | None) -> None:
        self.folder = folder
        self._parts, self._lock = folder / PARTS, lock

    @classmethod
    def open(cls, folder: Path, identity: Mapping[str, Any], *, shared: bool = False) -> Store:
        """Open a folder for the run that `identity` (JSON values) identifies, new or to be continued.

        Holds the folder's lock until it is closed or the process ends, and removes half-written files of killed
        processes. shared: for a worker of the process that holds the lock; does neither. Raises ConfigError, which
        lists each difference, if the folder belongs to another run, and OutputError if another process holds it.
        """
        asked = json.loads(json.dumps(identity, allow_nan=False))
        with writable(folder):
            folder.mkdir(parents=True, exist_ok=True)
            store = cls(folder, None if shared else hold(folder))
            try:
                store._without_links(store._parts).mkdir(exist_ok=True)
                if not shared:
                    store._clear()
                store._claim(asked)
            except BaseException:
                store.close()
                raise
        return store

    def frame(self, key: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """The frame of `key`, computed if it is missing, always as it is read back, with rows numbered from 0."""
        frame: pd.DataFrame = self._part(key, "parquet", lambda: frame_bytes(key, make()))
        return frame

    def value(self, key: str, make: Callable[[], Any]) -> Any:
        """The value of `key`, computed if it is missing, always as JSON reads it back."""
        return self._part(key, "json", lambda: value_bytes(key, make()))

    def has(self, key: str) -> bool:
        """Whether an intact part exists."""
        return any(True for suffix in _READERS for _ in self._intact(key, suffix))

    @property
    def empty(self) -> bool:
        """Whether there is no file of any part."""
        return not any(names for _, _, names in os.walk(self._parts))

    def close(self) -> None:
        """Release the folder."""
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _part(self, key: str, suffix: str, make: Callable[[], bytes]) -> Any:
        for value in self._intact(key, suffix):
            return value
        data = make()
        with writable(self.folder):
            place = self._place(key)
            place.parent.mkdir(parents=True, exist_ok=True)
            writer = f"{platform.node()}.{os.getpid()}"
            with whole(place.with_name(part_name(place.name, data, suffix)), writer=writer) as working:
                working.write_bytes(data)
        for value in self._intact(key, suffix):
            return value
        raise OutputError(
            f"{key} can't be read back from {self.folder}",
            allowed="a disk that stores files reliably",
            remedy="check the disk, or pass another --out",
        )

    def _intact(self, key: str, suffix: str) -> Iterator[Any]:
        """What the files of a part hold, those of damaged ones aside; more than one where processes made different."""
        place = self._place(key)
        pattern = re.compile(rf"{re.escape(place.name)}\.[0-9a-f]{{32}}\.{suffix}")
        names = os.listdir(place.parent) if place.parent.is_dir() else []
        for path in sorted(place.with_name(name) for name in names if pattern.fullmatch(name)):
            try:
                own_key, value = _READERS[suffix](part_bytes(path))
                if own_key != key:
                    raise ValueError(f"it is {own_key}")
            except FileNotFoundError:  # another process moved it aside
                continue
            except UNREADABLE as error:
                self._set_aside(path, str(error))
                continue
            yield value

    def _set_aside(self, path: Path, reason: str) -> None:
        target = self._without_links(self._parts / DAMAGED / f"{path.relative_to(self._parts)}.{DAMAGED}")
        with writable(self.folder):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.replace(path, target)
            except FileNotFoundError:
                return
        warnings.warn(f"{path} is damaged ({reason}): moved to {target} and computed again", Notice, stacklevel=2)

    def _place(self, key: str) -> Path:
        segments = key.split("/")
        if segments[0] == DAMAGED or not all(_SEGMENT.fullmatch(name) and ".." not in name for name in segments):
            raise ValueError(f"{key!r} is not a key; allowed: segments of letters, digits and ._@+-, such as test/ko")
        return self._without_links(self._parts.joinpath(*segments))

    def _without_links(self, path: Path) -> Path:
        """The path, where no folder from the run's own on down to it is a link."""
        for place in (path, *path.parents):
            if place == self.folder:
                return path
            if place.is_symlink():
                raise OutputError(
                    f"{place} is a symbolic link", allowed="the run's own folders", remedy="remove the link"
                )
        raise ValueError(f"{path} is outside {self.folder}")

    def _clear(self) -> None:
        for path in (self.folder / f".{IDENTITY}{PARTIAL}", *self._parts.rglob(f".*{PARTIAL}")):
            path.unlink(missing_ok=True)

    def _claim(self, asked: Mapping[str, Any]) -> None:
        path = self.folder / IDENTITY
        try:
            differ = differences(json.loads(path.read_text(encoding="utf-8")), asked)
        except FileNotFoundError:
            if self.empty:
                write_json(path, asked)
                return
            differ = [f"{IDENTITY} is missing"]
        except ValueError:
            differ = [f"{IDENTITY} can't be read"]
        if differ:
            raise ConfigError(
                f"{self.folder} holds another run: {'; '.join(differ)}",
                allowed="the same run, to continue it",
                remedy="pass another --out, or --overwrite",
            )
