"""Designs: how many prompts, layers, strengths and control draws a run has, under four fixed names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from interp.data import Task, unit
from interp.errors import ConfigError
from interp.steering import Strength

if TYPE_CHECKING:
    from interp.study.config import RunConfig


Name = Literal["auto", "small", "medium", "large", "exhaustive"]
METHODS = "methods"
"""The group of searches that are for methods, not for a control."""

FINALISTS = 3
"""How many cells of each of a pair's two vectors are tried together."""


@dataclass(frozen=True)
class Round:
    """One round of the search: dev prompts per axis, over all languages together (None: all), and cells that go on."""

    prompts: int | None
    kept: int


@dataclass(frozen=True)
class Design:
    """What a run of a name looks at. A pair of numbers is for the universal and the cultural axis; None is all.

    depth: layers of the grid, evenly spread over the blocks but the last. strengths: of the grid. rounds: of the
    search. paired: dev prompts per axis, over all languages together, that pairs are tried on (no fewer than the last
    round's): they are few, and their rule weighs two gains. refined: each language chooses for itself among the cells
    of the last round; else all choose one together. draws: of random vectors, each with a search of its own. shuffled:
    as many refits with shuffled labels. bounded: log-likelihoods of the search and of the controls may come from a
    bounded normaliser. tested: test prompts per language. compared: of these, the prompts that are also scored with the
    options of other languages and with their relation's other answers; universal ones relation by relation. located:
    universal test items that the analysis reads, and items of fit that the probe of the language reads. swept: EN and
    LOC at every cell and on both axes, on dev.
    """

    name: str
    depth: int | None
    strengths: tuple[Strength, ...]
    rounds: tuple[Round, ...]
    paired: int | None
    refined: bool
    draws: int
    shuffled: bool
    bounded: bool
    tested: tuple[int | None, int | None]
    compared: tuple[int | None, int | None]
    located: int | None
    attribution_items: int
    damage_sentences: int
    swept: bool = False
    layers: tuple[int, ...] = ()

    @property
    def cells(self) -> tuple[tuple[int, Strength], ...]:
        """The grid: every layer with every strength."""
        return tuple((layer, strength) for layer in self.layers for strength in self.strengths)

    @property
    def controls(self) -> tuple[str, ...]:
        """Kinds of control draws."""
        return ("random", *(["shuffled"] if self.shuffled else []))


SHARES: tuple[Strength, ...] = ("0.1r", "0.2r", "0.4r", "0.8r")
"""Strengths as shares of the layer's median residual norm, so that one grid serves every model; each doubles the last.

Fitted vectors are 0.05 to 0.6 of that norm in the embedded model, and 0.01 to 0.45 in Gemma 3 270M.
"""

DESIGNS = {
    "small": Design(
        "small", 6, ("0.1r", "0.3r"), (Round(24, 4), Round(72, 3)), paired=72,
        refined=False, draws=20, shuffled=False, bounded=True, tested=(48, 36), compared=(0, 0), located=96,
        attribution_items=4, damage_sentences=12,
    ),
    "medium": Design(
        "medium", 9, ("0.1r", "0.3r", "0.8r"), (Round(36, 6), Round(96, 3)), paired=192,
        refined=False, draws=20, shuffled=True, bounded=True, tested=(80, 48), compared=(16, 12), located=None,
        attribution_items=8, damage_sentences=24,
    ),
    "large": Design(
        "large", None, SHARES, (Round(48, 16), Round(120, 6), Round(None, 3)), paired=None,
        refined=True, draws=20, shuffled=True, bounded=True, tested=(None, None), compared=(None, None), located=None,
        attribution_items=32, damage_sentences=200,
    ),
    "exhaustive": Design(
        "exhaustive", None, ("0.05r", *SHARES), (Round(None, 3),), paired=None,
        refined=True, draws=20, shuffled=True, bounded=False, tested=(None, None), compared=(None, None), located=None,
        attribution_items=32, damage_sentences=200, swept=True,
    ),
}  # fmt: skip
"""From the smallest to the largest. Sizes were chosen by what they cost on Gemma 3 270M, a quarter of an hour (`small`)
and an hour (`medium`) at 100 GFLOP/s, and by their regret on dev against the whole grid (docs/method.md); not by what
a run finds."""

DEFAULT = "medium"
"""Where nothing is measured and nothing asked, and always for the embedded model."""


def design_of(config: RunConfig, n_layers: int) -> Design:
    """The design that settings name, with what they say themselves in its place, for a model of `n_layers` blocks.

    Raises ConfigError for layers that the model doesn't have.
    """
    named = DESIGNS[DEFAULT if config.design == "auto" else config.design]
    given = {
        "strengths": tuple(config.strengths) or None, "draws": config.draws,
        "attribution_items": config.attribution_items, "damage_sentences": config.damage_sentences,
    }  # fmt: skip
    own: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    layers = chosen_layers(config.layers, n_layers) if config.layers else spread(n_layers - 1, named.depth)
    return replace(named, **own, layers=layers)


def read_seconds(text: str) -> float:
    """Seconds of a length of time such as `30m`, `90s`, `1.5h`. Raises ConfigError for another text."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    try:
        number = float(text.strip()[:-1]) * units[text.strip()[-1:]]
        if not 0 < number < float("inf"):
            raise ValueError
    except (KeyError, ValueError):
        raise ConfigError(
            f"budget {text!r} is not allowed", allowed="a length of time, such as 90s, 30m or 2h"
        ) from None
    return number


def spread(n: int, count: int | None) -> tuple[int, ...]:
    """`count` of the numbers 0 to n - 1, evenly spread with both ends; all where there are no more or for None."""
    if count is None or count >= n:
        return tuple(range(n))
    return tuple(round(i * (n - 1) / (count - 1)) for i in range(count))


def read_layers(text: str) -> tuple[tuple[int, int], ...]:
    """First and last layer of every part of a text such as `2-12` or `0,4,8-10`.

    Raises ConfigError for another text, and for a layer in two parts.
    """
    ranges: list[tuple[int, int]] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        ends = (first, last) if dash else (first, first)
        if not all(end.strip().isdecimal() and end.isascii() for end in ends) or int(ends[0]) > int(ends[1]):
            raise ConfigError(f"layers {text!r} are not allowed", allowed="blocks from 0, such as 2-12 or 0,4,8")
        low, high = int(ends[0]), int(ends[1])
        if both := [other for other in ranges if low <= other[1] and other[0] <= high]:
            raise ConfigError(f"layers {text!r} list {max(low, both[0][0])} twice", remedy="name each layer once")
        ranges.append((low, high))
    return tuple(ranges)


def chosen_layers(text: str, n_layers: int) -> tuple[int, ...]:
    """The layers of `read_layers`, in order. Raises ConfigError for the model's last layer or one that it lacks."""
    ranges = read_layers(text)
    if max(last for _, last in ranges) > n_layers - 2:
        raise ConfigError(
            f"layers {text!r} are not all in the grid",
            allowed=f"0 to {n_layers - 2}: the model has {n_layers} blocks, and the last is left out",
        )
    return tuple(sorted({layer for first, last in ranges for layer in range(first, last + 1)}))


def in_turn(clusters: Sequence[str], ranks: Sequence[float]) -> list[int]:
    """Places in the order in which a subset takes them: one of each cluster, then a second of each, each by its rank.

    So the first n of them have as many clusters as n places can have, and hold the first n - 1.
    """
    order = sorted(range(len(clusters)), key=lambda place: ranks[place])
    seen: dict[str, int] = {}
    turns = {}
    for place in order:
        turns[place] = seen[clusters[place]] = seen.get(clusters[place], -1) + 1
    return sorted(order, key=lambda place: (turns[place], ranks[place]))


def tested(design: Design, tasks: Sequence[Task], axis: int) -> tuple[list[int], set[int]]:
    """Places of the test tasks of an axis that a design looks at, and of these, of those that it compares."""
    ranks = [unit("tested", task.axis, task.prompt.item) for task in tasks]
    chosen = in_turn([task.cluster for task in tasks], ranks)[: design.tested[axis]]
    places = sorted(chosen)
    if axis == 0:  # transfer_specific compares a question with others of its relation, so whole relations come first
        relations = list(dict.fromkeys(tasks[place].relation for place in chosen))
        chosen = sorted(chosen, key=lambda place: relations.index(tasks[place].relation))
    return places, set(chosen[: design.compared[axis]])
