"""Read the residual stream at one position of each text: whole, as moments, or onto disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, Unpack

import numpy as np
import torch
from jaxtyping import Float

from interp.model import HookedModel, LoadedModel, NamedHook, device_of, hooked, resid_post, resid_pre
from interp.model.read._batching import Batch, Tokens, batches, within_memory
from interp.model.read._memory import Budget, Passes
from interp.model.read._switches import switches_in
from interp.model.read._tokenizer import Ids
from interp.model.step import Forwards, Stop, lean, replaced

Residuals = Float[torch.Tensor, "layer text d_model"]
Position = int | Literal["mean"]
"""-1 is a text's last token, -2 the one before; 0 its first; `mean` is the mean over all its tokens."""

Hooks = Callable[[Batch], list[NamedHook]]
"""Hooks for a batch, such as `Plan.hooks`."""

EMBEDDING = -1
"""The layer number of the stream that enters block 0."""


@dataclass(frozen=True)
class Reading:
    """Which layers (-1: embedding output; l: after block l) and which position to read from a model.

    `layers` None means the embedding output and every block. `hooks` change the stream before it is read. Raises
    ValueError for an empty or repeated list of layers, a layer that the model doesn't have, and an unknown position.
    """

    model: HookedModel
    layers: Sequence[int] | None = None
    position: Position = -1
    hooks: Hooks | None = None
    names: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        n_layers = int(self.model.cfg.n_layers)
        names = tuple(range(EMBEDDING, n_layers)) if self.layers is None else tuple(self.layers)
        odd = [layer for layer in names if not EMBEDDING <= layer < n_layers]
        if odd or not names or len(set(names)) < len(names):
            raise ValueError(
                f"layers {list(names)} are not allowed; allowed: different layers from -1 to {n_layers - 1}"
            )
        if self.position != "mean" and not isinstance(self.position, int):
            raise ValueError(f"position {self.position!r} is unknown; allowed: a whole number, or 'mean'")
        object.__setattr__(self, "names", names)

    def stream(
        self,
        sequences: Sequence[Sequence[int]],
        progress: Callable[[float], None] | None = None,
        **passes: Unpack[Passes],
    ) -> Iterator[tuple[tuple[int, ...], Residuals]]:
        """Batch by batch: the numbers of the sequences, and their residuals (float32, on the model's device).

        A forward ends at the last layer asked for. Batches hold similar lengths, so sequences come in another order.
        """
        _refuse_short(sequences, self.position)
        budget, switches = Budget(self.model, **passes), switches_in(self.model)
        lengths = [len(sequence) for sequence in sequences]
        fronts = list(map(Tokens(self.model).front, sequences)) if self.hooks else None
        whole = batches(sequences, lengths, budget.rows, device_of(self.model), fronts, switches)
        for batch, residuals in within_memory(whole, partial(self._read, forwards=lean(self.model)), budget):
            yield batch.rows, residuals
            if progress:
                progress(len(batch.rows))

    def _read(self, batch: Batch, forwards: Forwards) -> Residuals:
        residuals: dict[int, torch.Tensor] = {}
        last = max(self.names)

        def reader(layer: int) -> Callable[..., None]:
            def hook(residual: torch.Tensor, hook: Any) -> None:
                residuals[layer] = _picked(residual, batch, self.position)
                if layer == last:
                    raise Stop

            return hook

        hooks = [
            (resid_pre(0) if layer == EMBEDDING else resid_post(layer), reader(layer)) for layer in sorted(self.names)
        ]
        first = self.hooks(batch) if self.hooks else []
        with torch.inference_mode(), replaced(forwards), suppress(Stop):
            self.model.run_with_hooks(batch.tokens, return_type=None, fwd_hooks=[*first, *hooks])
        home = device_of(self.model)
        return torch.stack([residuals[layer].to(home) for layer in self.names])


def read_residuals(
    model: HookedModel | LoadedModel,
    texts: Sequence[str | Ids],
    *,
    layers: Sequence[int] | None = None,
    position: Position = -1,
    hooks: Hooks | None = None,
    progress: Callable[[float], None] | None = None,
    **passes: Unpack[Passes],
) -> Residuals:
    """Read the residual stream at one position of each text: [layer, text, d_model], float32 on the CPU.

    texts: strings, or token ids if they are already encoded. Rows are the requested `layers`; by default the embedding
    output (row 0) and every block (row l + 1). position: -1 (the text's last token), another index from either end, or
    `mean` over the text's tokens. Padding is never read. hooks: for example those of a plan (`Plan.hooks`); the stream
    is read after they changed it. Hooks already on the model stay active. progress: called with the number of texts
    read, also in parts. passes: see `Passes`. Raises ValueError for a layer that the model doesn't have and for a
    position that a text doesn't have.
    """
    model = hooked(model)
    reading = Reading(model, layers, position, hooks)
    residuals = torch.empty(len(reading.names), len(texts), int(model.cfg.d_model))
    batches = reading.stream(prompt_ids(model, texts), progress, **passes)
    for rows, part in batches:
        residuals[:, torch.tensor(rows)] = part.cpu()
    return residuals


def prompt_ids(model: HookedModel, texts: Sequence[str | Ids]) -> list[Ids]:
    """Token ids of each text; ids are taken as they are. Raises ValueError for one text in place of several."""
    if isinstance(texts, str):
        raise ValueError(f"texts must be several, got the text {texts[:60]!r}; pass a list of it")
    tokens = Tokens(model)
    return [tokens.prompt(text) for text in texts]


def _picked(residual: torch.Tensor, batch: Batch, position: Position) -> torch.Tensor:
    lengths = batch.real.sum(dim=1)
    if position == "mean":
        real = batch.real[..., None].to(residual.device)
        return torch.where(real, residual.float(), 0.0).sum(dim=1) / lengths[:, None].to(residual.device)
    places = lengths + position if position < 0 else torch.full_like(lengths, position)
    return residual[torch.arange(len(lengths), device=residual.device), places.to(residual.device)].float()


def _refuse_short(sequences: Sequence[Sequence[int]], position: Position) -> None:
    needed = 1 if position == "mean" else -position if position < 0 else position + 1
    for number, sequence in enumerate(sequences):
        if len(sequence) < needed:
            raise ValueError(f"text {number} has {len(sequence)} tokens, so it has no position {position}")


@dataclass(frozen=True)
class Moments:
    """Number of texts, mean [layer, d_model] and unbiased covariance [layer, d_model, d_model], float64."""

    layers: tuple[int, ...]
    count: int
    mean: Float[np.ndarray, "layer d_model"]
    covariance: Float[np.ndarray, "layer d_model d_model"]


class MomentsFitter:
    """Mean and covariance of rows that come in parts (Welford's update, in blocks: Chan, Golub, LeVeque 1983)."""

    def __init__(self, layers: tuple[int, ...], d_model: int) -> None:
        self._layers = layers
        self._count = 0
        self._mean = np.zeros((len(layers), d_model))
        self._scatter = np.zeros((len(layers), d_model, d_model))

    def update(self, rows: Float[np.ndarray, "layer row d_model"]) -> MomentsFitter:
        """Take in more rows; returns itself."""
        part = np.asarray(rows, dtype=np.float64)
        new = part.shape[1]
        mean = part.mean(axis=1)
        off = part - mean[:, None]
        shift = mean - self._mean
        total = self._count + new
        self._scatter += np.matmul(off.transpose(0, 2, 1), off)
        self._scatter += np.einsum("li,lj->lij", shift, shift) * (self._count * new / total)
        self._mean += shift * (new / total)
        self._count = total
        return self

    def result(self) -> Moments:
        """The moments of all rows so far; raises ValueError for fewer than two."""
        if self._count < 2:
            raise ValueError(f"a covariance needs at least 2 texts, got {self._count}")
        return Moments(self._layers, self._count, self._mean.copy(), self._scatter / (self._count - 1))


def residual_moments(
    model: HookedModel | LoadedModel,
    texts: Sequence[str | Ids],
    *,
    layers: Sequence[int] | None = None,
    position: Position = -1,
    progress: Callable[[float], None] | None = None,
    **passes: Unpack[Passes],
) -> Moments:
    """Mean and covariance of the residual stream over texts, with memory that does not grow with their number.

    Arguments as in `read_residuals`. Raises ValueError for fewer than two texts.
    """
    model = hooked(model)
    reading = Reading(model, layers, position)
    fitter = MomentsFitter(reading.names, int(model.cfg.d_model))
    batches = reading.stream(prompt_ids(model, texts), progress, **passes)
    for _, part in batches:
        fitter.update(part.cpu().numpy())
    return fitter.result()
