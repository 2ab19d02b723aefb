"""Recipes of vectors: which pairs of residuals each is fitted on; every vector is fitted once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from interp.data import Cue
from interp.model.read import Residuals
from interp.steering import FITTERS, PerLayer, Plan, Setting, Side, SteeringVectors, Vector, orthogonal, rescaled
from interp.study.ask import Study, choices, score_tasks
from interp.study.fit._vectors import FitResiduals, control_seed, provenance, random_like, residual_norms

Pair = tuple[Residuals, Residuals]
FEWEST = 8
"""With fewer items than this after the outcome filter, LOC is fitted on all of them."""


@dataclass(eq=False)
class Pairs:
    """Target and source residuals of the fit split. Residuals and scores are cached.

    items: use only this many items, the same ones in every language. swapped: seed of a coin per pair that swaps its
    two sides. wrong: use LOC of a wrong culture.
    """

    study: Study
    fit: FitResiduals
    items: int | None = None
    swapped: int | None = None
    wrong: bool = False
    _informative_items: dict[str, Bool[np.ndarray, "item"]] = field(default_factory=dict, init=False, repr=False)
    _steered: dict[tuple[str, Plan], Pair] = field(default_factory=dict, init=False, repr=False)

    def en(self, code: str) -> Pair:
        """English and a language, on universal items."""
        return self._varied("en", code, (self.fit.universal["en"], self.fit.universal[code]))

    def loc(self, code: str, plan: Plan | None = None, *, filtered: bool = False) -> Pair:
        """Cultural items with and without the culture's cue; read again if the model is steered by `plan`."""
        explicit, implicit = self._cued(code, plan)
        if filtered:
            informative = torch.from_numpy(self._informative(code))
            explicit, implicit = explicit[:, informative], implicit[:, informative]
        return self._varied("loc", code, (explicit, implicit))

    def culture(self, code: str) -> str:
        """The culture of a language's LOC vector."""
        return (self.study.wrong_culture(code) or "") if self.wrong else self.study.culture(code)

    def _cued(self, code: str, plan: Plan | None) -> Pair:
        if plan is None:
            return (self.fit.wrong if self.wrong else self.fit.explicit)[code], self.fit.implicit[code]
        if (code, plan) not in self._steered:

            def read(cue: Cue, culture: str = "") -> Residuals:
                return self.study.read(self.study.cultural_texts(code, "fit", cue, culture), plan)

            self._steered[code, plan] = read("explicit", self.culture(code)), read("none")
        return self._steered[code, plan]

    def _informative(self, code: str) -> Bool[np.ndarray, "item"]:
        """Items that the unsteered model answers locally more often with the cue than without; if few, all."""
        if code not in self._informative_items:
            keys = [item.key for _, item in self.study.cultural_items(code, "fit")]
            local: dict[str, dict[str, float]] = {}
            cues: tuple[Cue, Cue] = ("explicit", "none")
            for cue in cues:
                tasks = self.study.cultural_tasks(code, "fit", cue)
                scores = score_tasks(self.study, tasks, [Plan()])
                chosen = choices(tasks, scores, "local", self.study.config.normalisation)
                local[cue] = {task.prompt.item: share for task, share in zip(tasks, chosen[0].tolist(), strict=True)}
            more = np.array([local["explicit"].get(key, 0.0) > local["none"].get(key, 0.0) for key in keys])
            self._informative_items[code] = more if more.sum() >= FEWEST else np.ones(len(keys), dtype=bool)
        return self._informative_items[code]

    def _varied(self, vector: Vector, code: str, pair: Pair) -> Pair:
        target, source = pair
        if self.items is not None:
            some = torch.from_numpy(self._some(vector, target.shape[1]))
            target, source = target[:, some], source[:, some]
        if self.swapped is not None:
            seed = control_seed(self.study, code, self.swapped, f"swapped {vector}")
            coin = torch.rand(target.shape[1], generator=torch.Generator().manual_seed(seed)) < 0.5
            coin = coin[None, :, None]
            target, source = torch.where(coin, source, target), torch.where(coin, target, source)
        return target, source

    def _some(self, vector: Vector, n: int) -> Int[np.ndarray, "item"]:
        """The first of a fixed random order, so that a smaller sample is part of every larger one."""
        order = np.random.default_rng((self.study.config.seed, vector == "loc")).permutation(n)
        return np.sort(order[: self.items])


class Fits(Protocol):
    """Provides the vectors of a setting in a language."""

    def vectors(self, setting: Setting, code: str) -> dict[Vector, SteeringVectors]:
        """The vectors for each side of the setting."""


def plan_of(fits: Fits, setting: Setting, code: str) -> Plan:
    """The plan of a setting in a language."""
    plan = Plan()
    for vector, fitted in fits.vectors(setting, code).items():
        side = setting.en if vector == "en" else setting.loc
        assert side is not None
        plan += side.plan(fitted)
    return plan


@dataclass(eq=False)
class Fitted:
    """Vectors fitted on `pairs`."""

    study: Study
    pairs: Pairs
    _fitted: dict[tuple[object, ...], SteeringVectors] = field(default_factory=dict, init=False, repr=False)
    _plans: dict[tuple[str, Side], Plan] = field(default_factory=dict, init=False, repr=False)

    def vectors(self, setting: Setting, code: str) -> dict[Vector, SteeringVectors]:
        """The vectors for each side of the setting."""
        vectors: dict[Vector, SteeringVectors] = {}
        if setting.en:
            vectors["en"] = self._en(setting.en.fitter, code)
        if setting.loc:
            vectors["loc"] = self._loc(setting, setting.loc, code)
        return vectors

    def _en(self, fitter: str, code: str) -> SteeringVectors:
        key = ("en", code, fitter)
        if key not in self._fitted:
            target, source = self.pairs.en(code)
            origin = provenance(self.study, code, fitter=fitter, n=target.shape[1])
            vectors = FITTERS[fitter](target, source)
            self._fitted[key] = SteeringVectors(f"en:{code}", vectors, origin, residual_norms(self.pairs.fit, code))
        return self._fitted[key]

    def _loc(self, setting: Setting, side: Side, code: str) -> SteeringVectors:
        en = setting.en
        under = en if en and setting.sequential else None
        off = en.fitter if en and setting.orthogonal else None
        key = ("loc", code, side.fitter, setting.filtered, under, off)
        if key not in self._fitted:
            plan = None if under is None else self._plan_of_en(under, code)
            target, source = self.pairs.loc(code, plan, filtered=setting.filtered)
            vectors = FITTERS[side.fitter](target, source)
            if off is not None:
                vectors = orthogonal(vectors, self._en(off, code).vectors)
            origin = provenance(
                self.study, code, fitter=side.fitter, n=target.shape[1], culture=self.pairs.culture(code),
                filtered=int(setting.filtered), orthogonal_to=off or "", under="" if under is None else str(under),
            )  # fmt: skip
            self._fitted[key] = SteeringVectors(f"loc:{code}", vectors, origin, residual_norms(self.pairs.fit, code))
        return self._fitted[key]

    def _plan_of_en(self, side: Side, code: str) -> Plan:
        key = (code, side)
        if key not in self._plans:
            self._plans[key] = side.plan(self._en(side.fitter, code))
        return self._plans[key]


@dataclass(eq=False)
class Pooled:
    """Each vector is the mean over all languages."""

    fits: Fits
    languages: Sequence[str]
    _means: dict[Setting, dict[Vector, SteeringVectors]] = field(default_factory=dict, init=False, repr=False)

    def vectors(self, setting: Setting, code: str) -> dict[Vector, SteeringVectors]:
        """Vectors of each side, the same in every language."""
        if setting not in self._means:
            by_language = [self.fits.vectors(setting, other) for other in self.languages]
            self._means[setting] = {
                vector: replace(
                    _renamed(first, torch.stack([fitted[vector].vectors for fitted in by_language]).mean(dim=0)),
                    residual_norms=_mean_norms([fitted[vector] for fitted in by_language]),
                )
                for vector, first in by_language[0].items()
            }
        return self._means[setting]


@dataclass(frozen=True)
class Lent:
    """Uses EN of another language and, from `wrong`, LOC of another culture."""

    fits: Fits
    wrong: Fits
    other: Mapping[str, str]

    def vectors(self, setting: Setting, code: str) -> dict[Vector, SteeringVectors]:
        """Vectors of each side."""
        en = self.fits.vectors(replace(setting, loc=None), self.other[code])
        return en | {k: v for k, v in self.wrong.vectors(setting, code).items() if k == "loc"}


@dataclass(eq=False)
class AsLong:
    """Vectors of `fits`, scaled in every layer to the norm of those of `like`."""

    fits: Fits
    like: Fits
    _rescaled: dict[tuple[Setting, str], dict[Vector, SteeringVectors]] = field(
        default_factory=dict, init=False, repr=False
    )

    def vectors(self, setting: Setting, code: str) -> dict[Vector, SteeringVectors]:
        """Vectors of each side."""
        key = (setting, code)
        if key not in self._rescaled:
            real = self.like.vectors(setting, code)
            self._rescaled[key] = {
                k: _renamed(v, rescaled(v.vectors, real[k].vectors))
                for k, v in self.fits.vectors(setting, code).items()
            }
        return self._rescaled[key]


@dataclass(eq=False)
class Noise:
    """Gaussian vectors with the covariance of each layer's residuals and the norms of `like`."""

    study: Study
    fit: FitResiduals
    like: Fits
    seed: int
    _drawn: dict[tuple[str, SteeringVectors], SteeringVectors] = field(default_factory=dict, init=False, repr=False)

    def vectors(self, setting: Setting, code: str) -> dict[Vector, SteeringVectors]:
        """Vectors of each side."""
        return {k: self._like(k, v, code) for k, v in self.like.vectors(setting, code).items()}

    def _like(self, vector: Vector, real: SteeringVectors, code: str) -> SteeringVectors:
        key = (code, real)
        if key not in self._drawn:
            [drawn] = random_like(self.study, self.fit, code, real.vectors, 1, f"noise {self.seed} {vector}")
            self._drawn[key] = _renamed(real, drawn)
        return self._drawn[key]


def _mean_norms(several: Sequence[SteeringVectors]) -> Float[torch.Tensor, "layer"] | None:
    norms = [fitted.residual_norms for fitted in several if fitted.residual_norms is not None]
    return torch.stack(norms).mean(dim=0) if len(norms) == len(several) else None


def _renamed(like: SteeringVectors, vectors: PerLayer) -> SteeringVectors:
    """Other vectors in the place of `like`; of its provenance only the model's processing holds for them."""
    origin = {"processing": like.provenance.get("processing", "")}
    return SteeringVectors(f"{like.name}, replaced", vectors, origin, like.residual_norms)
