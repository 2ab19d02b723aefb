"""The leg runs where TransformerLens still has `HookedTransformer`, against numbers that the bridge wrote before."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.hooked.building import build
from tests.hooked.cases import KINDS, Reference

_LARGEST: dict[str, float] = {}

FOLDER = os.environ.get("TRANSLOCAL_REFERENCE", "")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.hooked)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for what, apart in sorted(_LARGEST.items()):
        terminalreporter.write_line(f"largest difference of {what}: {apart:.2g}")


@pytest.fixture(scope="session")
def note() -> Callable[[str, float], None]:
    """Keeps the largest difference of a kind, to be told at the end."""

    def keep(what: str, apart: float) -> None:
        _LARGEST[what] = max(apart, _LARGEST.get(what, 0.0))

    return keep


@pytest.fixture(scope="session", autouse=True)
def reference_folder() -> Path:
    """Where the bridge's numbers are."""
    package = find_spec("transformer_lens")
    assert package is not None
    assert package.origin is not None
    if not FOLDER or not (Path(package.origin).parent / "HookedTransformer.py").is_file():
        pytest.skip("needs transformer-lens 3.9 and the bridge's numbers: run .ci/hooked")
    return Path(FOLDER)


@pytest.fixture(scope="session", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def reference(reference_folder: Path, kind: str) -> Reference:
    return Reference.read(reference_folder, kind)


built = cache(build)


@pytest.fixture(scope="session")
def hooked(reference: Reference) -> Any:
    """The weights as they are."""
    return built(reference.checkpoint)


@pytest.fixture(scope="session")
def processed(reference: Reference) -> Any:
    """The weights as HookedTransformer processes them by default."""
    return built(reference.checkpoint, processed=True)
