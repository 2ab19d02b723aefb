"""Sizes in the words people use."""

from __future__ import annotations

import pytest

from interp.errors import ConfigError
from interp.model import LoadedModel
from interp.model.read import Budget, parse_memory


@pytest.mark.parametrize(
    ("text", "size"),
    [("8GiB", 8 * 2**30), ("500MB", 500_000_000), ("1.5 gib", 3 * 2**29), ("4096", 4096), ("auto", None)],
)
def test_sizes(text: str, size: int | None) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["lots", "8 apples", "-1GiB", "0", ""])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="allowed: a size such as 8GiB"):
        parse_memory(text)


def test_more_memory_means_more_streams_and_never_fewer_than_one(organism: LoadedModel) -> None:
    small, large = Budget(organism.model, "1MB"), Budget(organism.model, "1GiB")
    assert large.streams(1000) > small.streams(1000) >= 1
    assert large.rows(20) >= small.rows(20) >= 1
    assert Budget(organism.model, 1).rows(10_000) == 1
