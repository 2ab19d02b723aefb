"""Upload of an exported folder to the Hub."""

from __future__ import annotations

import re
from pathlib import Path

import huggingface_hub

from interp.errors import ConfigError, OutputError, reason_of
from interp.hub import failure_of

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def check_repository(name: str | None) -> str:
    """The name, if it is valid for a repository on the Hub. Raises ConfigError otherwise."""
    if not name:
        raise ConfigError("no repository is given", allowed="user/name", remedy="pass --repo user/name")
    if not REPOSITORY.fullmatch(name):
        raise ConfigError(f"repository {name!r} is not allowed", allowed="user/name", remedy="pass --repo user/name")
    return name


def upload(folder: Path, repository: str, *, private: bool = False) -> str:
    """Create a model repository, if it does not exist, and upload a folder to it. Returns its address.

    Raises OutputError without a token, and with what the Hub says.
    """
    if huggingface_hub.get_token() is None:
        raise OutputError(
            "no Hub token was found on this machine",
            allowed="a token with write access",
            remedy="run `hf auth login`, or set HF_TOKEN",
        )
    api = huggingface_hub.HfApi()
    try:
        url = api.create_repo(repository, repo_type="model", private=private, exist_ok=True)
        said = "Steering plans of translocal"
        api.upload_folder(repo_id=repository, repo_type="model", folder_path=str(folder), commit_message=said)
    except Exception as error:  # the Hub's errors, the network's and the disk's have no common class
        if failure_of(error) is None:
            raise
        reason = reason_of(error)
        raise OutputError(
            f"{repository} can't be written: {reason}", remedy="check the name, the token and the network"
        ) from error
    return str(url)
