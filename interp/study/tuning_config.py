"""Settings of a search: those of a run, the goal, and what is tried."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from interp.errors import ConfigError, nearest
from interp.steering.goals import Goal, Kind
from interp.steering.positions import POSITIONS
from interp.steering.strengths import check_scaling
from interp.study.config import RunConfig

FITTERS = ("mean", "pca", "lda", "probe")
OPERATORS = ("add", "add_keep_norm", "rotate", "project_out")


@dataclass(frozen=True)
class TuneConfig(RunConfig):
    """Settings of `interp tune`.

    goal, max_erasure, max_loss: see `interp.steering.goals.Goal`. candidates: settings of one vector that the first
    round scores in each language. fitters, operators, searched_positions, windows: what is tried, besides every layer
    but the last and `strengths`; LOC by language contrast is tried too. vectors: vectors made elsewhere, such as
    `mine=path/to/file`: a fitter more, for both sides. noise: in place of a search, so many searches over noise.
    """

    goal: Kind = "balanced"
    max_erasure: float = 0.01
    max_loss: float = 0.01
    candidates: int = 320
    fitters: tuple[str, ...] = FITTERS
    operators: tuple[str, ...] = ("add", "add_keep_norm", "rotate")
    searched_positions: tuple[str, ...] = ("text", "last")
    windows: tuple[int, ...] = (1, 3)
    vectors: tuple[str, ...] = ()
    noise: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.rule, self.given
        for key, allowed in (("fitters", FITTERS), ("operators", OPERATORS), ("searched_positions", POSITIONS)):
            values = getattr(self, key)
            odd = [value for value in values if value not in allowed]
            if odd or not values or len(set(values)) < len(values):
                remedy = nearest(odd[0], allowed, "") if odd else ""
                raise ConfigError(
                    f"{key} {','.join(values)!r} are not allowed", allowed=", ".join(allowed), remedy=remedy
                )
        for operator in self.operators:
            check_scaling(operator, self.strengths)
        if not self.windows or any(w < 1 or w % 2 == 0 for w in self.windows):
            raise ConfigError(f"windows {self.windows!r} are not allowed", allowed="odd numbers of layers, from 1")
        if self.candidates < 8:
            raise ConfigError(f"candidates {self.candidates!r} is not allowed", allowed="whole numbers from 8")
        if self.noise < 0:
            raise ConfigError(f"noise {self.noise!r} is not allowed", allowed="whole numbers from 0")

    @cached_property
    def rule(self) -> Goal:
        """The goal with its bounds."""
        return Goal(self.goal, self.max_erasure, self.max_loss)

    @cached_property
    def given(self) -> dict[str, str]:
        """Name -> file of vectors made elsewhere."""
        found: dict[str, str] = {}
        for text in self.vectors:
            name, _, file = text.partition("=")
            if not name or not file or name in found or name in (*FITTERS, "contrast"):
                raise ConfigError(f"vectors {text!r} is not allowed", allowed="name=file, under a name of its own")
            found[name] = file
        return found
