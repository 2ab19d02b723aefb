"""Models from the Hub: downloaded into its cache, never as pickles, and every failure in one clear line."""

from __future__ import annotations

import errno
import glob
import logging
from dataclasses import dataclass
from pathlib import Path

from interp.errors import ModelError, causes
from interp.model.load._gguf_header import header_of
from interp.model.load._sources import Source, check_checkpoint, find_model

CHECKPOINT = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken")
"""Weights, configuration, tokenizer, chat template."""

ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
ELSEWHERE = ("*/*", "consolidated*.safetensors")
"""Subfolders and a second copy of the weights, in another layout."""


@dataclass(frozen=True)
class Snapshot:
    """A repository's files in the Hub's cache, and the commit they are of."""

    folder: Path
    revision: str


def fetch(
    name: str, revision: str | None = None, *, files: tuple[str, ...] = CHECKPOINT, kind: str = "model"
) -> Snapshot:
    """The files of a repository on the Hub, downloaded where the cache lacks them (an interrupted download goes on).

    name: `org/name`, or `org/name:file.gguf` for that file alone. revision: branch, tag or commit; main by default.
    Raises ModelError, about the `kind` of thing asked for, that says whether it is gated, unknown, not cached while
    offline, or out of reach.
    """
    from huggingface_hub import snapshot_download

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    repository, _, file = name.partition(":")
    allowed, ignored = ([glob.escape(file)], []) if file else (list(files), list(ELSEWHERE))
    try:
        folder = Path(snapshot_download(repository, revision=revision, allow_patterns=allowed, ignore_patterns=ignored))
    except Exception as error:  # the Hub's errors, the network's and the disk's have no common class
        said = explained(error, name, revision, kind)
        if said is None:
            raise
        raise said from error
    return Snapshot(folder, folder.name)


def check_revision(source: Source, revision: str | None) -> None:
    """Raise ModelError for a revision of a folder or file."""
    if revision is not None and source.local:
        raise ModelError(
            f"revision {revision!r} makes no sense for the {'file' if source.gguf else 'folder'} {source.location}",
            allowed="revisions of models on the Hub",
            remedy="leave it out",
        )


def at_hand(name: str, revision: str | None) -> tuple[Source, str]:
    """A model's source as a folder or file (downloaded where it is on the Hub), and its commit; raises as `fetch`."""
    source = find_model(name)
    if source.local:
        return source, ""
    snapshot = fetch(source.location, revision)
    path = snapshot.folder / source.file
    if not source.file:
        check_checkpoint(path, f"model {name!r}")
    elif path.is_file():
        header_of(path)
    else:
        raise no_such_file(source)
    return Source(source.name, str(path), True), snapshot.revision


def no_such_file(source: Source) -> ModelError:
    """What is said of a GGUF file that its repository lacks."""
    return ModelError(
        f"model {source.repository!r} has no file {source.file!r}",
        remedy=f"choose a *.gguf of https://huggingface.co/{source.repository}/tree/main",
    )


def explained(error: BaseException, name: str, revision: str | None, kind: str = "model") -> ModelError | None:
    """What a failed download of `name` means and what to do, from the error or what caused it; None for a bug."""
    from huggingface_hub import errors, get_token
    from huggingface_hub.constants import HF_HUB_OFFLINE

    what, repository = f"{kind} {name!r}", name.partition(":")[0]
    command = f"interp model fetch {name}" if kind == "model" else f"hf download {name}"
    chain = list(causes(error))

    def found(*kinds: type[BaseException]) -> bool:
        return any(isinstance(link, kinds) for link in chain)

    if found(errors.HFValidationError):
        return ModelError(
            f"{what} is neither a folder nor a Hub id", allowed="org/name", remedy="check the name or the path"
        )
    if found(errors.GatedRepoError):
        why = "your token has no access to it" if get_token() else "no token is set"
        return ModelError(
            f"{what} is gated and {why}",
            remedy=f"accept its licence at https://huggingface.co/{repository}, then `hf auth login` (or set HF_TOKEN)",
        )
    if found(errors.RevisionNotFoundError):
        return ModelError(f"{what} has no revision {revision!r}", remedy="pass a branch, tag or commit that it has")
    if found(errors.RepositoryNotFoundError):
        return ModelError(
            f"{what} is not on the Hub, or is private",
            remedy="check the spelling; for a private one, `hf auth login` (or set HF_TOKEN)",
        )
    if any(isinstance(link, OSError) and link.errno in (errno.ENOSPC, errno.EDQUOT) for link in chain):
        return ModelError(
            f"{what} does not fit the disk of the Hub's cache", remedy="free some space, or set HF_HOME to another disk"
        )
    if found(errors.OfflineModeIsEnabled) or (found(errors.LocalEntryNotFoundError) and HF_HUB_OFFLINE):
        there = (
            "is in the Hub's cache only in part"
            if any("Incomplete" in type(link).__name__ for link in chain)
            else "is not cached"
        )
        at = f" at revision {revision!r}" if revision else ""
        return ModelError(
            f"{what} {there}{at}, and HF_HUB_OFFLINE forbids the network",
            remedy=f"run `{command}` where there is a network (a login node), with the same HF_HOME",
        )
    if found(errors.LocalEntryNotFoundError, ConnectionError) or (
        not found(errors.HfHubHTTPError) and any(type(link).__module__.startswith("http") for link in chain)
    ):
        return ModelError(
            f"{what} is not in the Hub's cache, and the Hub can't be reached",
            remedy=f"check the network, or run `{command}` where there is one, with the same HF_HOME",
        )
    if found(errors.HfHubHTTPError, OSError):
        return ModelError(f"{what} could not be downloaded: {' '.join(str(error).split())[:200]}", remedy="try again")
    return None
