"""Pages do what they show: in one process, page by page, each in a folder of its own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, blocks
from tests.docs.running import run_page, unlike

CHECKS = {
    "README.md": "assert len(table) == scores.logp.size == len(plans) * len(scores.tokens)\n"
    "assert (scores.logp < 0).all()"
}
"""What must hold of the names that a page's Python leaves behind."""
LONGEST = 1800
"""Seconds that a page may take."""


def marks(page: Path) -> list[str]:
    """How the page's blocks that run are marked."""
    return [block.mark for block in blocks(page) if block.runs]


QUICK = [page.relative_to(ROOT).as_posix() for page in PAGES if "" in marks(page)[:1]]
SLOW = [page.relative_to(ROOT).as_posix() for page in PAGES if "slow" in marks(page)]


@pytest.fixture(scope="module")
def process() -> Iterator[ProcessPoolExecutor]:
    """A process of its own, which imports and makes the shared run once."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.mark.docs
@pytest.mark.parametrize("page", QUICK)
def test_a_page_up_to_its_first_slow_block(
    page: str, process: ProcessPoolExecutor, shared: Path, tmp_path: Path
) -> None:
    run = process.submit(run_page, ROOT / page, tmp_path, shared, whole=False, check=CHECKS.get(page, ""))
    assert run.result(LONGEST) == []


@pytest.mark.slow
@pytest.mark.parametrize("page", SLOW)
def test_a_whole_page(page: str, process: ProcessPoolExecutor, shared: Path, tmp_path: Path) -> None:
    run = process.submit(run_page, ROOT / page, tmp_path, shared, whole=True, check=CHECKS.get(page, ""))
    assert run.result(LONGEST) == []


@pytest.mark.parametrize(
    ("said", "shown", "found"),
    [
        ("a 0.12\nb\n", "a 0.12\nb\n", ""),
        ("a 0.12\nb\nc", "a 0.13\n...\nc", ""),
        ("a 0.12", "a 0.15", "shown and not said: a 0.15"),
        ("a 0.12", "b 0.12", "shown and not said: b 0.12"),
        ("a\nb", "a", "said and not shown: b"),
        ("a", "a\nb", "shown and not said: b"),
        ("x   1", "x 1", ""),
        ("12 items", "13 items", "shown and not said: 13 items"),
        ("+0.450 [+0.232, +0.639]", "+0.450 [+0.233, +0.639]", ""),
        ("a\nb\nc", "a\n...", ""),
    ],
)
def test_outputs_are_compared(said: str, shown: str, found: str) -> None:
    assert unlike(said, shown) == found
