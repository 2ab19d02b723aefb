"""The Hugging Face Hub: does the environment forbid the network, and what does a failed request mean?"""

from __future__ import annotations

import errno
import os
from typing import Literal

from huggingface_hub import constants

from interp.errors import causes

SWITCHES = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")

Failure = Literal[
    "bad name",
    "gated",
    "no revision",
    "no repository",
    "disk full",
    "not cached",
    "partly cached",
    "unreachable",
    "other",
]
"""Why the Hub did not serve. `not cached` and `partly cached` are said while offline."""

_NAMED: dict[str, Failure] = {
    "HFValidationError": "bad name",
    "GatedRepoError": "gated",  # before RepositoryNotFoundError, which it is too
    "RevisionNotFoundError": "no revision",
    "RepositoryNotFoundError": "no repository",
}


def offline_switches() -> dict[str, bool]:
    """The environment variables that forbid the network, and whether each is on."""
    return {name: os.environ.get(name, "").upper() in constants.ENV_VARS_TRUE_VALUES for name in SWITCHES}


def failure_of(error: BaseException) -> Failure | None:
    """What an error of a download or upload means, from the error or what caused it; None for a bug.

    Classes are told by name: the errors of huggingface_hub, datasets, requests and httpx have no common class, and
    importing huggingface_hub's takes a fifth of a second.
    """
    links = list(causes(error))
    kinds = {kind.__name__ for link in links for kind in type(link).__mro__}
    for name, failure in _NAMED.items():
        if name in kinds:
            return failure
    if any(isinstance(link, OSError) and link.errno in (errno.ENOSPC, errno.EDQUOT) for link in links):
        return "disk full"
    if "OfflineModeIsEnabled" in kinds or ("LocalEntryNotFoundError" in kinds and constants.HF_HUB_OFFLINE):
        return "partly cached" if any("Incomplete" in name for name in kinds) else "not cached"
    if kinds & {"LocalEntryNotFoundError", "ConnectionError"}:
        return "unreachable"
    if "HfHubHTTPError" in kinds:
        return "other"
    if any(type(link).__module__.startswith("http") for link in links):
        return "unreachable"
    return "other" if "OSError" in kinds else None
