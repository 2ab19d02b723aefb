"""Answers in columns: as they come where the output is a terminal, else when they are whole."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from interp.steering import Generated, Piece

CUT = " …"
"""What follows an answer that did not come to an end."""


def columns(names: Sequence[str], rows: Iterable[Sequence[str]], *, even: bool = False) -> Table:
    """A table of plain text: nothing in it is markup, and nothing moves the cursor.

    even: columns share the width of the screen, whatever is in them.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(expand=even)
    for name in names:
        table.add_column(name, ratio=1 if even else None)
    for row in rows:
        table.add_row(*(Text(harmless(text)) for text in row))
    return table


def harmless(text: str) -> str:
    """A text without control characters, which a terminal would obey; line breaks stay."""
    return "".join(c if c == "\n" or unicodedata.category(c) != "Cc" else " " for c in text).strip()


def written(answer: Generated) -> str:
    """An answer as it is shown."""
    return answer.text + ("" if answer.ended else CUT)


def watch(
    names: Sequence[str], asked: Iterable[tuple[Sequence[str], Iterator[Piece]]], sides: int
) -> list[list[Generated]]:
    """The answers of every row, shown while they come. asked: the row's first cells, and the pieces of its sides.

    What has come stays on the screen when Ctrl-C stops it.
    """
    from rich.console import Console
    from rich.live import Live

    answers: list[list[Generated]] = []
    rows: list[list[str]] = []
    with Live(console=Console(), refresh_per_second=12) as live:
        for cells, pieces in asked:
            texts = [""] * sides
            whole: dict[int, Generated] = {}
            rows.append([])
            for piece in pieces:
                texts[piece.side] += piece.text
                if piece.whole:
                    whole[piece.side] = piece.whole
                    texts[piece.side] = written(piece.whole)
                rows[-1] = [*cells, *texts]
                live.update(columns(names, rows, even=True))
            answers.append([whole[side] for side in range(sides)])
    return answers
