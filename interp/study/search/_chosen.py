"""The methods to search for, and the choice for each method and language: the steers of its plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from interp.data import Axis
from interp.steering import Plan, Positions, Strength, is_share
from interp.study.ask import Study
from interp.study.fit import Vectors, localization_methods, transfer_methods


@dataclass(frozen=True)
class Pair:
    """Two methods of one vector each that act together. deeper: LOC only at blocks after EN's."""

    en: str
    loc: str
    deeper: bool = False


PAIRS = {"surgical": Pair("en", "loc"), "surgical_language": Pair("en", "loc_language", deeper=True)}


@dataclass(frozen=True)
class Sought:
    """Methods whose layer and strength are chosen, by the axis that the choice goes by; then the pairs."""

    universal: tuple[str, ...]
    cultural: tuple[str, ...]
    pairs: Mapping[str, Pair]

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.universal, *self.cultural, *self.pairs)

    @property
    def by_axis(self) -> dict[Axis, tuple[str, ...]]:
        """Axis -> methods of one vector."""
        return {"universal": self.universal, "cultural": self.cultural}


def sought(study: Study) -> Sought:
    """The run's steering methods, with the controls that each is compared with."""
    steering = study.config.compared.steering
    universal = transfer_methods(study) if "en" in steering else ()
    cultural = localization_methods(study) if "loc" in steering else ()
    pairs = {name: pair for name, pair in PAIRS.items() if pair.en in universal and pair.loc in cultural}
    return Sought(universal, cultural, pairs if "surgical" in steering else {})


def sought_on_top(study: Study) -> Sought:
    """The run's steering methods on top of a trained model; of the controls, the LOC vector of a wrong culture."""
    whole = sought(study)
    return Sought(
        tuple(name for name in whole.universal if name == "en"),
        tuple(name for name in whole.cultural if name in ("loc", "wrong_culture")),
        {name: pair for name, pair in whole.pairs.items() if pair.loc == "loc"},
    )


@dataclass(frozen=True)
class Chosen:
    """The steers of a method in a language: (method whose vector, layer, strength), and its mean gains on dev.

    gains: axis -> gain in the probability of the right (local) option, of the axes that the choice went by.
    """

    steers: tuple[tuple[str, int, Strength], ...]
    gains: Mapping[str, float]

    @property
    def cells(self) -> list[tuple[int, Strength]]:
        """Layer and strength of every steer."""
        return [(layer, strength) for _, layer, strength in self.steers]

    def plan(self, vectors: Vectors, language: str, positions: Positions) -> Plan:
        """The plan that these steers make."""
        plan = Plan()
        for method, layer, strength in self.steers:
            plan += vectors[method][language].plan(layer, strength, positions=positions)
        return plan

    def described(self, vectors: Vectors, language: str, positions: Positions) -> dict[str, object]:
        """Plain values for `plan.json`: the steers that `plan` makes, and the gains on dev."""
        steers = [
            {
                "vectors": vectors_file(method, language), "layer": layer,
                "strength": vectors[method][language].multiple(layer, strength), "operator": "add",
                "positions": positions,
            }
            for method, layer, strength in self.steers
        ]  # fmt: skip
        gains = {axis: round(gain, 6) for axis, gain in self.gains.items()}
        return {"steers": steers, "notes": {"dev_gain": gains} | chosen_as([s for _, _, s in self.steers])}


ChosenPlans = Mapping[str, Mapping[str, Chosen]]
"""method -> language -> choice."""


def vectors_file(method: str, language: str) -> str:
    """Where a run's folder has the vectors of a method in a language."""
    return f"vectors/{method}.{language}.safetensors"


def method_of(file: str) -> str:
    """The method whose vectors `vectors_file` names."""
    return file.removeprefix("vectors/").split(".")[0]


def chosen_as(strengths: Sequence[Strength]) -> dict[str, list[Strength]]:
    """The note of a plan whose strengths were chosen as shares of the residual norm; nothing for multiples."""
    return {"strengths": list(strengths)} if any(map(is_share, strengths)) else {}
