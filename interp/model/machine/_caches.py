"""The Hub as seen from here: token, offline switches, whether it answers, and what is in the caches already."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import CacheNotFound

from interp.hub import offline_switches

SECONDS = 5.0
"""How long the Hub may take to answer."""


@dataclass(frozen=True)
class Cached:
    """Something in a cache: its kind (`model`, `dataset`), name, bytes and revisions.

    complete: false where a download was interrupted.
    """

    kind: str
    name: str
    bytes: int
    revisions: tuple[str, ...]
    complete: bool = True


@dataclass(frozen=True)
class Hub:
    """State of the Hub as seen from this machine. token: whether one is set. answers: None if the Hub was not asked."""

    endpoint: str
    token: bool
    switches: dict[str, bool]
    answers: bool | None
    problem: str
    folder: str
    cached: tuple[Cached, ...]


def find_hub(own_cache: Path, *, ask: bool = True, seconds: float = SECONDS) -> Hub:
    """Look up token, offline switches and caches. The Hub is asked unless the network is forbidden or `ask` is false.

    own_cache: folder where translocal caches downloads from other places.
    """
    switches = offline_switches()
    answers, problem = None, ""
    if ask and not any(switches.values()):
        problem = unreachable(constants.ENDPOINT, seconds)
        answers = not problem
    folder = Path(constants.HF_HUB_CACHE)
    cached = (*hub_files(folder), *own_files(own_cache))
    token = bool(huggingface_hub.get_token())
    return Hub(constants.ENDPOINT, token, switches, answers, problem, str(folder), cached)


def unreachable(url: str, seconds: float = SECONDS) -> str:
    """Why nothing answers at `url` within `seconds`; "" where something does, whatever it says."""
    outcomes: list[str] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=seconds):
                outcomes.append("")
        except urllib.error.HTTPError:
            outcomes.append("")
        except (OSError, ValueError) as error:
            outcomes.append(str(getattr(error, "reason", error)) or type(error).__name__)

    asking = threading.Thread(target=ask, daemon=True)  # looking up a name has no timeout of its own
    asking.start()
    asking.join(seconds + 1)
    return outcomes[0] if outcomes else f"no answer within {seconds:.0f} s"


def hub_files(folder: Path) -> tuple[Cached, ...]:
    """Models and datasets in the Hub's cache, the largest first; nothing where there is none."""
    try:
        repositories = huggingface_hub.scan_cache_dir(folder).repos
    except (CacheNotFound, OSError, ValueError):
        return ()
    cached = [
        Cached(
            repo.repo_type,
            repo.repo_id,
            int(repo.size_on_disk),
            tuple(sorted(revision.commit_hash for revision in repo.revisions)),
            not any((repo.repo_path / "blobs").glob("*.incomplete")),
        )
        for repo in repositories
        if repo.repo_type in ("model", "dataset")
    ]
    return tuple(sorted(cached, key=lambda entry: (entry.kind, -entry.bytes, entry.name)))


def own_files(folder: Path) -> tuple[Cached, ...]:
    """Datasets in translocal's own cache: a folder per dataset, in it one per revision."""
    if not folder.is_dir():
        return ()
    cached = []
    for dataset in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = [path for path in dataset.rglob("*") if path.is_file()]
        revisions = tuple(sorted(path.name for path in dataset.iterdir() if path.is_dir()))
        size = sum(path.stat().st_size for path in files)
        complete = not any(path.suffix == ".partial" for path in files)
        cached.append(Cached("dataset", dataset.name, size, revisions, complete))
    return tuple(cached)
