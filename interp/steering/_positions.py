"""Names of the positions that a steer acts at (what they are: `interp.steering.Steer`)."""

from __future__ import annotations

from typing import Final, Literal

Positions = Literal["text", "last", "all"]
POSITIONS: Final = ("text", "last", "all")
TEXT: Final = "text"
"""Where vectors are added unless something else is said."""
