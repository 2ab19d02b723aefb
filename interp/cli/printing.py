"""What commands print: numbers as people read them, and text as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def wide_console() -> Console:
    """A console of 150 columns or more for tables; nothing in a text is markup."""
    from rich.console import Console

    return Console(markup=False, highlight=False, emoji=False, width=max(Console().width, 150))


def say(heading: str, lines: Sequence[str]) -> None:
    """Print lines below a heading, one item each; nothing where there are none."""
    from rich.console import Console

    console = Console(markup=False, highlight=False)
    for text in (f"\n{heading}", *(f"- {line}" for line in lines)) if lines else ():
        console.print(text)


def bytes_text(count: int | None) -> str:
    """`3.5 GiB`, `20.9 MiB`."""
    if count is None:
        return "unknown"
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


def count_text(count: float) -> str:
    """`5.5 M`, `11.8 B`, `427`."""
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "k")):
        if count >= size:
            return f"{count / (1e3 if letter == 'k' else size):.1f} {letter}"
    return f"{count:.0f}"


def seconds_text(seconds: float) -> str:
    """`40 s`, `3 min`, `5.2 h`, `3.1 days`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"
