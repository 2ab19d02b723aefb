"""Option log-likelihoods of a trained model with parts of its shift from a base undone after one block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Unpack

import numpy as np
import torch
from jaxtyping import Bool, Float

from interp.data import Prompt
from interp.model import HookedModel, device_of, resid_post
from interp.model.load import processing_of
from interp.model.read import Batch, Budget, Passes, Tokens, switches_in, within_memory
from interp.model.step import lean, replaced
from interp.steering.engine._engine import ENGINES, Engine, usable_replay
from interp.steering.engine._forest import plant
from interp.steering.engine._layout import Layout, Stem, tokenise
from interp.steering.engine._replay import Replay
from interp.steering.engine._schedule import in_passes
from interp.steering.engine._scores import Scores
from interp.steering.engine._scoring import Progress, Rows
from interp.steering.engine._walk import Answers, Ends, Stream, Walk, chunks


@dataclass(frozen=True, eq=False)
class Patch:
    """Undoes the shift (trained minus base, on the same tokens) after block `layer` at every position.

    basis: orthonormal rows; only the part of the shift in their span is undone, or with `outside` only the rest.
    Without a basis the whole shift is undone, so the stream is the base's. Raises ValueError for rows that are not
    orthonormal, and for `outside` without a basis.
    """

    layer: int
    basis: Float[torch.Tensor, "k d_model"] | None = field(default=None, repr=False)
    outside: bool = False

    def __post_init__(self) -> None:
        if self.basis is None:
            if self.outside:
                raise ValueError("a patch outside a span needs the basis of the span")
            return
        if self.basis.ndim != 2:
            raise ValueError(f"a basis has the shape [k, d_model], got {tuple(self.basis.shape)}")
        products = self.basis.double() @ self.basis.double().T
        apart = (products - torch.eye(len(products), device=products.device)).abs()
        if apart.numel() and not float(apart.max()) <= 1e-4:
            raise ValueError(f"the rows of a basis must be orthonormal; these deviate by {float(apart.max()):.2g}")

    def undone(
        self, trained: Float[torch.Tensor, "*rows d_model"], base: Float[torch.Tensor, "*rows d_model"]
    ) -> Float[torch.Tensor, "*rows d_model"]:
        """The trained model's stream without (that part of) the shift, in the stream's own dtype and place."""
        base = base.to(trained.device)
        if self.basis is None:
            return base.to(trained.dtype)
        basis = self.basis.to(trained.device, torch.float32)
        within = (trained.float() - base.float()) @ basis.T @ basis
        return (base.float() + within if self.outside else trained.float() - within).to(trained.dtype)

    def hook(
        self, base: Float[torch.Tensor, "batch pos d_model"], real: Bool[torch.Tensor, "batch pos"]
    ) -> Callable[..., torch.Tensor]:
        """A forward hook for the stream after the block, given the base's: real tokens are patched."""

        def hook(residual: torch.Tensor, hook: Any) -> torch.Tensor:
            return torch.where(real[..., None].to(residual.device), self.undone(residual, base), residual)

        return hook


def check_patch(model: HookedModel, patch: Patch) -> None:
    """Raise ValueError for a layer or a width that the model doesn't have."""
    if not 0 <= patch.layer < model.cfg.n_layers:
        raise ValueError(f"layer {patch.layer} is out of range; allowed: 0 to {model.cfg.n_layers - 1}")
    if patch.basis is not None and patch.basis.shape[1] != model.cfg.d_model:
        raise ValueError(f"the basis has width {patch.basis.shape[1]}; the model's is {model.cfg.d_model}")


def check_comparable(base: HookedModel, trained: HookedModel) -> None:
    """Raise ValueError unless the models' streams are interchangeable: same blocks, width and vocabulary.

    Models whose weights were processed (folded or centred) differently are refused too.
    """
    for what, field_ in (("blocks", "n_layers"), ("residual width", "d_model")):
        sizes = [int(getattr(model.cfg, field_)) for model in (base, trained)]
        if sizes[0] != sizes[1]:
            raise ValueError(f"the models differ in {what}: the base has {sizes[0]}, the trained one {sizes[1]}")
    if base.tokenizer.get_vocab() != trained.tokenizer.get_vocab():
        raise ValueError("the models differ in vocabulary: their tokenizers do not share every token and its id")
    kinds = [processing_of(model) for model in (base, trained)]
    if kinds[0] != kinds[1]:
        raise ValueError(f"the models differ in processing: the base has {kinds[0]!r}, the trained one {kinds[1]!r}")


Placed = tuple[int, Patch | None]
"""A patch with its place in the caller's list."""


def score_patched(
    base: HookedModel,
    trained: HookedModel,
    prompts: Sequence[Prompt],
    patches: Sequence[Patch | None] = (None,),
    *,
    engine: Engine = "replay",
    tokens: Tokens | None = None,
    progress: Progress | None = None,
    **passes: Unpack[Passes],
) -> Scores:
    """Log-likelihood (float32) of every continuation of every prompt by `trained` under every patch.

    In the scores, patches take the place of plans; None means the unpatched trained model. `Patch(l)` gives the model
    with the base's blocks 0 to l and the trained model's later blocks and unembedding. Texts are encoded by the base's
    tokenizer (tokens: reuses encoded texts). engine, progress, passes: as in `engine.score`.
    Raises ValueError for models that differ in blocks, width, vocabulary or processing, a patch that doesn't fit, a
    continuation that adds no token, or an unknown engine.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine {engine!r} is unknown; allowed: {', '.join(ENGINES)}")
    check_comparable(base, trained)
    for patch in patches:
        if patch is not None:
            check_patch(trained, patch)
    layout = tokenise(prompts, tokens or Tokens(base))
    fast = _replayed(base, trained) if engine == "replay" else None
    logp = fast or _Reference(base, trained)
    found = logp(layout, patches, progress, Budget(trained, **passes))
    return Scores(found, layout.tokens, layout.bytes, layout.starts)


class _Reference:
    """Plain forwards: one of the base per batch, one of the trained model per batch and patch."""

    def __init__(self, base: HookedModel, trained: HookedModel) -> None:
        self.base, self.trained = base, trained

    @torch.inference_mode()
    def __call__(
        self,
        layout: Layout,
        patches: Sequence[Patch | None],
        progress: Progress | None,
        budget: Budget,
    ) -> Float[np.ndarray, "patch option"]:
        rows = Rows.of(layout)
        layers = sorted({patch.layer for patch in patches if patch is not None})

        def run(batch: Batch) -> list[dict[int, float]]:
            streams = self._streams(batch, layers)
            hooks = [
                [] if patch is None else [(resid_post(patch.layer), patch.hook(streams[patch.layer], batch.real))]
                for patch in patches
            ]
            return [rows.logp(self.trained, batch, some) for some in hooks]

        found = np.zeros((len(patches), len(layout.tokens)), dtype=np.float32)
        whole = rows.batches(budget, self.trained)
        for batch, parts in within_memory(whole, run, budget):
            for p, logp in enumerate(parts):
                found[p, list(logp)] = list(logp.values())
            if progress:
                progress(len(patches) * len(batch.rows) / len(rows.sequences))
        return found

    def _streams(self, batch: Batch, layers: Sequence[int]) -> dict[int, torch.Tensor]:
        """The base's stream after the blocks named."""
        streams: dict[int, torch.Tensor] = {}

        def keep(layer: int) -> Callable[..., None]:
            def hook(residual: torch.Tensor, hook: Any) -> None:
                streams[layer] = residual.clone()

            return hook

        if layers:
            hooks = [(resid_post(layer), keep(layer)) for layer in layers]
            self.base.run_with_hooks(batch.tokens.to(device_of(self.base)), return_type=None, fwd_hooks=hooks)
        return streams


def _replayed(base: HookedModel, trained: HookedModel) -> _Replayed | None:
    """The fast path; None, with a notice, where one of the models can't be replayed."""
    replays = usable_replay(base), usable_replay(trained)
    return None if replays[0] is None or replays[1] is None else _Replayed(replays[0], replays[1])


class _Replayed:
    """Both models' blocks, stepped side by side."""

    def __init__(self, base: Replay, trained: Replay) -> None:
        self.base, self.trained = base, trained

    @torch.inference_mode()
    def __call__(
        self,
        layout: Layout,
        patches: Sequence[Patch | None],
        progress: Progress | None,
        budget: Budget,
    ) -> Float[np.ndarray, "patch option"]:
        base, trained = self.base, self.trained
        answers = Answers(trained.unembedding, len(patches), len(layout.tokens))
        switches = switches_in(trained.model)
        placed = sorted(enumerate(patches), key=lambda each: -1 if each[1] is None else each[1].layer)

        def run(stems: Sequence[Stem], prefix: int, group: Sequence[Placed]) -> Ends:
            walks = [Walk(blocks, plant(stems, prefix, blocks.device)) for blocks in (base.blocks, trained.blocks)]
            return _walked(walks[0], walks[1], group, budget)

        with replaced(lean(base.model) | lean(trained.model)):
            for ends, done in in_passes(layout.stems, placed, budget, run, switches):
                answers.take(ends)
                if progress:
                    progress(done)
        answers.flush()
        return answers.logp.astype(np.float32)


def _walked(base: Walk, trained: Walk, patches: Sequence[Placed], budget: Budget) -> Ends:
    """Some patches on some prompts, once through the layers of both models."""
    there, trunk = base.entering(), trained.entering()
    plain = [place for place, patch in patches if patch is None]
    last = max((patch.layer for _, patch in patches if patch is not None), default=-1)
    at_once = max(1, budget.tokens(trained.nodes + trained.prefix) // (trained.rows * trained.nodes + trained.prefix))
    moved: dict[int, Stream] = {}
    for layer in range(len(trained.blocks)):
        final = layer == len(trained.blocks) - 1
        for some in chunks(list(moved), at_once):
            after, _ = trained.through(layer, [moved[place] for place in some], final, True)
            moved.update(zip(some, after, strict=True))
        if layer <= last:
            [there], _ = base.through(layer, [there], final, True)
        if layer <= last or plain:
            [trunk], _ = trained.through(layer, [trunk], final, True)
        moved |= {
            place: _undone(patch, trunk, there)
            for place, patch in patches
            if patch is not None and patch.layer == layer
        }
    streams = [([place], stream.nodes) for place, stream in moved.items()]
    return trained.forest, [*streams, *([(plain, trunk.nodes)] if plain else [])]


def _undone(patch: Patch, trained: Stream, base: Stream) -> Stream:
    nodes = patch.undone(trained.nodes, base.nodes)
    return replace(trained, nodes=nodes, prefix=patch.undone(trained.prefix, base.prefix))
