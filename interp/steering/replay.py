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

from interp.model.blocks import Blocks, KeysValues, lean
from interp.model.memory import Budget, out_of_memory
from interp.model.protocol import HookedModel, device_of, dtype_of, hooks_on
from interp.model.unembedding import Unembedding
from interp.steering.forest import Forest, plant
from interp.steering.layout import Layout, Stem, shared_prefix
from interp.steering.plans import Plan, Steer
from interp.steering.scoring import Progress

Key = tuple[int, ...]
"""The steers that a stream has passed, by number."""

SHORTEST_PREFIX, FEWEST_SHARING = 16, 4
"""A shared prefix of fewer tokens, or of fewer prompts, costs more in extra calls than it saves."""

MOST_PLANS = 64
"""Beyond this many plans in a pass, the trunk's own cost is below 3%."""

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
        numbered = _number(plans)
        work = deque((stems, prefix, numbered) for stems, prefix in _groups(layout.stems))
        with lean(self.model, self.compiled):
            while work:
                stems, prefix, group = work.popleft()
                rows, versions = _sizes(budget, stems, prefix, len(group), batch_size)
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


@dataclass(frozen=True)
class _Numbered:
    """A plan by its place in the caller's list, with its steers in the order of layers, numbered."""

    place: int
    steers: tuple[tuple[int, Steer], ...]

    def key(self, layer: int) -> Key:
        """The steers passed once block `layer` is done."""
        return tuple(number for number, steer in self.steers if steer.layer <= layer)

    @property
    def first(self) -> int:
        return self.steers[0][1].layer if self.steers else -1

    @property
    def only_last(self) -> bool:
        """Whether nothing before the last prompt token is steered."""
        return bool(self.steers) and all(steer.positions == "last" for _, steer in self.steers)


def _number(plans: Sequence[Plan]) -> list[_Numbered]:
    """Equal steers get equal numbers; plans that branch off late come last."""
    numbers: dict[tuple[object, ...], int] = {}
    found = []
    for place, plan in enumerate(plans):
        steers = []
        for steer in sorted(plan.steers, key=lambda s: s.layer):
            vector = (steer.vector.data_ptr(), steer.vector.stride())
            sort = (steer.layer, vector, steer.strength, steer.operator, steer.positions)
            steers.append((numbers.setdefault(sort, len(numbers)), steer))
        found.append(_Numbered(place, tuple(steers)))
    return sorted(found, key=lambda p: (p.first, p.place))


def _groups(stems: Sequence[Stem]) -> list[tuple[list[Stem], int]]:
    """Stems with the same beginning together, similar lengths next to each other; with the prefix they share."""
    by_beginning: dict[tuple[int, ...], list[Stem]] = {}
    for stem in stems:
        by_beginning.setdefault(stem.context[:SHORTEST_PREFIX], []).append(stem)
    found: list[tuple[list[Stem], int]] = []
    rest: list[Stem] = []
    for group in by_beginning.values():
        prefix = shared_prefix(group) if len(group) >= FEWEST_SHARING else 0
        if prefix >= SHORTEST_PREFIX:
            found.append((group, prefix))
        else:
            rest.extend(group)
    if rest:
        found.append((rest, 0))
    return [(sorted(group, key=lambda stem: (_size(stem), stem.context)), prefix) for group, prefix in found]


def _size(stem: Stem) -> int:
    return len(stem.context) + sum(len(ending) - 1 for _, ending in stem.endings)


def _sizes(budget: Budget, stems: Sequence[Stem], prefix: int, plans: int, batch_size: int | None) -> tuple[int, int]:
    """How many prompts and how many plans a pass takes."""
    nodes = max(_size(stem) for stem in stems) - prefix
    rows = batch_size or max(1, budget.tokens(nodes + prefix) // nodes)
    rows = min(rows, len(stems))
    return rows, min(plans, MOST_PLANS, budget.streams(rows * nodes + prefix))


class _Pass:
    """Some plans on some prompts, once through the layers."""

    def __init__(self, blocks: Blocks, forest: Forest, plans: Sequence[_Numbered], budget: Budget) -> None:
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
        self, layer: int, streams: dict[Key, _Stream], trunk: _Stream, plans: Sequence[_Numbered], at_tips: bool = False
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
            moved = torch.where(self.forest.later[..., None], moved, stream.nodes)
        return replace(stream, nodes=moved)


@dataclass(frozen=True)
class _Stream:
    """The residual stream of every row's nodes (or tips), and of the shared prefix."""

    nodes: Float[torch.Tensor, "row node d_model"]
    prefix: Float[torch.Tensor, "one prefix d_model"]
    only_tips: bool = False

    def at(self, tips: torch.Tensor) -> _Stream:
        """The stream of the tips."""
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
            normed = self._unembedding.normed(nodes[forest.reads.rows, forest.reads.tips])
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


def replayed_flops(model: HookedModel, layout: Layout, plans: Sequence[Plan]) -> tuple[float, float]:
    """Floating-point operations that scoring needs, and that a plain loop with full logits pays.

    Needed are: the unsteered prompts once, each steered token from its first steer on, shared prefixes once per plan,
    in the last block and the unembedding only what is read. Twice the weights per token, and the attention.
    """
    cfg, blocks = model.cfg, list(model.blocks)  # type: ignore[attr-defined]
    weights = [sum(p.numel() for p in block.original_component.parameters() if p.ndim > 1) for block in blocks]
    words = 2.0 * int(cfg.d_vocab) * int(cfg.d_model)
    n, head = len(blocks), 4.0 * int(cfg.n_heads) * int(cfg.d_head)
    needed = paid = 0.0
    for stems, prefix in _groups(layout.stems):
        rows = sum(len(stem.context) - prefix for stem in stems)
        tips = sum(1 + len({e[:i] for _, e in s.endings for i in range(1, len(e))}) for s in stems)
        keys = float(np.mean([len(stem.context) for stem in stems]))
        full = prefix + rows + tips - len(stems)

        def cost(tokens: float, first: int, keys: float = keys) -> float:
            return sum(tokens * (2.0 * w + head * keys) for w in weights[first : n - 1])

        def ends(count: float, keys: float = keys) -> float:
            return count * (2.0 * weights[-1] + head * keys + words)

        needed += cost(full, 0)
        for plan in _number(plans):
            start = min(plan.first + 1, n)
            needed += cost(tips if plan.only_last else full, start) + ends(tips) if plan.steers else ends(tips)
        for stem in stems:
            for ending in {ending[:-1] for _, ending in stem.endings}:
                length = len(stem.context) + len(ending)
                paid += len(plans) * length * (sum(2.0 * w + head * length / 2 for w in weights) + words)
    return needed, paid
