"""Walk a forest through a model's blocks, several versions of its streams at a time, and unembed what is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float

from interp.model.step import KeysValues, Stepper, Unembedding
from interp.steering.engine._bound import Bound
from interp.steering.engine._forest import Forest

Part = TypeVar("Part")

Ends = tuple[Forest, Sequence[tuple[Sequence[int], torch.Tensor]]]
"""A forest, and streams of its tips after the last block, each with the numbers of the plans that it belongs to."""

ANSWER_ROWS = 1024
"""Streams gathered before they are unembedded."""


@dataclass(frozen=True)
class Stream:
    """The residual stream of every row's nodes (or tips), and of the shared prefix."""

    nodes: Float[torch.Tensor, "row node d_model"]
    prefix: Float[torch.Tensor, "one prefix d_model"]
    only_tips: bool = False

    def at(self, tips: torch.Tensor) -> Stream:
        """The stream of the tips."""
        tips = tips.to(self.nodes.device)
        rows = torch.arange(len(tips), device=tips.device)[:, None]
        return Stream(self.nodes[rows, tips], self.prefix, only_tips=True)


class Walk:
    """A model's blocks over one forest."""

    def __init__(self, blocks: Stepper, forest: Forest) -> None:
        self.blocks, self.forest = blocks, forest
        self.rows, self.nodes = forest.tokens.shape
        self.prefix = len(forest.prefix)

    def entering(self) -> Stream:
        """The stream that enters block 0."""
        everything = torch.cat([self.forest.prefix, self.forest.tokens.flatten()])
        places = torch.cat([self.forest.at_prefix.queries[0], self.forest.positions.flatten()])
        stream = self.blocks.embed(everything, places)
        return Stream(stream[self.prefix :].view(self.rows, self.nodes, -1), stream[None, : self.prefix])

    def through(
        self, layer: int, streams: Sequence[Stream], final: bool, keep: bool
    ) -> tuple[list[Stream], KeysValues]:
        """Whole streams through a block; of the last block only the tips, and nothing at all unless `keep`."""
        n, forest, blocks = len(streams), self.forest, self.blocks
        nodes = joined([stream.nodes for stream in streams], dim=0)
        prefix = joined([stream.prefix for stream in streams], dim=0)
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
                nodes = Stream(nodes, prefix).at(forest.tips.repeat(n, 1)).nodes
                nodes, _ = blocks.step(layer, nodes, forest.at_tips, read, times=n, own=False)
        parts = zip(nodes.chunk(n), prefix.chunk(n), strict=True)
        return [Stream(part, start, only_tips=final) for part, start in parts], read


def joined(parts: Sequence[torch.Tensor], dim: int) -> torch.Tensor:
    """Parts end to end."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=dim)


def chunks(parts: Sequence[Part], size: int) -> list[Sequence[Part]]:
    """Parts in runs of at most `size`."""
    return [parts[i : i + size] for i in range(0, len(parts), size)]


class Answers:
    """Gathers the streams that are read and unembeds them together. bound: log Z is estimated by it."""

    def __init__(self, unembedding: Unembedding, plans: int, options: int, bound: Bound | None = None) -> None:
        self.logp = np.zeros((plans, options))
        self._unembedding = unembedding
        self._bound = bound.on(unembedding) if bound else None
        self._waiting: list[tuple[Sequence[int], Forest, torch.Tensor]] = []
        self._rows = 0

    def take(self, ends: Ends) -> None:
        """Keep the streams that are read, for now."""
        forest, streams = ends
        for plans, nodes in streams:
            rows, tips = forest.reads.rows.to(nodes.device), forest.reads.tips.to(nodes.device)
            normed = self._unembedding.normed(nodes[rows, tips])
            self._waiting.append((plans, forest, normed))
            self._rows += len(normed)
            if self._rows >= ANSWER_ROWS:
                self.flush()

    def flush(self) -> None:
        """Unembed what is kept."""
        if not self._waiting:
            return
        starts = np.cumsum([0, *(len(normed) for _, _, normed in self._waiting)])
        normed = torch.cat([normed for _, _, normed in self._waiting])
        rows = torch.cat([forest.reads.slot + int(s) for s, (_, forest, _) in zip(starts, self._waiting, strict=False)])
        targets = torch.cat([forest.reads.target for _, forest, _ in self._waiting])
        log_z = None
        if self._bound:
            log_z = self._bound.log_z(normed, [forest.reads for _, forest, _ in self._waiting])
        found = self._unembedding.log_likelihood(normed, rows, targets, log_z).double().cpu().numpy()
        begin = 0
        for plans, forest, _ in self._waiting:
            part = found[begin : begin + len(forest.reads.option)]
            begin += len(part)
            for plan in plans:
                np.add.at(self.logp[plan], forest.reads.option, part)
        self._waiting, self._rows = [], 0
