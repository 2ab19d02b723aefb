"""Vectors whose projections a layer-targeted variant keeps: LOC at deep layers, while alignment goes on elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from interp.errors import ConfigError, DataError
from interp.model.load import RAW
from interp.steering import SteeringVectors


@dataclass(frozen=True, eq=False)
class KeptVectors:
    """Steering vectors of one model, all of which are kept."""

    vectors: tuple[SteeringVectors, ...]

    @classmethod
    def of(cls, given: Sequence[SteeringVectors | Path | str]) -> KeptVectors:
        """Vectors or their files; raises DataError for another kind of file and for vectors of processed weights."""
        vectors = tuple(v if isinstance(v, SteeringVectors) else SteeringVectors.load(Path(v)) for v in given)
        for fitted in vectors:
            processing = str(fitted.provenance.get("processing", RAW))
            if processing != RAW:
                raise DataError(
                    f"vectors {fitted.name!r} were fitted on processed weights ({processing})",
                    allowed="vectors fitted on the weights as Transformers loads them",
                    remedy="fit them on a model from load_model",
                )
        return cls(vectors)

    def described(self) -> list[dict[str, str]]:
        """Name and SHA-256 (16 hex digits) of each."""
        return [
            {"name": fitted.name, "sha256": hashlib.sha256(fitted.vectors.float().numpy().tobytes()).hexdigest()[:16]}
            for fitted in self.vectors
        ]

    def at(self, layers: Sequence[int], n_layers: int, d_model: int) -> Mapping[int, Float[Tensor, "vector d_model"]]:
        """By layer, one row per set of vectors; without `layers`, those of the last third but the last block.

        Raises DataError for vectors of another size, and for one that is zero; ConfigError for a layer out of range.
        """
        for fitted in self.vectors:
            if fitted.vectors.shape != (n_layers, d_model):
                raise DataError(
                    f"vectors {fitted.name!r} are {list(fitted.vectors.shape)}",
                    allowed=f"[{n_layers}, {d_model}], one vector per layer of the model",
                    remedy="fit them on this model",
                )
        chosen = tuple(layers) or tuple(range(2 * n_layers // 3, n_layers - 1)) or (n_layers - 1,)
        for layer in chosen:
            check_layer("keep_layers", layer, n_layers)
        kept = {layer: torch.stack([fitted.vectors[layer].float() for fitted in self.vectors]) for layer in chosen}
        if not all(bool(rows.norm(dim=-1).all()) for rows in kept.values()):
            raise DataError("a vector is zero at one of the layers to keep", remedy="choose other layers or vectors")
        return kept


def check_layer(name: str, layer: int, n_layers: int) -> None:
    """Raise ConfigError for a layer that the model doesn't have."""
    if not 0 <= layer < n_layers:
        raise ConfigError(
            f"{name} {layer} is out of range", allowed=f"0 to {n_layers - 1}", remedy="pass a block of the model"
        )
