"""Choose layers and strengths per language on dev: the grid for each vector, then pairs for Surgical Steering."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from interp.data.tasks import Task
from interp.steering.plans import Plan
from interp.steering.search import Candidate, grid, layer_grid, share_grid
from interp.steering.vectors import SteeringVectors
from interp.study.evaluate import confidence, score_tasks
from interp.study.fit import LOCALIZATION_METHODS, TRANSFER_METHODS, Vectors
from interp.study.prepare import Study

FINALISTS = 3
"""How many EN and how many LOC candidates Surgical Steering pairs."""


@dataclass(frozen=True)
class Chosen:
    """The steers of one method in one language: (method whose vector, layer, strength), and their value on dev."""

    steers: tuple[tuple[str, int, float], ...]
    value: float

    def plan(self, study: Study, vectors: Vectors, language: str) -> Plan:
        """The plan that these steers make."""
        plan = Plan()
        for method, layer, strength in self.steers:
            plan += vectors[method][language].plan(layer, strength, positions=study.config.positions)
        return plan

    def described(self) -> dict[str, object]:
        """Plain values for `plan.json`."""
        steers = [{"vectors": m, "layer": layer, "strength": s} for m, layer, s in self.steers]
        return {"steers": steers, "dev_value": round(self.value, 6)}


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

    def value(self, axis: str, language: str, plan: Plan | None) -> float:
        """The objective of an axis under a plan."""
        tasks = self.tasks(axis, language)
        scores = score_tasks(self.study, tasks, plan)
        role = "right" if axis == "universal" else "local"
        return float(confidence(tasks, scores, role, self.study.config.normalisation).mean())


Advance = Callable[[str], None]


def axis_of(method: str) -> str:
    """The axis that a method's layer and strength are chosen for."""
    return "universal" if method in TRANSFER_METHODS else "cultural"


def choose(study: Study, dev: Dev, vectors: Vectors, advance: Advance) -> dict[str, dict[str, Chosen]]:
    """method -> language -> choice, for every single-vector method and for `surgical`."""
    chosen: dict[str, dict[str, Chosen]] = {m: {} for m in (*TRANSFER_METHODS, *LOCALIZATION_METHODS, "surgical")}
    layers = layer_grid(study.loaded.model.cfg.n_layers)
    for language in study.languages:
        ranked: dict[str, list[Candidate]] = {}
        for method in (*TRANSFER_METHODS, *LOCALIZATION_METHODS):
            ranked[method] = _grid(study, dev, vectors[method][language], axis_of(method), language, layers, advance)
            best = ranked[method][0]
            chosen[method][language] = Chosen(((method, best.layer, best.strength),), best.value)
        chosen["surgical"][language] = _pair(study, dev, vectors, ranked, language, advance)
    return chosen


def _grid(
    study: Study,
    dev: Dev,
    vectors: SteeringVectors,
    axis: str,
    language: str,
    layers: Sequence[int],
    advance: Advance,
    strengths: Sequence[float] = (),
) -> list[Candidate]:
    def objective(plan: Plan) -> float:
        advance(f"dev {vectors.name}")
        return dev.value(axis, language, plan)

    return grid(vectors, layers, strengths or study.config.strengths, study.config.positions, objective)


def _pair(
    study: Study, dev: Dev, vectors: Vectors, ranked: Mapping[str, list[Candidate]], language: str, advance: Advance
) -> Chosen:
    """EN and LOC together: of the finalists' pairs the one with the largest sum of both objectives' gains."""
    pairs = []
    for en in ranked["en"][:FINALISTS]:
        for loc in ranked["loc"][:FINALISTS]:
            steers = (("en", en.layer, en.strength), ("loc", loc.layer, loc.strength))
            plan = Chosen(steers, 0.0).plan(study, vectors, language)
            advance(f"dev surgical:{language}")
            value = dev.value("universal", language, plan) + dev.value("cultural", language, plan)
            pairs.append(Chosen(steers, value))
    return max(pairs, key=lambda pair: pair.value)


def choose_control(
    study: Study, dev: Dev, draws: Mapping[str, SteeringVectors], axis: str, advance: Advance
) -> dict[str, Candidate]:
    """The best cell of the controls' reduced grid, per language."""
    layers = share_grid(study.loaded.model.cfg.n_layers, study.config.control_layers)
    return {
        language: _grid(study, dev, draws[language], axis, language, layers, advance, study.config.control_strengths)[0]
        for language in study.languages
    }


def evaluations(study: Study) -> int:
    """How many plans `choose` scores on dev."""
    layers = len(layer_grid(study.loaded.model.cfg.n_layers))
    single = layers * len(study.config.strengths) * len((*TRANSFER_METHODS, *LOCALIZATION_METHODS))
    return len(study.languages) * (single + FINALISTS**2)


def control_evaluations(study: Study) -> int:
    """How many plans one draw of a control scores on dev, over both axes."""
    layers = share_grid(study.loaded.model.cfg.n_layers, study.config.control_layers)
    return 2 * len(study.languages) * len(layers) * len(study.config.control_strengths)
