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

from interp.errors import DataError
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
    """`vectors[l]` is added to the residual stream after block l; `provenance` says what it was fitted on.

    Its entry `processing` (as `processing_of` gives it) binds the vectors to models processed in the same way; its
    entry `layers` (such as `1,2,5`) names the layers that there are vectors for, where that is not every one.
    residual_norms: the median norm of the stream after every block, at the last token of the prompts that the vectors
    were fitted on; strengths such as `0.1r` are shares of it.
    """

    name: str
    vectors: PerLayer
    provenance: Provenance = field(default_factory=dict)
    residual_norms: Float[torch.Tensor, "layer"] | None = None

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that there are vectors for."""
        named = str(self.provenance.get("layers", ""))
        return tuple(int(layer) for layer in named.split(",")) if named else tuple(range(len(self.vectors)))

    def plan(self, layer: int, strength: Strength = 1.0, *, operator: str = "add", positions: Positions = TEXT) -> Plan:
        """A plan of one steer: `strength` times the vector of `layer`, or as `multiple` says for one such as `0.1r`.

        Raises DataError for a layer that there is no vector for, and what `multiple` raises; ConfigError for a share
        with an operator whose strength does not multiply the vector.
        """
        self._check_layer(layer)
        check_scaling(operator, [read_strength(strength)])
        processing = str(self.provenance.get("processing", ""))
        alpha = self.multiple(layer, strength)
        return Plan((Steer(layer, self.vectors[layer], alpha, operator, positions, processing),))

    def multiple(self, layer: int, strength: Strength) -> float:
        """What the vector of `layer` is multiplied by: `0.1r` gives it 0.1 times the layer's median residual norm.

        Raises ConfigError for a text of another form, DataError for a share where no norms are known or the vector is
        zero.
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
        """Write a safetensors file, the same bytes for the same vectors; name and provenance go into its metadata.

        They are one entry: safetensors writes several in no fixed order.
        """
        told = {"name": self.name, "provenance": dict(self.provenance)}
        metadata = {STORY: json.dumps(told, sort_keys=True)}
        tensors = {"vectors": self.vectors.contiguous()}
        if self.residual_norms is not None:
            tensors["residual_norms"] = self.residual_norms.contiguous()
        save_file(tensors, path, metadata=metadata)

    @classmethod
    def load(cls, path: Path) -> SteeringVectors:
        """Read what `save` wrote; raises DataError for another kind of file."""
        try:
            with safe_open(path, "pt") as file:
                told = json.loads((file.metadata() or {})[STORY])
                norms = file.get_tensor("residual_norms") if "residual_norms" in file.keys() else None  # noqa: SIM118
                return cls(told["name"], file.get_tensor("vectors"), told["provenance"], norms)
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path} does not hold steering vectors: {error}",
                allowed="files written by SteeringVectors.save",
                remedy="fit the vectors again",
            ) from error


def median_norms(*residuals: Residuals) -> Float[torch.Tensor, "layer"]:
    """Median norm of the residual stream after every block over all texts, their row 0 (the embedding) left out."""
    norms = torch.cat([part[1:].double().norm(dim=-1) for part in residuals], dim=1)
    return norms.quantile(0.5, dim=1).float()


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
