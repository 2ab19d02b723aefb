"""LOC vectors of every culture in every language, and their means: what a matrix steers with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from interp.data import CulturalSet
from interp.errors import DataError, nearest
from interp.progress import Advance
from interp.steering import SteeringVectors, difference, median_norms
from interp.study.ask import Study
from interp.study.fit import provenance


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
                f"cultural dataset {dataset.name!r} has {len(every)} cultures with a cue besides the reference "
                f"{dataset.reference}",
                allowed="two or more, because the matrix compares cultures",
                remedy="choose another cultural dataset, or more of its languages",
            )
        for culture in steered:
            if culture not in every:
                raise DataError(
                    f"culture {culture!r} can't be steered towards in dataset {dataset.name!r}",
                    allowed=", ".join(every),
                    remedy=nearest(culture, every, "pass --steered with some of these"),
                )
        if len(set(steered)) < len(steered):
            raise DataError(f"--steered lists a culture twice: {','.join(steered)}", remedy="name each culture once")
        return cls(every, tuple(culture for culture in every if not steered or culture in steered))

    def other(self, culture: str) -> str:
        """The culture after this one in the dataset's order, the first after the last: whose vector is the control."""
        return self.every[(self.every.index(culture) + 1) % len(self.every)]


@dataclass(frozen=True)
class CultureVectors:
    """Vectors of one language: `own[culture]`, their mean, and `left_out[culture]`, the mean of all others."""

    cultures: Cultures
    own: Mapping[str, SteeringVectors]
    universal: SteeringVectors
    left_out: Mapping[str, SteeringVectors]

    def of(self, culture: str) -> dict[str, SteeringVectors]:
        """Condition -> the vectors that steer to a culture under it."""
        return {
            "own": self.own[culture],
            "universal": self.universal,
            "left_out": self.left_out[culture],
            "other": self.own[self.cultures.other(culture)],
        }


def fit_culture_vectors(study: Study, cultures: Cultures, advance: Advance) -> dict[str, CultureVectors]:
    """Language -> its vectors, all on the cultural items of fit: those with a culture's cue minus those without."""
    return {code: _of_language(study, code, cultures, advance) for code in study.languages}


def _of_language(study: Study, code: str, cultures: Cultures, advance: Advance) -> CultureVectors:
    implicit = study.read(study.cultural_texts(code, "fit"))
    norms = median_norms(implicit)
    own: dict[str, SteeringVectors] = {}
    for culture in cultures.every:
        explicit = study.read(study.cultural_texts(code, "fit", "explicit", culture))
        made_of = provenance(study, code, fitter="mean", n=implicit.shape[1], culture=culture)
        own[culture] = SteeringVectors(f"loc:{code}:{culture}", difference(explicit, implicit), made_of, norms)
        advance(f"{code} {culture}")
    return CultureVectors(
        cultures,
        own,
        _mean(f"universal:{code}", list(own.values())),
        {
            culture: _mean(f"left_out:{code}:{culture}", [v for other, v in own.items() if other != culture])
            for culture in cultures.steered
        },
    )


def _mean(name: str, several: Sequence[SteeringVectors]) -> SteeringVectors:
    """The mean of vectors of one language."""
    mean = torch.stack([one.vectors.double() for one in several]).mean(dim=0).float()
    named = ", ".join(str(one.provenance["culture"]) for one in several)
    made_of = dict(several[0].provenance) | {"fitter": "mean over cultures", "culture": named}
    return SteeringVectors(name, mean, made_of, several[0].residual_norms)
