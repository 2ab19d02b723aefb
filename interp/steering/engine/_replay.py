"""Option log-likelihoods under many plans, the fast path: all plans go through the blocks together.

One pass walks the layers once. The unsteered stream is the trunk; after each block, plans that steer there branch off
it (or off the branch of a plan whose steers so far are the same). So a plan costs nothing before its first steer.
Where only the last token and what follows is steered, only that is computed, against the trunk's keys and values.
Of the last block only the tokens that are read are computed, and only they are unembedded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Unpack

import numpy as np
import torch
from jaxtyping import Bool, Float

from interp.model import HookedModel, device_of, dtype_of, hooks_on
from interp.model.read import Budget, Passes, switches_in
from interp.model.step import KeysValues, Stepper, Unembedding, blocks_of, lean, replaced
from interp.steering import Plan, Steer
from interp.steering.engine._bound import Bound
from interp.steering.engine._forest import Forest, plant
from interp.steering.engine._layout import Layout, Stem
from interp.steering.engine._schedule import Key, Numbered, in_passes, numbered
from interp.steering.engine._scoring import Progress
from interp.steering.engine._walk import Answers, Ends, Stream, Walk, chunks, joined


class Replay:
    """A model's blocks and unembedding, ready to score plans. Raises Unsteppable for a model that can't be stepped.

    hooks: how many hooks the model had then (some architectures bring their own). compiled: norms and MLPs go through
    `torch.compile`.
    """

    def __init__(self, model: HookedModel) -> None:
        self.model = model
        self.hooks = hooks_on(model)
        self.compiled = False
        self.switches = switches_in(model)
        self._place = _place(model)
        self.blocks = blocks_of(model)
        self.unembedding = Unembedding(model)

    @property
    def fits(self) -> bool:
        """Whether the model still has the device and the dtype that it had."""
        return _place(self.model) == self._place

    @torch.inference_mode()
    def walk(self, layout: Layout, plans: Sequence[Plan], take: Callable[[Ends, float], None], budget: Budget) -> None:
        """Give `take` the streams that are read, pass by pass, with the plans done (in parts)."""

        def run(stems: Sequence[Stem], prefix: int, group: Sequence[Numbered]) -> Ends:
            return _Pass(self.blocks, plant(stems, prefix, self.blocks.device), group, budget).run()

        every = numbered(plans)
        steered = [plan.only_last for plan in every if plan.steers]
        only_tips = bool(steered) and all(steered)
        with replaced(lean(self.model, self.compiled)):
            for ends, done in in_passes(layout.stems, every, budget, run, self.switches, only_tips):
                take(ends, done)

    @torch.inference_mode()
    def logp(
        self,
        layout: Layout,
        plans: Sequence[Plan],
        *,
        progress: Progress | None = None,
        bound: Bound | None = None,
        **passes: Unpack[Passes],
    ) -> Float[np.ndarray, "plan option"]:
        """Summed log-likelihood of every option under every plan. bound: log Z is estimated by it."""
        answers = Answers(self.unembedding, len(plans), len(layout.tokens), bound)

        def take(ends: Ends, done: float) -> None:
            answers.take(ends)
            if progress:
                progress(done)

        self.walk(layout, plans, take, Budget(self.model, **passes))
        answers.flush()
        return answers.logp.astype(np.float32)


def _place(model: HookedModel) -> tuple[torch.device, torch.dtype]:
    return device_of(model), dtype_of(model)


class _Pass(Walk):
    """Some plans on some prompts, once through the layers."""

    def __init__(self, blocks: Stepper, forest: Forest, plans: Sequence[Numbered], budget: Budget) -> None:
        super().__init__(blocks, forest)
        self.plans = plans
        self.tokens = budget.tokens(self.nodes + self.prefix)

    def run(self) -> Ends:
        """The streams of the tips after the last block, with the plans that they belong to."""
        forest, blocks = self.forest, self.blocks
        trunk = self.entering()
        full: dict[Key, Stream] = {}
        tips: dict[Key, Stream] = {}
        for layer in range(len(blocks)):
            final = layer == len(blocks) - 1
            riders = [plan for plan in self.plans if not plan.key(layer - 1)]
            read: KeysValues | None = None
            if riders or tips:
                keep = bool(riders) if final else True
                [trunk], read = self.through(layer, [trunk], final, keep)
            for some in chunks(list(full), max(1, self.tokens // (self.rows * self.nodes + self.prefix))):
                after, _ = self.through(layer, [full[key] for key in some], final, True)
                full.update(zip(some, after, strict=True))
            width = self.rows * forest.tips.shape[1]
            for some in chunks(list(tips), max(1, self.tokens // width)):
                tips.update(zip(some, self._beside(layer, [tips[key] for key in some], read), strict=True))
            full = self._branch(layer, full, trunk, [plan for plan in self.plans if not plan.only_last])
            tips = self._branch(layer, tips, trunk, [plan for plan in self.plans if plan.only_last], at_tips=not final)
        ends: dict[Key, list[int]] = {}
        for plan in self.plans:
            ends.setdefault(plan.key(len(blocks)), []).append(plan.place)
        streams = {(): trunk, **full, **tips}
        return forest, [(places, streams[key].nodes) for key, places in ends.items()]

    def _beside(self, layer: int, streams: Sequence[Stream], read: KeysValues | None) -> list[Stream]:
        """Several versions of the tips through a block, side by side against the trunk's keys and values."""
        nodes = joined([stream.nodes for stream in streams], dim=1)
        nodes, _ = self.blocks.step(layer, nodes, self.forest.side_by_side(len(streams)), read)
        return [replace(streams[0], nodes=part) for part in nodes.chunk(len(streams), dim=1)]

    def _branch(
        self, layer: int, streams: dict[Key, Stream], trunk: Stream, plans: Sequence[Numbered], at_tips: bool = False
    ) -> dict[Key, Stream]:
        """The streams after the steers of a layer: those still needed, and the new ones."""
        found: dict[Key, Stream] = {}
        for plan in plans:
            key, before = plan.key(layer), plan.key(layer - 1)
            if not key or key in found:
                continue
            if before:
                found[key] = streams[before]
            else:
                found[key] = trunk.at(self.forest.tips) if at_tips else trunk
            for _, steer in plan.steers:
                if steer.layer == layer:
                    found[key] = self._steered(steer, found[key])
        return found

    def _steered(self, steer: Steer, stream: Stream) -> Stream:
        moved = steer(stream.nodes)
        prefix = stream.prefix if steer.positions == "last" else steer(stream.prefix)
        if steer.positions == "text":
            moved = chosen(self._at(self.forest.text, stream), moved, stream.nodes)
            prefix = chosen(self.forest.prefix_text[None], prefix, stream.prefix)
        elif steer.positions == "last" and not stream.only_tips:
            moved = chosen(self.forest.later, moved, stream.nodes)
        return replace(stream, nodes=moved, prefix=prefix)

    def _at(self, nodes: Bool[torch.Tensor, "row node"], stream: Stream) -> Bool[torch.Tensor, "row node"]:
        """The same of the tips, where a stream has only these."""
        return nodes.gather(1, self.forest.tips) if stream.only_tips else nodes


def chosen(
    mask: Bool[torch.Tensor, "row node"],
    moved: Float[torch.Tensor, "row node d_model"],
    kept: Float[torch.Tensor, "row node d_model"],
) -> Float[torch.Tensor, "row node d_model"]:
    """The moved stream where the mask is true."""
    return torch.where(mask[..., None].to(moved.device), moved, kept)
