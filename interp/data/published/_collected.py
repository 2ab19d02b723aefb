"""What a source's rows become: items, what is left out with the reason, and a set of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from interp.data import CulturalItem, CulturalSet, LeftOut, UniversalItem, cues, placebos
from interp.data.files import Placed

Item = TypeVar("Item", UniversalItem, CulturalItem)


@dataclass
class Collected(Generic[Item]):
    """The items of a source, and what is left out."""

    items: list[Item] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def add(self, item: Item | LeftOut) -> None:
        """Put an item, or the reason why a row has none, where it belongs."""
        if isinstance(item, LeftOut):
            self.left_out.append(item)
        else:
            self.items.append(item)

    def leave_out(self, keys: Sequence[str], rows: Mapping[str, Placed], reason: str) -> None:
        """Note the rows of `keys`, if any, as left out for one reason, in one record with the place of the first."""
        if keys:
            self.left_out.append(LeftOut(keys[0], rows[keys[0]].where, reason, len(keys)))


def cultural_set(
    name: str,
    languages: tuple[str, ...],
    collected: Collected[CulturalItem],
    own_culture: Mapping[str, str],
    cultures: tuple[str, ...] = (),
) -> CulturalSet:
    """A set with our cues and placebos; `cultures` are by default those that an item has an answer of."""
    cultures = cultures or tuple(dict.fromkeys(culture for item in collected.items for culture in item.answers))
    return CulturalSet(
        name=name,
        languages=languages,
        cultures=cultures,
        own_culture=own_culture,
        items=tuple(collected.items),
        cues=cues(cultures, languages),
        placebos=placebos(languages),
        left_out=tuple(collected.left_out),
    )
