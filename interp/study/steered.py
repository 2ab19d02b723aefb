"""Which cultures a matrix steers to, looked up before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from interp.data.items import CulturalSet
from interp.errors import DataError, nearest


@dataclass(frozen=True)
class Cultures:
    """`every`: the cultures that have LOC vectors; `steered`: those of them that are columns of the matrix."""

    every: tuple[str, ...]
    steered: tuple[str, ...]

    @classmethod
    def of(cls, dataset: CulturalSet, languages: Sequence[str], steered: Sequence[str] = ()) -> Cultures:
        """Cultures with a cue in each language, without the reference; `steered` picks columns (default: all).

        Raises DataError for an unknown culture, one named twice, and where fewer than two cultures are there.
        """
        every = tuple(
            culture
            for culture in dataset.cultures
            if culture != dataset.reference and all(code in dataset.cues.get(culture, {}) for code in languages)
        )
        if len(every) < 2:
            raise DataError(
                f"cultural dataset {dataset.name!r} has {len(every)} cultures with a cue besides {dataset.reference}",
                allowed="two or more: the matrix compares cultures",
                remedy="choose another cultural dataset, or more of its languages",
            )
        for culture in steered:
            if culture not in every:
                raise DataError(
                    f"culture {culture!r} can't be steered to in dataset {dataset.name!r}",
                    allowed=", ".join(every),
                    remedy=nearest(culture, every, "pass --steered with some of these"),
                )
        if len(set(steered)) < len(steered):
            raise DataError(f"steered cultures {','.join(steered)} name one twice", remedy="name each culture once")
        return cls(every, tuple(culture for culture in every if not steered or culture in steered))

    def other(self, culture: str) -> str:
        """The culture after this one in the dataset's order, the first after the last: whose vector is the control."""
        return self.every[(self.every.index(culture) + 1) % len(self.every)]
