"""Which prompts and which plans go through the layers together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from math import ceil
from typing import TypeVar

import numpy as np

from interp.model.read import Budget, Switches, out_of_memory, side
from interp.steering import Plan, Steer
from interp.steering.engine._layout import Stem, shared_prefix

Each = TypeVar("Each")
Result = TypeVar("Result")

Key = tuple[int, ...]
"""The steers that a stream has passed, by number."""

SHORTEST_PREFIX, FEWEST_SHARING = 16, 4
"""A shared prefix of fewer tokens, or of fewer prompts, costs more in extra calls than it saves."""

MOST_PLANS = 256
"""Beyond this many plans in a pass, the trunk's own cost is below 5%, also where only a few tips are steered."""

FEWEST_ROWS = 4
"""Fewer prompts in a pass save no more padding than they cost in calls."""


@dataclass(frozen=True)
class Numbered:
    """A plan by its place in the caller's list, with its steers in the order of layers, numbered."""

    place: int
    steers: tuple[tuple[int, Steer], ...]

    def key(self, layer: int) -> Key:
        """The steers passed once block `layer` is done."""
        return tuple(number for number, steer in self.steers if steer.layer <= layer)

    @property
    def first(self) -> int:
        """The first steered layer, -1 for none."""
        return self.steers[0][1].layer if self.steers else -1

    @property
    def only_last(self) -> bool:
        """Whether nothing before the last prompt token is steered."""
        return bool(self.steers) and all(steer.positions == "last" for _, steer in self.steers)


def numbered(plans: Sequence[Plan]) -> list[Numbered]:
    """Steers of equal values get equal numbers; plans that branch off late come last."""
    numbers: dict[tuple[object, ...], int] = {}
    found = []
    for place, plan in enumerate(plans):
        steers = []
        for steer in sorted(plan.steers, key=lambda s: s.layer):
            vector = steer.vector.detach().double().cpu().numpy().tobytes()
            sort = (steer.layer, blake2b(vector).digest(), steer.strength, steer.operator, steer.positions)
            steers.append((numbers.setdefault(sort, len(numbers)), steer))
        found.append(Numbered(place, tuple(steers)))
    return sorted(found, key=lambda p: (p.first, p.place))


def groups(stems: Sequence[Stem], switches: Switches = (), only_tips: bool = False) -> list[tuple[list[Stem], int]]:
    """Stems with the same beginning together, similar lengths next to each other; with the prefix they share.

    only_tips: stems with as many tips next to each other instead. Where stems share a prefix, as many special tokens
    stand in front of each of them. A group's rows are all on the same side of each of the model's switches; so a stem
    whose options are not is split.
    """
    by_beginning: dict[tuple[int, int, tuple[int, ...]], list[Stem]] = {}
    for place, stem in _by_side(stems, switches):
        by_beginning.setdefault((place, stem.front, stem.context[:SHORTEST_PREFIX]), []).append(stem)
    found: list[tuple[list[Stem], int]] = []
    rest: dict[int, list[Stem]] = {}
    for (place, _, _), group in by_beginning.items():
        prefix = shared_prefix(group) if len(group) >= FEWEST_SHARING else 0
        if prefix >= SHORTEST_PREFIX:
            found.append((group, prefix))
        else:
            rest.setdefault(place, []).extend(group)
    found += [(group, 0) for group in rest.values()]

    def sort(stem: Stem) -> tuple[int, int, tuple[int, ...]]:
        return tips(stem) if only_tips else 0, _size(stem), stem.context

    return [(sorted(group, key=sort), prefix) for group, prefix in found]


def _by_side(stems: Sequence[Stem], switches: Switches) -> Iterator[tuple[int, Stem]]:
    """Stems whose rows, a context with all but the last token of an ending, are on one side, with that side."""
    for stem in stems:
        sides: dict[int, list[tuple[int, tuple[int, ...]]]] = {}
        for option, ending in stem.endings:
            sides.setdefault(side(len(stem.context) + len(ending) - 1, switches), []).append((option, ending))
        for place, endings in sides.items():
            yield place, replace(stem, endings=tuple(endings))


def tips(stem: Stem) -> int:
    """Tokens of a stem that are read: the last of its context, and those of its endings but the last of each."""
    return 1 + len({ending[:length] for _, ending in stem.endings for length in range(1, len(ending))})


def _size(stem: Stem) -> int:
    return len(stem.context) + tips(stem) - 1


def sizes(budget: Budget, stems: Sequence[Stem], prefix: int, plans: int, only_tips: bool = False) -> tuple[int, int]:
    """How many prompts and how many plans a pass takes.

    Rows of a pass are padded to the longest. So by default it takes no more prompts than fill its calls, where half of
    the plans have branched off. only_tips: plans steer the tips alone.
    """
    nodes = max(_size(stem) for stem in stems) - prefix
    most = budget.tokens(nodes + prefix)
    rows = budget.batch_size or max(1, most // nodes)
    steered = float(np.mean([tips(stem) if only_tips else _size(stem) - prefix for stem in stems]))
    if not budget.batch_size:
        rows = min(rows, max(FEWEST_ROWS, ceil(2 * most / (max(1, min(plans, MOST_PLANS)) * steered))))
    rows = min(rows, len(stems))
    return rows, min(plans, MOST_PLANS, budget.streams(rows * nodes + prefix))


def in_passes(
    stems: Sequence[Stem],
    plans: Sequence[Each],
    budget: Budget,
    run: Callable[[Sequence[Stem], int, Sequence[Each]], Result],
    switches: Switches,
    only_tips: bool = False,
) -> Iterator[tuple[Result, float]]:
    """What `run` makes of some stems, their prefix and some plans, pass by pass, with the plans done (in parts).

    A pass that takes too much memory is done again in smaller ones, with a notice. only_tips: plans steer the tips
    alone, so that stems with as many tips go together.
    """
    work = deque((part, prefix, list(plans)) for part, prefix in groups(stems, switches, only_tips))
    while work:
        some, prefix, group = work.popleft()
        rows, versions = sizes(budget, some, prefix, len(group), only_tips)
        if len(some) > rows:
            work.extendleft((some[i : i + rows], prefix, group) for i in reversed(range(0, len(some), rows)))
            continue
        if len(group) > versions:
            parts = [group[i : i + versions] for i in range(0, len(group), versions)]
            work.extendleft((some, prefix, part) for part in reversed(parts))
            continue
        try:
            found = run(some, prefix, group)
        except Exception as error:
            if not out_of_memory(error):
                raise
            budget.halve(error)
            work.appendleft((some, prefix, group))
            continue
        yield found, len(group) * len(some) / len(stems)
