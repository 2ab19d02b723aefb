"""Choose layers and strengths per language on dev: the grid for each vector, then pairs for Surgical Steering."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float

from interp.data.tasks import Task
from interp.steering.plans import Plan
from interp.steering.positions import Positions
from interp.steering.search import Candidate, layer_grid, ranked, share_grid
from interp.steering.strengths import Strength, is_share, read_strength
from interp.steering.vectors import SteeringVectors
from interp.study.evaluate import confidence, score_tasks
from interp.study.fit import Vectors, localization_methods, transfer_methods
from interp.study.prepare import Study

FINALISTS = 3
"""How many EN and how many LOC candidates Surgical Steering pairs."""


@dataclass(frozen=True)
class Sought:
    """Methods whose layer and strength are chosen, by the axis that the choice goes by; `surgical` pairs en and loc."""

    universal: tuple[str, ...]
    cultural: tuple[str, ...]
    surgical: bool

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.universal, *self.cultural, *(["surgical"] if self.surgical else []))

    @property
    def by_axis(self) -> dict[str, tuple[str, ...]]:
        """Axis -> methods of one vector."""
        return {"universal": self.universal, "cultural": self.cultural}


def sought(study: Study) -> Sought:
    """The run's steering methods, with the controls that each is compared with."""
    asked = study.config.compared.steering
    return Sought(
        transfer_methods(study) if "en" in asked else (),
        localization_methods(study) if "loc" in asked else (),
        "surgical" in asked,
    )


def sought_on_top(study: Study) -> Sought:
    """The run's steering methods on top of a trained model; of the controls, the LOC vector of a wrong culture."""
    whole = sought(study)
    return Sought(
        tuple(name for name in whole.universal if name == "en"),
        tuple(name for name in whole.cultural if name in ("loc", "wrong_culture")),
        whole.surgical,
    )


@dataclass(frozen=True)
class Chosen:
    """The steers of one method in one language: (method whose vector, layer, strength), and their value on dev."""

    steers: tuple[tuple[str, int, Strength], ...]
    value: float

    def plan(self, study: Study, vectors: Vectors, language: str) -> Plan:
        """The plan that these steers make."""
        plan = Plan()
        for method, layer, strength in self.steers:
            plan += vectors[method][language].plan(layer, strength, positions=study.config.positions)
        return plan

    def described(self, vectors: Vectors, language: str, positions: Positions) -> dict[str, object]:
        """Plain values for `plan.json`: the steers that `plan` makes, and the value on dev."""
        steers = [
            {
                "vectors": vectors_file(method, language), "layer": layer,
                "strength": vectors[method][language].multiple(layer, strength), "operator": "add",
                "positions": positions,
            }
            for method, layer, strength in self.steers
        ]  # fmt: skip
        return {"steers": steers, "notes": {"dev_value": round(self.value, 6)} | chosen_as(self.strengths)}

    @property
    def strengths(self) -> list[Strength]:
        """As they stand in the grid."""
        return [strength for _, _, strength in self.steers]


def vectors_file(method: str, language: str) -> str:
    """Where a run's folder has the vectors of a method in a language."""
    return f"vectors/{method}.{language}.safetensors"


def method_of(file: str) -> str:
    """The method whose vectors `vectors_file` names."""
    return file.removeprefix("vectors/").split(".")[0]


def chosen_as(strengths: Sequence[Strength]) -> dict[str, list[Strength]]:
    """The note of a plan whose strengths were chosen as shares of the residual norm; nothing for multiples."""
    return {"strengths": list(strengths)} if any(map(is_share, strengths)) else {}


@dataclass
class Dev:
    """Dev prompts per language and the two objectives: mean probability of the right, and of the local option."""

    study: Study
    _tasks: dict[tuple[str, str], list[Task]] = field(default_factory=dict)

    def tasks(self, axis: str, language: str) -> list[Task]:
        """Dev prompts of an axis."""
        key = (axis, language)
        if key not in self._tasks:
            make = self.study.universal_tasks if axis == "universal" else self.study.cultural_tasks
            self._tasks[key] = make(language, "dev")
        return self._tasks[key]

    def values(
        self, axis: str, language: str, plans: Sequence[Plan], advance: Advance | None = None
    ) -> Float[np.ndarray, "plan"]:
        """The objective of an axis under each plan."""
        tasks = self.tasks(axis, language)
        progress = partial(advance, f"dev {axis} {language}") if advance else None
        scores = score_tasks(self.study, tasks, plans, progress)
        role = "right" if axis == "universal" else "local"
        return np.asarray(confidence(tasks, scores, role, self.study.config.normalisation).mean(axis=1))


class Advance(Protocol):
    """Tells how far a stage is."""

    def __call__(self, step: str, amount: float = 1.0) -> None:
        """`amount` more steps are done, the last of them at `step`."""


def unsaid(step: str, amount: float = 1.0) -> None:
    """An `Advance` that tells nobody."""


def halved(advance: Advance, step: str, amount: float) -> None:
    """Advance by half of an amount: a plan is done when both axes are."""
    advance(step, amount / 2)


def choose(study: Study, dev: Dev, vectors: Vectors, methods: Sought, advance: Advance) -> dict[str, dict[str, Chosen]]:
    """method -> language -> choice, for every method sought."""
    chosen: dict[str, dict[str, Chosen]] = {method: {} for method in methods.names}
    for language in study.languages:
        for method, choice in choose_in(study, dev, vectors, methods, language, advance).items():
            chosen[method][language] = choice
    return chosen


def choose_in(
    study: Study, dev: Dev, vectors: Vectors, methods: Sought, language: str, advance: Advance
) -> dict[str, Chosen]:
    """method -> choice in one language."""

    def make() -> dict[str, dict[str, Any]]:
        cells = [(layer, strength) for layer in layer_grid(study.n_layers) for strength in study.config.strengths]
        found: dict[str, list[Candidate]] = {}
        for axis, names in methods.by_axis.items():
            several = {name: vectors[name][language] for name in names}
            found |= _search(study, dev, several, axis, language, cells, advance)
        chosen = {m: Chosen(((m, best.layer, best.strength),), best.value) for m, (best, *_) in found.items()}
        if methods.surgical:
            chosen["surgical"] = _pair(study, dev, vectors, found, language, advance)
        return {method: asdict(choice) for method, choice in chosen.items()}

    kept = study.parts.value(f"choose/{language}", make)
    return {
        method: Chosen(tuple((m, int(layer), read_strength(s)) for m, layer, s in one["steers"]), float(one["value"]))
        for method, one in kept.items()
    }


def _search(
    study: Study,
    dev: Dev,
    several: Mapping[str, SteeringVectors],
    axis: str,
    language: str,
    cells: Sequence[tuple[int, Strength]],
    advance: Advance,
) -> dict[str, list[Candidate]]:
    """Every cell of the grid for several vectors at once, the best first."""
    if not several:
        return {}
    plans = [
        vectors.plan(layer, strength, positions=study.config.positions)
        for vectors in several.values()
        for layer, strength in cells
    ]
    values = dev.values(axis, language, plans, advance).reshape(len(several), len(cells))
    return {name: ranked(cells, row.tolist()) for name, row in zip(several, values, strict=True)}


def _pair(
    study: Study, dev: Dev, vectors: Vectors, found: Mapping[str, list[Candidate]], language: str, advance: Advance
) -> Chosen:
    """EN and LOC together: of the finalists' pairs the one with the largest sum of both objectives' gains."""
    pairs = [
        (("en", en.layer, en.strength), ("loc", loc.layer, loc.strength))
        for en in found["en"][:FINALISTS]
        for loc in found["loc"][:FINALISTS]
    ]
    plans = [Chosen(steers, 0.0).plan(study, vectors, language) for steers in pairs]
    values = sum(dev.values(axis, language, plans, advance) for axis in ("universal", "cultural"))
    best = int(np.argmax(values))
    return Chosen(pairs[best], float(np.max(values)))


def choose_control(
    study: Study, dev: Dev, draws: Sequence[SteeringVectors], axis: str, language: str, advance: Advance
) -> list[Candidate]:
    """The best cell of the controls' reduced grid for each draw."""
    layers = share_grid(study.n_layers, study.config.control_layers)
    cells = [(layer, strength) for layer in layers for strength in study.config.control_strengths]
    several = {str(number): vectors for number, vectors in enumerate(draws)}
    return [row[0] for row in _search(study, dev, several, axis, language, cells, advance).values()]


def evaluations(study: Study, methods: Sought) -> int:
    """How many plans `choose` scores on dev."""
    layers = len(layer_grid(study.n_layers))
    single = layers * len(study.config.strengths) * (len(methods.universal) + len(methods.cultural))
    return len(study.languages) * (single + (2 * FINALISTS**2 if methods.surgical else 0))


def control_evaluations(study: Study) -> int:
    """How many plans one draw of a control scores on dev, over both axes."""
    layers = share_grid(study.n_layers, study.config.control_layers)
    return 2 * len(study.languages) * len(layers) * len(study.config.control_strengths)
