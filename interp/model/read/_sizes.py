"""Sizes of memory as they are written."""

from __future__ import annotations

import re

from interp.errors import ConfigError

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def parse_memory(text: str) -> int | None:
    """Bytes in a text such as `8GiB` or `500MB`; None for `auto`. Raises ConfigError for anything else."""
    if text == "auto":
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    if not match or match[2].upper() not in UNITS or float(match[1]) <= 0:
        raise ConfigError(
            f"memory {text!r} is not allowed", allowed="a size such as 8GiB or 500MB, or auto", remedy="pass one"
        )
    return int(float(match[1]) * UNITS[match[2].upper()])
