"""Models from the Hub: downloaded into its cache, never as pickles, and every failure in one clear line."""

from __future__ import annotations

import glob
import logging
from pathlib import Path

import huggingface_hub

from interp.errors import ModelError, reason_of
from interp.hub import failure_of
from interp.model.load._gguf_support import header_of
from interp.model.load._sources import Source, check_checkpoint, find_model

CHECKPOINT = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken")
"""Weights, configuration, tokenizer, chat template."""

ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
ELSEWHERE = ("*/*", "consolidated*.safetensors")
"""Subfolders and a second copy of the weights, in another layout."""


def fetch(name: str, revision: str | None = None, *, files: tuple[str, ...] = CHECKPOINT, kind: str = "model") -> Path:
    """The folder with a repository's files, downloaded where the Hub's cache lacks them; its name is their commit.

    An interrupted download goes on. name: `org/name`, or `org/name:file.gguf` for that file alone. revision: branch,
    tag or commit; main by default. Raises ModelError, about the `kind` of thing asked for, that says whether it is
    gated, unknown, not cached while offline, or out of reach.
    """
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    repository, _, file = name.partition(":")
    allowed, ignored = ([glob.escape(file)], []) if file else (list(files), list(ELSEWHERE))
    try:
        folder = huggingface_hub.snapshot_download(
            repository, revision=revision, allow_patterns=allowed, ignore_patterns=ignored
        )
    except Exception as error:  # the Hub's errors, the network's and the disk's have no common class
        failure = explained(error, name, revision, kind)
        if failure is None:
            raise
        raise failure from error
    return Path(folder)


def check_revision(source: Source, revision: str | None) -> None:
    """Raise ModelError for a revision of a folder or file."""
    if revision is not None and source.local:
        raise ModelError(
            f"revision {revision!r} can't be applied to the {'file' if source.gguf else 'folder'} {source.location}",
            allowed="revisions of models on the Hub",
            remedy="leave it out",
        )


def at_hand(name: str, revision: str | None) -> tuple[Source, str]:
    """A model's source as a folder or file (downloaded where it is on the Hub), and its commit; raises as `fetch`."""
    source = find_model(name)
    if source.local:
        return source, ""
    folder = fetch(source.location, revision)
    path = folder / source.file
    if not source.file:
        check_checkpoint(path, f"model {name!r}")
    elif path.is_file():
        header_of(path)
    else:
        raise no_such_file(source)
    return Source(source.name, str(path), True), folder.name


def no_such_file(source: Source) -> ModelError:
    """What is said of a GGUF file that its repository lacks."""
    return ModelError(
        f"model {source.repository!r} has no file {source.file!r}",
        remedy=f"choose a *.gguf of https://huggingface.co/{source.repository}/tree/main",
    )


def explained(error: BaseException, name: str, revision: str | None, kind: str = "model") -> ModelError | None:
    """What a failed download of `name` means and what to do, from the error or what caused it; None for a bug."""
    what, repository = f"{kind} {name!r}", name.partition(":")[0]
    command = f"interp model fetch {name}" if kind == "model" else f"hf download {name}"
    match failure_of(error):
        case "bad name":
            return ModelError(
                f"{what} is neither a folder nor a Hub id", allowed="org/name", remedy="check the name or the path"
            )
        case "gated":
            why = "your token has no access to it" if huggingface_hub.get_token() else "no token is set"
            page = f"https://huggingface.co/{repository}"
            return ModelError(
                f"{what} is gated and {why}",
                remedy=f"accept its licence at {page}, then run `hf auth login` (or set HF_TOKEN)",
            )
        case "no revision":
            return ModelError(f"{what} has no revision {revision!r}", remedy="pass an existing branch, tag or commit")
        case "no repository":
            return ModelError(
                f"{what} is not on the Hub, or is private",
                remedy="check the spelling; for a private repository, run `hf auth login` (or set HF_TOKEN)",
            )
        case "disk full":
            return ModelError(
                f"{what} does not fit on the disk of the Hub's cache",
                remedy="free some space, or set HF_HOME to another disk",
            )
        case "not cached" | "partly cached" as failure:
            state = "is not cached" if failure == "not cached" else "is only partly in the Hub's cache"
            at = f" at revision {revision!r}" if revision else ""
            return ModelError(
                f"{what} {state}{at}, and HF_HUB_OFFLINE forbids the network",
                remedy=f"run `{command}` where there is a network (a login node), with the same HF_HOME",
            )
        case "unreachable":
            return ModelError(
                f"{what} is not in the Hub's cache, and the Hub can't be reached",
                remedy=f"check the network, or run `{command}` where there is one, with the same HF_HOME",
            )
        case "other":
            reason = reason_of(error)
            return ModelError(f"{what} could not be downloaded: {reason}", remedy="try again")
    return None
