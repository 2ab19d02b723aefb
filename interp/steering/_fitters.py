"""Fitters: from pairs of residuals to one vector per layer, all of them as long as the mean difference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Unpack

import numpy as np
import torch
from jaxtyping import Float
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from interp.model import HookedModel, LoadedModel, hooked
from interp.model.load import processing_of
from interp.model.read import Ids, Passes, Residuals, read_residuals
from interp.steering._vectors import PerLayer, SteeringVectors, difference, median_norms, rescaled
from probes import LinearProbe

Stack = Float[torch.Tensor, "layer pair d_model"]
Fitter = Callable[[Residuals, Residuals], PerLayer]


def mean(target: Residuals, source: Residuals) -> PerLayer:
    """Mean difference of the pairs."""
    return difference(target, source)


def pca(target: Residuals, source: Residuals) -> PerLayer:
    """First principal axis of the paired differences, taken about 0: centring would remove what the pairs share.

    As in Zou et al. (2310.01405), who flip pairs at random, which centres them.
    """
    return _directed(target, source, lambda a, b: np.linalg.svd(a - b, full_matrices=False)[2][0])


def lda(target: Residuals, source: Residuals) -> PerLayer:
    """Normal of Fisher's discriminant, the within-class covariance shrunk by the rule of Ledoit and Wolf."""

    def direction(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        return np.asarray(model.fit(np.concatenate([b, a]), np.repeat([0, 1], len(a))).coef_[0])

    return _directed(target, source, direction)


def probe(target: Residuals, source: Residuals) -> PerLayer:
    """Normal of a logistic probe that tells target from source (`probes.LinearProbe`), in the stream's own units."""
    both = torch.cat([source, target], dim=1)[1:].numpy()
    fitted = LinearProbe(n_jobs=1).fit(both, np.repeat([0, 1], source.shape[1]))
    normals = torch.from_numpy(np.asarray(fitted.coef_[:, 0] / fitted.scale_, dtype=np.float32))
    return _aligned(normals, difference(target, source))


FITTERS: dict[str, Fitter] = {f.__name__: f for f in (mean, pca, lda, probe)}
"""By name; target and source are parallel residuals whose row 0 is the embedding output, as `difference` takes them."""


def orthogonal(vectors: PerLayer, to: PerLayer) -> PerLayer:
    """`vectors` without their component along `to`, layer by layer; shorter by what was taken away."""
    unit = to / to.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    return vectors - (vectors * unit).sum(dim=-1, keepdim=True) * unit


Direction = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _directed(target: Residuals, source: Residuals, direction: Direction) -> PerLayer:
    means = difference(target, source)
    pairs = zip(target[1:].double().numpy(), source[1:].double().numpy(), strict=True)
    return _aligned(torch.from_numpy(np.stack([direction(a, b) for a, b in pairs])).float(), means)


def _aligned(directions: PerLayer, means: PerLayer) -> PerLayer:
    """Directions turned to the mean difference's side, and as long as it."""
    side = torch.where((directions * means).sum(dim=-1, keepdim=True) < 0, -1.0, 1.0)
    return rescaled(directions * side, means)


def fit_vectors(
    model: HookedModel | LoadedModel,
    target: Sequence[str | Ids],
    source: Sequence[str | Ids],
    *,
    fitter: str = "mean",
    name: str = "vectors",
    **passes: Unpack[Passes],
) -> SteeringVectors:
    """Fit steering vectors that point from the texts `source` to the parallel texts `target`, one per layer.

    Residuals are read at the last token of each text. The result records how it was made. fitter: a name in FITTERS.
    passes: as in `score`. Raises ValueError if the two lists differ in length.
    """
    if fitter not in FITTERS:
        raise ValueError(f"fitter {fitter!r} is unknown; allowed: {', '.join(FITTERS)}")
    if len(target) != len(source):
        raise ValueError(f"target and source must be parallel, got {len(target)} and {len(source)} texts")
    read = partial(read_residuals, model, **passes)
    ends, starts = read(target), read(source)
    told: dict[str, str | int | float] = {"fitter": fitter, "n": len(target), "position": "last prompt token"}
    if isinstance(model, LoadedModel):
        told |= {"model": model.name, "fingerprint": model.fingerprint}
    told["processing"] = processing_of(hooked(model))
    return SteeringVectors(name, FITTERS[fitter](ends, starts), told, median_norms(starts))
