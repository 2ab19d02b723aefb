"""What is known of each dataset before it is read: a row per dataset in `datasets.csv`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Literal

from interp.data import Entry
from interp.data._entries import Dataset, Load
from interp.data.files import Origin, read_table

COLUMNS = (
    "name", "title", "citation", "licence", "size", "site", "repository", "revision", "folders", "gated",
)  # fmt: skip


@lru_cache(maxsize=1)
def _rows() -> dict[str, dict[str, str]]:
    return {row["name"]: row for row in read_table(Path(__file__).with_name("datasets.csv"), COLUMNS)}


def described(
    name: str,
    axis: Literal["universal", "cultural", "parallel"],
    load: Load[Dataset],
    languages: Iterable[str],
    cultures: Iterable[str] = (),
) -> Entry[Dataset]:
    """The entry of a dataset: its row in `datasets.csv`, with its loader, languages and cultures."""
    row = _rows()[name]
    origin = Origin(
        site="github" if row["site"] == "github" else "hub",
        repository=row["repository"],
        revision=row["revision"],
        folders=tuple(row["folders"].split("|")),
        gated=row["gated"] == "yes",
    )
    return Entry(
        name=name,
        axis=axis,
        title=row["title"],
        citation=row["citation"],
        licence=row["licence"],
        languages=tuple(languages),
        size=row["size"],
        load=load,
        origin=origin,
        cultures=tuple(cultures),
    )
