"""Steering vectors, one per layer, with the story of how they were made; fitters from residuals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float

from interp.errors import DataError
from interp.model.residuals import Residuals
from interp.steering.plans import Plan, Positions, Steer

STORY = "translocal"
"""The entry of a file's metadata that has its vectors' name and provenance."""

Provenance = Mapping[str, str | int | float]
PerLayer = Float[torch.Tensor, "layer d_model"]


@dataclass(frozen=True, eq=False)
class SteeringVectors:
    """`vectors[l]` is added to the residual stream after block l; `provenance` says what it was fitted on.

    Its entry `processing` (as `processing_of` gives it) binds the vectors to models processed in the same way; its
    entry `layers` (such as `1,2,5`) names the layers that there are vectors for, where that is not every one.
    """

    name: str
    vectors: PerLayer
    provenance: Provenance = field(default_factory=dict)

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that there are vectors for."""
        named = str(self.provenance.get("layers", ""))
        return tuple(int(layer) for layer in named.split(",")) if named else tuple(range(len(self.vectors)))

    def plan(self, layer: int, strength: float = 1.0, *, operator: str = "add", positions: Positions = "all") -> Plan:
        """A plan of one steer: `strength` times the vector of `layer`.

        Raises DataError for a layer that there is no vector for.
        """
        if layer not in self.layers:
            raise DataError(
                f"{self.name} has no vector for layer {layer}",
                allowed=f"layers {', '.join(map(str, self.layers))}",
                remedy="pass one of these",
            )
        processing = str(self.provenance.get("processing", ""))
        return Plan((Steer(layer, self.vectors[layer], strength, operator, positions, processing),))

    def save(self, path: Path) -> None:
        """Write a safetensors file, the same bytes for the same vectors; name and provenance go into its metadata.

        They are one entry: safetensors writes several in no fixed order.
        """
        from safetensors.torch import save_file

        told = {"name": self.name, "provenance": dict(self.provenance)}
        metadata = {STORY: json.dumps(told, sort_keys=True)}
        save_file({"vectors": self.vectors.contiguous()}, path, metadata=metadata)

    @classmethod
    def load(cls, path: Path) -> SteeringVectors:
        """Read what `save` wrote; raises DataError for another kind of file."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt") as file:
                told = json.loads((file.metadata() or {})[STORY])
                return cls(told["name"], file.get_tensor("vectors"), told["provenance"])
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path} holds no steering vectors: {error}",
                allowed="files written by SteeringVectors.save",
                remedy="fit the vectors again",
            ) from error


def difference(target: Residuals, source: Residuals) -> PerLayer:
    """Mean over parallel texts of target minus source, after every block: [layer, d_model].

    Raises ValueError where the two are not parallel.
    """
    if target.shape != source.shape:
        raise ValueError(f"residuals are not parallel: {tuple(target.shape)} and {tuple(source.shape)}")
    return (target - source).double().mean(dim=1).float()[1:]


def language_contrast(
    cultural: Residuals,
    cultural_others: Sequence[Residuals],
    universal: Residuals,
    universal_others: Sequence[Residuals],
) -> PerLayer:
    """What sets a language apart on cultural items, beyond what sets it apart on universal ones: [layer, d_model].

    [mean of the language - mean of the dataset's other languages] on cultural items minus the same on universal ones.
    """

    def contrast(own: Residuals, others: Sequence[Residuals]) -> PerLayer:
        means = torch.stack([other.double().mean(dim=1) for other in others])
        return (own.double().mean(dim=1) - means.mean(dim=0)).float()[1:]

    return contrast(cultural, cultural_others) - contrast(universal, universal_others)


def sign_shuffled(target: Residuals, source: Residuals, generator: torch.Generator) -> PerLayer:
    """A refit with shuffled labels: each pair's two sides are swapped by a coin."""
    signs = torch.randint(0, 2, (target.shape[1],), generator=generator) * 2 - 1
    return ((target - source) * signs[None, :, None]).double().mean(dim=1).float()[1:]


def rescaled(vectors: PerLayer, like: PerLayer) -> PerLayer:
    """`vectors` with, in every layer, the norm that `like` has there."""
    return vectors * (like.norm(dim=-1, keepdim=True) / vectors.norm(dim=-1, keepdim=True).clamp_min(1e-12))
