"""How JSON is written: the same bytes for the same values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def json_text(value: Mapping[str, Any], *, sort_keys: bool = False) -> str:
    """JSON in UTF-8 letters, indented by 2, with a final newline."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=sort_keys) + "\n"


def write_json(path: Path, value: Mapping[str, Any], *, sort_keys: bool = False) -> None:
    """Write `json_text`."""
    path.write_text(json_text(value, sort_keys=sort_keys), encoding="utf-8")
