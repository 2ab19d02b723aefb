"""Which pairs of residuals a vector is fitted on: all, fewer, those of another culture, or with swapped sides."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Int

from interp.data.tasks import Cue
from interp.model.residuals import Residuals
from interp.steering.plans import Plan
from interp.steering.search import Vector
from interp.study.evaluate import choices, score_tasks
from interp.study.fit import FitResiduals, control_seed
from interp.study.prepare import Study

Pair = tuple[Residuals, Residuals]
FEWEST = 8
"""With fewer items than this behind the outcome filter, LOC is fitted on all of them."""


@dataclass(frozen=True)
class Pairs:
    """Target and source residuals of the fit split.

    items: only so many of them, the same ones in every language. swapped: the two sides of each pair are swapped by a
    coin of this seed. wrong: LOC of a wrong culture.
    """

    study: Study
    fit: FitResiduals
    items: int | None = None
    swapped: int | None = None
    wrong: bool = False
    _kept: dict[str, Bool[np.ndarray, "item"]] = field(default_factory=dict, repr=False)
    _read: dict[tuple[str, Plan | None], Pair] = field(default_factory=dict, repr=False)

    def en(self, code: str) -> Pair:
        """English and a language, on universal items."""
        return self._varied("en", code, (self.fit.universal["en"], self.fit.universal[code]))

    def loc(self, code: str, plan: Plan | None = None, *, filtered: bool = False) -> Pair:
        """With the culture's cue and without, on cultural items; read anew while the model is steered by `plan`."""
        explicit, implicit = self._cued(code, plan)
        if filtered:
            kept = torch.from_numpy(self._informative(code))
            explicit, implicit = explicit[:, kept], implicit[:, kept]
        return self._varied("loc", code, (explicit, implicit))

    def culture(self, code: str) -> str:
        """The culture of a language's LOC vector."""
        return (self.study.wrong_culture(code) or "") if self.wrong else self.study.culture(code)

    def _cued(self, code: str, plan: Plan | None) -> Pair:
        if plan is None:
            return (self.fit.wrong if self.wrong else self.fit.explicit)[code], self.fit.implicit[code]
        if (code, plan) not in self._read:

            def read(cue: Cue, culture: str = "") -> Residuals:
                return self.study.cultural_residuals(code, "fit", cue, culture, plan=plan)

            self._read[code, plan] = read("explicit", self.culture(code)), read("none")
        return self._read[code, plan]

    def _informative(self, code: str) -> Bool[np.ndarray, "item"]:
        """Items that the unsteered model answers locally more with the cue than without; all where they are too few."""
        if code not in self._kept:
            keys = [item.key for _, item in self.study.cultural_items(code, "fit")]
            local: dict[str, dict[str, float]] = {}
            cues: tuple[Cue, Cue] = ("explicit", "none")
            for cue in cues:
                tasks = self.study.cultural_tasks(code, "fit", cue)
                scores = score_tasks(self.study, tasks, [Plan()])
                chosen = choices(tasks, scores, "local", self.study.config.normalisation)
                local[cue] = {task.prompt.item: share for task, share in zip(tasks, chosen[0].tolist(), strict=True)}
            kept = np.array([local["explicit"].get(key, 0.0) > local["none"].get(key, 0.0) for key in keys])
            self._kept[code] = kept if kept.sum() >= FEWEST else np.ones(len(keys), dtype=bool)
        return self._kept[code]

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
        """The first of a fixed random order: fewer items are some of more."""
        order = np.random.default_rng((self.study.config.seed, vector == "loc")).permutation(n)
        return np.sort(order[: self.items])
