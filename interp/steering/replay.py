"""Option log-likelihoods under many plans, the fast path: all plans go through the blocks together.

One pass walks the layers once. The unsteered stream is the trunk; after each block, plans that steer there branch off
it (or off the branch of a plan whose steers so far are the same). So a plan costs nothing before its first steer.
Where only the last token and what follows is steered, only that is computed, against the trunk's keys and values.
Of the last block only the tokens that are read are computed, and only they are unembedded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float

from interp.model.blocks import Blocks, KeysValues, lean, replaced
from interp.model.memory import Budget, out_of_memory
from interp.model.protocol import HookedModel, device_of, dtype_of, hooks_on
from interp.model.unembedding import Unembedding
from interp.steering.forest import Forest, plant
from interp.steering.layout import Layout
from interp.steering.plans import Plan, Steer
from interp.steering.schedule import Key, Numbered, groups, numbered, sizes
from interp.steering.scoring import Progress

ANSWER_ROWS = 1024
"""Streams gathered before they are unembedded."""


class Replay:
    """A model's blocks and unembedding, ready to score plans. Raises Unsteppable for a model that can't be stepped.

    hooks: how many hooks the model had then (some architectures bring their own). compiled: norms and MLPs go through
    `torch.compile`.
    """

    def __init__(self, model: HookedModel) -> None:
        self.model = model
        self.hooks = hooks_on(model)
        self.compiled = False
        self._place = _place(model)
        self.blocks = Blocks(model)
        self.unembedding = Unembedding(model)

    @property
    def fits(self) -> bool:
        """Whether the model still has the device and the dtype that it had."""
        return _place(self.model) == self._place

    @torch.inference_mode()
    def logp(
        self,
        layout: Layout,
        plans: Sequence[Plan],
        *,
        memory: int | str | None = None,
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> Float[np.ndarray, "plan option"]:
        """Summed log-likelihood of every option under every plan.

        batch_size: prompts per pass; by default as many as `memory` (bytes, or a size such as `8GiB`) allows.
        """
        answers = _Answers(self.unembedding, len(plans), len(layout.tokens))
        budget = Budget(self.model, memory)
        every = numbered(plans)
        work = deque((stems, prefix, every) for stems, prefix in groups(layout.stems))
        with replaced(lean(self.model, self.compiled)):
            while work:
                stems, prefix, group = work.popleft()
                rows, versions = sizes(budget, stems, prefix, len(group), batch_size)
                if len(stems) > rows:
                    work.extendleft((stems[i : i + rows], prefix, group) for i in reversed(range(0, len(stems), rows)))
                    continue
                if len(group) > versions:
                    parts = [group[i : i + versions] for i in range(0, len(group), versions)]
                    work.extendleft((stems, prefix, part) for part in reversed(parts))
                    continue
                try:
                    ends = _Pass(self.blocks, plant(stems, prefix, self.blocks.device), group, budget).run()
                except Exception as error:
                    if not out_of_memory(error):
                        raise
                    budget.halve(error)
                    work.appendleft((stems, prefix, group))
                    continue
                answers.take(*ends)
                if progress:
                    progress(len(group) * len(stems) / len(layout.stems))
        answers.flush()
        return answers.logp.astype(np.float32)


def _place(model: HookedModel) -> tuple[torch.device, torch.dtype]:
    return device_of(model), dtype_of(model)


class _Pass:
    """Some plans on some prompts, once through the layers."""

    def __init__(self, blocks: Blocks, forest: Forest, plans: Sequence[Numbered], budget: Budget) -> None:
        self.blocks, self.forest, self.plans = blocks, forest, plans
        self.rows, self.nodes = forest.tokens.shape
        self.prefix = len(forest.prefix)
        self.tokens = budget.tokens(self.nodes + self.prefix)

    def run(self) -> tuple[Forest, list[tuple[list[int], torch.Tensor]]]:
        """The streams of the tips behind the last block, with the plans that they belong to."""
        forest, blocks = self.forest, self.blocks
        everything = torch.cat([forest.prefix, forest.tokens.flatten()])
        places = torch.cat([forest.at_prefix.queries[0], forest.positions.flatten()])
        entering = blocks.embed(everything, places)
        trunk = _Stream(entering[self.prefix :].view(self.rows, self.nodes, -1), entering[None, : self.prefix])
        full: dict[Key, _Stream] = {}
        tips: dict[Key, _Stream] = {}
        for layer in range(len(blocks)):
            final = layer == len(blocks) - 1
            riders = [plan for plan in self.plans if not plan.key(layer - 1)]
            read: KeysValues | None = None
            if riders or tips:
                keep = bool(riders) if final else True
                [trunk], read = self._through(layer, [trunk], final, keep)
            for some in _chunks(list(full), max(1, self.tokens // (self.rows * self.nodes + self.prefix))):
                after, _ = self._through(layer, [full[key] for key in some], final, True)
                full.update(zip(some, after, strict=True))
            width = self.rows * forest.tips.shape[1]
            for some in _chunks(list(tips), max(1, self.tokens // width)):
                tips.update(zip(some, self._beside(layer, [tips[key] for key in some], read), strict=True))
            full = self._branch(layer, full, trunk, [plan for plan in self.plans if not plan.only_last])
            tips = self._branch(layer, tips, trunk, [plan for plan in self.plans if plan.only_last], at_tips=not final)
        ends: dict[Key, list[int]] = {}
        for plan in self.plans:
            ends.setdefault(plan.key(len(blocks)), []).append(plan.place)
        streams = {(): trunk, **full, **tips}
        return forest, [(places, streams[key].nodes) for key, places in ends.items()]

    def _through(
        self, layer: int, streams: Sequence[_Stream], final: bool, keep: bool
    ) -> tuple[list[_Stream], KeysValues]:
        """Whole streams through a block; of the last block only the tips, and nothing at all unless `keep`."""
        n, forest, blocks = len(streams), self.forest, self.blocks
        nodes = _joined([stream.nodes for stream in streams], dim=0)
        prefix = _joined([stream.prefix for stream in streams], dim=0)
        before: KeysValues | None = None
        if self.prefix:
            if final:
                before = blocks.keys_values(layer, prefix, forest.at_prefix, times=n)
            else:
                prefix, before = blocks.step(layer, prefix, forest.at_prefix, times=n)
        if not final:
            nodes, read = blocks.step(layer, nodes, forest.trunk, before, times=n)
        else:
            read = blocks.keys_values(layer, nodes, forest.trunk, before, times=n)
            if keep:
                nodes = _Stream(nodes, prefix).at(forest.tips.repeat(n, 1)).nodes
                nodes, _ = blocks.step(layer, nodes, forest.at_tips, read, times=n, own=False)
        parts = zip(nodes.chunk(n), prefix.chunk(n), strict=True)
        return [_Stream(part, start, only_tips=final) for part, start in parts], read

    def _beside(self, layer: int, streams: Sequence[_Stream], read: KeysValues | None) -> list[_Stream]:
        """Several versions of the tips through a block, side by side against the trunk's keys and values."""
        nodes = _joined([stream.nodes for stream in streams], dim=1)
        nodes, _ = self.blocks.step(layer, nodes, self.forest.side_by_side(len(streams)), read)
        return [replace(streams[0], nodes=part) for part in nodes.chunk(len(streams), dim=1)]

    def _branch(
        self, layer: int, streams: dict[Key, _Stream], trunk: _Stream, plans: Sequence[Numbered], at_tips: bool = False
    ) -> dict[Key, _Stream]:
        """The streams after the steers of a layer: those still needed, and the new ones."""
        found: dict[Key, _Stream] = {}
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

    def _steered(self, steer: Steer, stream: _Stream) -> _Stream:
        moved = steer(stream.nodes)
        if steer.positions == "all":
            return replace(stream, nodes=moved, prefix=steer(stream.prefix))
        if not stream.only_tips:
            moved = torch.where(self.forest.later[..., None].to(moved.device), moved, stream.nodes)
        return replace(stream, nodes=moved)


@dataclass(frozen=True)
class _Stream:
    """The residual stream of every row's nodes (or tips), and of the shared prefix."""

    nodes: Float[torch.Tensor, "row node d_model"]
    prefix: Float[torch.Tensor, "one prefix d_model"]
    only_tips: bool = False

    def at(self, tips: torch.Tensor) -> _Stream:
        """The stream of the tips."""
        tips = tips.to(self.nodes.device)
        rows = torch.arange(len(tips), device=tips.device)[:, None]
        return _Stream(self.nodes[rows, tips], self.prefix, only_tips=True)


def _joined(parts: Sequence[torch.Tensor], dim: int) -> torch.Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=dim)


def _chunks(keys: list[Key], size: int) -> list[list[Key]]:
    return [keys[i : i + size] for i in range(0, len(keys), size)]


class _Answers:
    """Gathers the streams that are read and unembeds them together."""

    def __init__(self, unembedding: Unembedding, plans: int, options: int) -> None:
        self.logp = np.zeros((plans, options))
        self._unembedding = unembedding
        self._waiting: list[tuple[list[int], Forest, torch.Tensor]] = []
        self._rows = 0

    def take(self, forest: Forest, ends: Sequence[tuple[list[int], torch.Tensor]]) -> None:
        for plans, nodes in ends:
            rows, tips = forest.reads.rows.to(nodes.device), forest.reads.tips.to(nodes.device)
            normed = self._unembedding.normed(nodes[rows, tips])
            self._waiting.append((plans, forest, normed))
            self._rows += len(normed)
            if self._rows >= ANSWER_ROWS:
                self.flush()

    def flush(self) -> None:
        if not self._waiting:
            return
        starts = np.cumsum([0, *(len(normed) for _, _, normed in self._waiting)])
        normed = torch.cat([normed for _, _, normed in self._waiting])
        rows = torch.cat([forest.reads.slot + int(s) for s, (_, forest, _) in zip(starts, self._waiting, strict=False)])
        targets = torch.cat([forest.reads.target for _, forest, _ in self._waiting])
        found = self._unembedding.log_likelihood(normed, rows, targets).double().cpu().numpy()
        begin = 0
        for plans, forest, _ in self._waiting:
            part = found[begin : begin + len(forest.reads.option)]
            begin += len(part)
            for plan in plans:
                np.add.at(self.logp[plan], forest.reads.option, part)
        self._waiting, self._rows = [], 0
