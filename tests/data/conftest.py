"""What holds for the items of every universal dataset."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from interp.data import UniversalSet


def _check(dataset: UniversalSet) -> None:
    """Keys are unique, every text is there in every language, options differ, and a cluster is in one split."""
    keys = [item.key for item in dataset.items]
    assert len(set(keys)) == len(keys)
    splits: dict[str, str] = {}
    for item in dataset.items:
        assert tuple(item.questions) == dataset.languages
        assert all(text.strip() for texts in item.questions.values() for text in texts)
        assert 0 <= item.answer < len(item.options)
        for code in dataset.languages:
            texts = [option[code] for option in item.options]
            assert len(set(texts)) == len(texts)
            assert all(texts)
        assert splits.setdefault(item.cluster, item.split) == item.split


@pytest.fixture
def check_items() -> Callable[[UniversalSet], None]:
    return _check


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
    return path


@pytest.fixture
def write_jsonl() -> Callable[[Path, Iterable[Mapping[str, Any]]], Path]:
    return _write
