"""Which features of a sparse autoencoder steering vectors are made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float

from interp.errors import DataError
from interp.steering._safetensors import opened
from interp.steering._vectors import SteeringVectors
from probes import decompose

DECODERS = ("W_dec", "w_dec", "decoder.weight")
"""Names of the decoder in SAELens' files, Gemma Scope's and plain PyTorch's; the last is [d_model, feature]."""

COLUMNS = ("vector", "layer", "rank", "feature", "coefficient", "cosine", "explained", "explained_random")


def read_decoder(path: Path) -> Float[torch.Tensor, "feature d_model"]:
    """The decoder of a sparse autoencoder in a safetensors file: a direction per feature.

    Raises DataError for another kind of file, and for one without a matrix of one of the names DECODERS.
    """
    with opened(path, "save the autoencoder as safetensors") as file:
        names = list(file.keys())
        found = next((name for name in DECODERS if name in names), None)
        decoder = None if found is None else file.get_tensor(found).float()
    if decoder is None or decoder.ndim != 2 or not bool(torch.isfinite(decoder).all()):
        raise DataError(
            f"{path} has no decoder: its tensors are {', '.join(sorted(names))}",
            allowed=f"a finite matrix called {', '.join(DECODERS)}",
        )
    return decoder.T if found == DECODERS[-1] else decoder


def features(
    vectors: Sequence[SteeringVectors],
    decoder: Float[torch.Tensor, "feature d_model"],
    layer: int,
    *,
    most: int = 10,
    seed: int = 0,
) -> pd.DataFrame:
    """The features that explain each vector of a layer best together: COLUMNS, a row per vector and feature.

    layer: the block whose output the autoencoder reads, as vectors count it. explained: share of the vector's squared
    norm that the features so far explain; explained_random: the same of random directions (median of 20).
    coefficient: of the unit decoder row, with all features in. See `probes.decompose`. Raises DataError for a vector of
    another width or without that layer, or of zeros there, and for `most` beyond what there is.
    """
    rows = []
    width = decoder.shape[1]
    if not 1 <= most <= min(decoder.shape):
        raise DataError(f"most {most} is not allowed", allowed=f"1 to {min(decoder.shape)}")
    for one in vectors:
        vector = one.plan(layer).steers[0].vector
        if vector.shape[0] != width:
            raise DataError(
                f"{one.name} has width {vector.shape[0]}, the autoencoder {width}",
                allowed="an autoencoder of the model that the vectors were fitted on",
            )
        if not bool(vector.any()):
            raise DataError(f"{one.name} is zero at layer {layer}", remedy="pass another --layer")
        found = decompose(vector.double().numpy(), decoder.numpy(), most, seed=seed)
        for rank, (row, *numbers) in enumerate(zip(*found, strict=True), start=1):
            rows.append((one.name, layer, rank, int(row), *map(float, numbers)))
    return pd.DataFrame(rows, columns=list(COLUMNS))
