"""The vectors that settings ask for, each fitted once; and what stands in for them in ablations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from jaxtyping import Float

from interp.steering.fitters import FITTERS, orthogonal
from interp.steering.plans import Plan
from interp.steering.search import Setting, Side, Vector
from interp.steering.vectors import PerLayer, SteeringVectors, rescaled
from interp.study.fit import FitResiduals, provenance, random_like, residual_norms
from interp.study.paired import Pairs
from interp.study.prepare import Study


class Fits(Protocol):
    """Gives the vectors of a setting in a language."""

    def vectors(self, setting: Setting, code: str) -> dict[Vector, SteeringVectors]:
        """Vectors of each side that the setting has."""


def plan_of(fits: Fits, setting: Setting, code: str) -> Plan:
    """The plan of a setting in a language."""
    plan = Plan()
    for vector, fitted in fits.vectors(setting, code).items():
        side = setting.en if vector == "en" else setting.loc
        assert side is not None
        plan += side.plan(fitted)
    return plan


@dataclass(frozen=True)
class Fitted:
    """Vectors fitted on `pairs`."""

    study: Study
    pairs: Pairs
    _known: dict[tuple[object, ...], SteeringVectors] = field(default_factory=dict, repr=False)
    _plans: dict[tuple[str, Side], Plan] = field(default_factory=dict, repr=False)

    def vectors(self, setting: Setting, code: str) -> dict[Vector, SteeringVectors]:
        """Vectors of each side that the setting has."""
        found: dict[Vector, SteeringVectors] = {}
        if setting.en:
            found["en"] = self._en(setting.en.fitter, code)
        if setting.loc:
            found["loc"] = self._loc(setting, setting.loc, code)
        return found

    def _en(self, fitter: str, code: str) -> SteeringVectors:
        key = ("en", code, fitter)
        if key not in self._known:
            target, source = self.pairs.en(code)
            told = provenance(self.study, code, fitter=fitter, n=target.shape[1])
            made = FITTERS[fitter](target, source)
            self._known[key] = SteeringVectors(f"en:{code}", made, told, residual_norms(self.pairs.fit, code))
        return self._known[key]

    def _loc(self, setting: Setting, side: Side, code: str) -> SteeringVectors:
        en = setting.en
        under = en if en and setting.sequential else None
        off = en.fitter if en and setting.orthogonal else None
        key = ("loc", code, side.fitter, setting.filtered, under, off)
        if key not in self._known:
            made, n = self._fit_loc(side.fitter, code, setting.filtered, under)
            if off is not None:
                made = orthogonal(made, self._en(off, code).vectors)
            told = provenance(
                self.study, code, fitter=side.fitter, n=n, culture=self.pairs.culture(code),
                filtered=int(setting.filtered), orthogonal_to=off or "", under="" if under is None else str(under),
            )  # fmt: skip
            self._known[key] = SteeringVectors(f"loc:{code}", made, told, residual_norms(self.pairs.fit, code))
        return self._known[key]

    def _fit_loc(self, fitter: str, code: str, filtered: bool, under: Side | None) -> tuple[PerLayer, int]:
        plan = None if under is None else self._plan_of_en(under, code)
        target, source = self.pairs.loc(code, plan, filtered=filtered)
        return FITTERS[fitter](target, source), target.shape[1]

    def _plan_of_en(self, side: Side, code: str) -> Plan:
        key = (code, side)
        if key not in self._plans:
            self._plans[key] = side.plan(self._en(side.fitter, code))
        return self._plans[key]


@dataclass(frozen=True)
class Pooled:
    """Each vector is the mean of all languages'."""

    fits: Fits
    languages: Sequence[str]
    _known: dict[Setting, dict[Vector, SteeringVectors]] = field(default_factory=dict, repr=False)

    def vectors(self, setting: Setting, code: str) -> dict[Vector, SteeringVectors]:
        """Vectors of each side, the same in every language."""
        if setting not in self._known:
            every = [self.fits.vectors(setting, other) for other in self.languages]
            self._known[setting] = {
                vector: replace(
                    _renamed(first, torch.stack([one[vector].vectors for one in every]).mean(dim=0)),
                    residual_norms=_mean_norms([one[vector] for one in every]),
                )
                for vector, first in every[0].items()
            }
        return self._known[setting]


@dataclass(frozen=True)
class Lent:
    """EN of another language and, from `wrong`, LOC of another culture."""

    fits: Fits
    wrong: Fits
    other: Mapping[str, str]

    def vectors(self, setting: Setting, code: str) -> dict[Vector, SteeringVectors]:
        """Vectors of each side."""
        found = self.fits.vectors(replace(setting, loc=None), self.other[code])
        return found | {k: v for k, v in self.wrong.vectors(setting, code).items() if k == "loc"}


@dataclass(frozen=True)
class AsLong:
    """Vectors of `fits`, in every layer as long as those of `like`."""

    fits: Fits
    like: Fits
    _known: dict[tuple[Setting, str], dict[Vector, SteeringVectors]] = field(default_factory=dict, repr=False)

    def vectors(self, setting: Setting, code: str) -> dict[Vector, SteeringVectors]:
        """Vectors of each side."""
        key = (setting, code)
        if key not in self._known:
            real = self.like.vectors(setting, code)
            made = self.fits.vectors(setting, code)
            self._known[key] = {k: _renamed(v, rescaled(v.vectors, real[k].vectors)) for k, v in made.items()}
        return self._known[key]


@dataclass(frozen=True)
class Noise:
    """Gaussian vectors with the covariance of each layer's residuals, as long as those of `like`."""

    study: Study
    fit: FitResiduals
    like: Fits
    seed: int
    _known: dict[tuple[object, ...], SteeringVectors] = field(default_factory=dict, repr=False)

    def vectors(self, setting: Setting, code: str) -> dict[Vector, SteeringVectors]:
        """Vectors of each side."""
        return {k: self._like(k, v, code) for k, v in self.like.vectors(setting, code).items()}

    def _like(self, vector: Vector, real: SteeringVectors, code: str) -> SteeringVectors:
        key = (vector, code, real.vectors.data_ptr())
        if key not in self._known:
            [drawn] = random_like(self.study, self.fit, code, real.vectors, 1, f"noise {self.seed} {vector}")
            self._known[key] = _renamed(real, drawn)
        return self._known[key]


def _mean_norms(several: Sequence[SteeringVectors]) -> Float[torch.Tensor, "layer"] | None:
    known = [one.residual_norms for one in several if one.residual_norms is not None]
    return torch.stack(known).mean(dim=0) if len(known) == len(several) else None


def _renamed(like: SteeringVectors, vectors: PerLayer) -> SteeringVectors:
    """Other vectors for a model processed in the same way; the story of `like` isn't theirs."""
    told = {"processing": like.provenance.get("processing", "")}
    return SteeringVectors(f"{like.name}, replaced", vectors, told, like.residual_norms)
