"""Steering vectors, one per layer, with the story of how they were made; fitters from residuals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from interp.errors import DataError, reason_of
from interp.model.read import Residuals
from interp.steering._plans import Plan, Steer
from interp.steering._positions import TEXT, Positions
from interp.steering._strengths import Strength, check_scaling, is_share, read_strength, size

STORY = "translocal"
"""The entry of a file's metadata that has its vectors' name and provenance."""

Provenance = Mapping[str, str | int | float]
PerLayer = Float[torch.Tensor, "layer d_model"]


@dataclass(frozen=True, eq=False)
class SteeringVectors:
    """One steering vector per layer: `vectors[l]` is added to the residual stream after block l.

    `provenance` records how the vectors were fitted. Its entry `processing` (see `processing_of`) binds them to models
    processed in the same way; its entry `layers` (such as `1,2,5`) lists the layers that have a vector, if not all do.
    residual_norms: median norm of the stream after every block, at the last token of the prompts that the vectors were
    fitted on. Strengths such as `0.1r` are shares of it.
    """

    name: str
    vectors: PerLayer
    provenance: Provenance = field(default_factory=dict)
    residual_norms: Float[torch.Tensor, "layer"] | None = None

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that have a vector."""
        named = str(self.provenance.get("layers", ""))
        return tuple(int(layer) for layer in named.split(",")) if named else tuple(range(len(self.vectors)))

    def plan(self, layer: int, strength: Strength = 1.0, *, operator: str = "add", positions: Positions = TEXT) -> Plan:
        """A plan with one steer: `strength` times the vector of `layer`; for a share such as `0.1r` see `multiple`.

        Raises DataError for a layer without a vector, ConfigError for a share with an operator whose strength does not
        multiply the vector, and the errors of `multiple`.
        """
        self._check_layer(layer)
        check_scaling(operator, [read_strength(strength)])
        processing = str(self.provenance.get("processing", ""))
        alpha = self.multiple(layer, strength)
        return Plan((Steer(layer, self.vectors[layer], alpha, operator, positions, processing),))

    def multiple(self, layer: int, strength: Strength) -> float:
        """The factor for the vector of `layer`: `0.1r` gives the vector 0.1 times the layer's median residual norm.

        Raises ConfigError for a text of another form, and DataError for a share if the norms are not known or the
        vector is zero.
        """
        strength = read_strength(strength)
        if not is_share(strength):
            return size(strength)
        self._check_layer(layer)
        norms, norm = self.residual_norms, float(self.vectors[layer].double().norm())
        if norms is None or layer >= len(norms):
            raise DataError(
                f"strength {strength!r} needs residual norms, which are not known for {self.name}",
                allowed="shares, with vectors that translocal fitted and saved; numbers, with any vectors",
                remedy="pass a number, or set residual_norms (interp.steering.median_norms)",
            )
        if norm == 0:
            raise DataError(
                f"strength {strength!r} can't be reached: the vector of {self.name} at layer {layer} is zero",
                remedy="choose another layer",
            )
        return size(strength) * float(norms[layer]) / norm

    def _check_layer(self, layer: int) -> None:
        if layer not in self.layers:
            raise DataError(
                f"{self.name} has no vector for layer {layer}",
                allowed=f"layers {', '.join(map(str, self.layers))}",
                remedy="pass one of these",
            )

    def save(self, path: Path) -> None:
        """Write a safetensors file, with name and provenance in its metadata. Equal vectors give equal bytes.

        The metadata are a single entry, because safetensors writes several in no fixed order.
        """
        told = {"name": self.name, "provenance": dict(self.provenance)}
        metadata = {STORY: json.dumps(told, sort_keys=True)}
        tensors = {"vectors": self.vectors.contiguous()}
        if self.residual_norms is not None:
            tensors["residual_norms"] = self.residual_norms.contiguous()
        save_file(tensors, path, metadata=metadata)

    @classmethod
    def load(cls, path: Path) -> SteeringVectors:
        """Read a file from `save`. Raises DataError for another kind of file."""
        try:
            with safe_open(path, "pt") as file:
                told = json.loads((file.metadata() or {})[STORY])
                norms = file.get_tensor("residual_norms") if "residual_norms" in file.keys() else None  # noqa: SIM118
                return cls(told["name"], file.get_tensor("vectors"), told["provenance"], norms)
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path} does not hold steering vectors: {reason_of(error)}",
                allowed="files written by SteeringVectors.save",
                remedy="fit the vectors again",
            ) from error


def median_norms(*residuals: Residuals) -> Float[torch.Tensor, "layer"]:
    """Median norm over all texts of the residual stream after every block. Row 0 (the embedding) is left out."""
    norms = torch.cat([part[1:].double().norm(dim=-1) for part in residuals], dim=1)
    return norms.quantile(0.5, dim=1).float()


def difference(target: Residuals, source: Residuals) -> PerLayer:
    """Mean over parallel texts of target minus source, after every block: [layer, d_model].

    Raises ValueError if the two are not parallel.
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
    """How a language differs on cultural items beyond its difference on universal ones: [layer, d_model].

    [mean of the language - mean of the dataset's other languages] on cultural items minus the same on universal ones.
    """

    def contrast(own: Residuals, others: Sequence[Residuals]) -> PerLayer:
        means = torch.stack([other.double().mean(dim=1) for other in others])
        return (own.double().mean(dim=1) - means.mean(dim=0)).float()[1:]

    return contrast(cultural, cultural_others) - contrast(universal, universal_others)


def sign_shuffled(target: Residuals, source: Residuals, generator: torch.Generator) -> PerLayer:
    """A refit with shuffled labels: the two sides of each pair are swapped at random."""
    signs = torch.randint(0, 2, (target.shape[1],), generator=generator) * 2 - 1
    return ((target - source) * signs[None, :, None]).double().mean(dim=1).float()[1:]


def rescaled(vectors: PerLayer, like: PerLayer) -> PerLayer:
    """`vectors` scaled to the norm of `like` in every layer."""
    return vectors * (like.norm(dim=-1, keepdim=True) / vectors.norm(dim=-1, keepdim=True).clamp_min(1e-12))
