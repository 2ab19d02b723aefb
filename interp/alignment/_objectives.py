"""What each method minimises on a micro-batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.alignment._draws import Draws, pick
from interp.alignment._encoding import Encoder
from interp.alignment._forwards import Adapted
from interp.alignment._losses import clo, cross_entropy, dpo, info_nce, mean_pool, projection_shift
from interp.alignment._pairs import TrainingData, Unit
from interp.alignment._settings import Method, Settings
from interp.errors import DataError, ModelError


@dataclass(frozen=True)
class Losses:
    """A micro-batch's loss, the named parts that it is made of, and the keys of the units."""

    total: Float[Tensor, ""]
    parts: Mapping[str, float]
    keys: tuple[str, ...]


Objective = Callable[[Adapted, int, int], Losses]
"""The loss, with gradients, of micro-batch `part` of `step`: a function of the model and these two alone."""


def middle_layer(n_layers: int) -> int:
    """The last block of the first half, 0-based: L/2 - 1; ModelError for a model of one block."""
    if n_layers < 2:
        raise ModelError("a model of one block has no middle layer", remedy="choose another model")
    return n_layers // 2 - 1


def objective_for(settings: Settings, data: TrainingData, encoder: Encoder) -> Objective:
    """The objective of a method; midalign's settings name the layer. Raises DataError for data that it can't use."""
    objectives: dict[Method, Callable[..., Objective]] = {"instruct": Instruct, "midalign": MidAlign, "clo": CLO}
    return objectives[settings.method](settings, data, encoder)


def targets_of(unit: Unit, languages: Sequence[str]) -> list[str]:
    """The languages that a unit has beside English; none without English."""
    return [code for code in languages if code in unit.responses] if "en" in unit.responses else []


class Instruct:
    """Cross-entropy on the response tokens, over all languages, English among them."""

    def __init__(self, settings: Settings, data: TrainingData, encoder: Encoder) -> None:
        self._codes = ("en", *data.languages)
        self._accumulation, self._encoder = settings.accumulation, encoder
        units = [unit for unit in data.units if any(unit.prompts.get(code) for code in self._codes)]
        self._draws = Draws(units, settings.batch, settings.seed)

    def __call__(self, model: Adapted, step: int, part: int) -> Losses:
        """A language and a wording are drawn for each unit."""
        units, rng = self._draws(step * self._accumulation + part)
        pairs = []
        for unit in units:
            code = pick(rng, [code for code in self._codes if unit.prompts.get(code)])
            pairs.append((pick(rng, unit.prompts[code]), unit.answered(code)))
        loss = cross_entropy(model.answers(self._encoder.answered(pairs)).logp)
        return Losses(loss, {"cross_entropy": loss.item()}, tuple(unit.key for unit in units))


class MidAlign:
    """InfoNCE from x to English at a middle layer in even steps, the task's cross-entropy in odd ones."""

    def __init__(self, settings: Settings, data: TrainingData, encoder: Encoder) -> None:
        if settings.layer is None:
            raise ValueError("midalign needs a layer: pass settings with middle_layer(n_layers)")
        self.layer = settings.layer
        self._task = Instruct(settings, data, encoder)
        self._settings, self._codes, self._encoder = settings, data.languages, encoder
        paired = [unit for unit in data.units if targets_of(unit, self._codes)]
        if len(paired) < 2:
            raise DataError("midalign needs two texts in English and another language", remedy="add parallel data")
        self._draws = Draws(paired, settings.batch, settings.seed)

    def __call__(self, model: Adapted, step: int, part: int) -> Losses:
        """A language and a wording, the same in both languages, are drawn for each unit."""
        if step % 2:
            return self._task(model, step, part)
        units, rng = self._draws(step * self._settings.accumulation + part)
        own, english = [], []
        for unit in units:
            code = pick(rng, targets_of(unit, self._codes))
            wording = int(rng.integers(len(unit.texts[code])))
            own.append(unit.texts[code][wording])
            english.append(unit.texts["en"][wording % len(unit.texts["en"])])
        batch = self._encoder.texts([*own, *english])
        pooled = mean_pool(model.residuals(batch, [self.layer])[self.layer], batch.real.to(batch.tokens.device))
        loss = info_nce(pooled[: len(own)], pooled[len(own) :], self._settings.temperature)
        return Losses(loss, {"info_nce": loss.item()}, tuple(unit.key for unit in units))


class CLO:
    """SFT on x alone, and DPO against the base: English asked prefers the English answer, x asked the answer in x."""

    def __init__(self, settings: Settings, data: TrainingData, encoder: Encoder) -> None:
        self._settings, self._codes, self._encoder = settings, data.languages, encoder
        able = [unit for unit in data.units if self._usable(unit)]
        if not able:
            raise DataError(
                "clo needs instructions whose responses differ between English and another language",
                allowed="questions or instructions, because translations have no responses",
                remedy="pass --data with a dataset of questions, or a .jsonl file",
            )
        self._draws = Draws(able, settings.batch, settings.seed)

    def _usable(self, unit: Unit) -> list[str]:
        """Languages whose response is not the English one: a text can't be preferred to itself."""
        if unit.kind == "sentence":
            return []
        return [code for code in targets_of(unit, self._codes) if unit.responses[code] != unit.responses["en"]]

    def __call__(self, model: Adapted, step: int, part: int) -> Losses:
        """A language and a wording are drawn for each unit; both preferences are taken of it."""
        units, rng = self._draws(step * self._settings.accumulation + part)
        own, english, rejected_own, rejected_english = [], [], [], []
        for unit in units:
            code = pick(rng, self._usable(unit))
            wording = int(rng.integers(len(unit.prompts[code])))
            asked, asked_english = unit.prompts[code][wording], unit.prompts["en"][wording % len(unit.prompts["en"])]
            own.append((asked, unit.answered(code)))
            rejected_own.append((asked, unit.answered(code, "en")))
            english.append((asked_english, unit.answered("en")))
            rejected_english.append((asked_english, unit.answered("en", code)))
        batch = self._encoder.answered([*own, *english, *rejected_own, *rejected_english])
        now = model.answers(batch)
        with model.as_base():
            reference = model.answers(batch).per_row()
        chosen, rejected = now.per_row().split(2 * len(units))
        base_chosen, base_rejected = reference.split(2 * len(units))
        preference = dpo(chosen, rejected, base_chosen, base_rejected, self._settings.beta)
        sft = cross_entropy(now.logp[now.rows < len(units)])
        loss = clo(sft, preference, self._settings.mix)
        return Losses(loss, {"sft": sft.item(), "dpo": preference.item()}, tuple(unit.key for unit in units))


class Kept:
    """Another objective, and a penalty that keeps projections at chosen layers where the base has them.

    The penalty looks at the prompts of x (real tokens alone) that are drawn for it from the same data.
    """

    def __init__(
        self,
        inner: Objective,
        settings: Settings,
        data: TrainingData,
        encoder: Encoder,
        vectors: Mapping[int, Float[Tensor, "vector d_model"]],
    ) -> None:
        self._inner, self._vectors, self._settings, self._encoder = inner, vectors, settings, encoder
        self._codes = data.languages
        able = [unit for unit in data.units if any(code in unit.prompts for code in self._codes)]
        self._draws = Draws(able, settings.batch, settings.seed + 1)

    def __call__(self, model: Adapted, step: int, part: int) -> Losses:
        """The inner loss plus weight times the mean over layers of the squared shift."""
        inner = self._inner(model, step, part)
        units, rng = self._draws(step * self._settings.accumulation + part)
        batch = self._encoder.texts([self._prompt(unit, rng) for unit in units])
        layers = list(self._vectors)
        now = model.residuals(batch, layers)
        with model.as_base():
            base = model.residuals(batch, layers)
        shifts = [
            projection_shift(now[layer], base[layer], vectors.to(now[layer].device), batch.real.to(now[layer].device))
            for layer, vectors in self._vectors.items()
        ]
        penalty = torch.stack(shifts).mean()
        return Losses(
            inner.total + self._settings.keep_weight * penalty, {**inner.parts, "shift": penalty.item()}, inner.keys
        )

    def _prompt(self, unit: Unit, rng: np.random.Generator) -> str:
        code = pick(rng, [code for code in self._codes if unit.prompts.get(code)])
        return pick(rng, unit.prompts[code])
