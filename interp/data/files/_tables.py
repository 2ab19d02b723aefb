"""Plain tables: CSV with a header, UTF-8, every cell text."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from pathlib import Path

from interp.errors import DataError


def read_table(path: Path | Traversable, columns: Sequence[str], optional: Sequence[str] = ()) -> list[dict[str, str]]:
    """Rows of a CSV file as dicts; `columns` must be there, and filled unless `optional`.

    Raises DataError, which names the file and the row.
    """
    with path.open("r", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [column for column in columns if column not in (reader.fieldnames or [])]
        if missing:
            raise DataError(
                f"{path}: column {missing[0]!r} is missing",
                allowed=f"columns {', '.join(columns)}",
                remedy="add the column or correct the header",
            )
        rows = []
        for number, row in enumerate(reader, start=2):
            if None in row or None in row.values():
                raise DataError(
                    f"{path}, row {number}: the number of cells differs from the header's",
                    allowed=f"{len(reader.fieldnames or [])} cells",
                    remedy="quote cells that contain a comma",
                )
            empty = [column for column in columns if not row[column].strip() and column not in optional]
            if empty:
                raise DataError(
                    f"{path}, row {number}: the cell {empty[0]!r} is empty", allowed="text", remedy="fill the cell"
                )
            rows.append(row)
        return rows
