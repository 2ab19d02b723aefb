"""The prompts of one pass as trees of tokens: a trunk per prompt, the options' tokens as its branches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Int

from interp.model.step import Places
from interp.steering.engine._layout import Stem


@dataclass(frozen=True)
class Reads:
    """What is read at the end: `option[i]` gains the log-probability of `target[i]` after slot `slot[i]`.

    A slot is a tip of a row: row `rows[s]`, tip `tips[s]`. The target is token `step[i]` of the option.
    """

    rows: Int[torch.Tensor, "slot"]
    tips: Int[torch.Tensor, "slot"]
    slot: Int[torch.Tensor, "read"]
    target: Int[torch.Tensor, "read"]
    option: Int[np.ndarray, "read"]
    step: Int[np.ndarray, "read"]

    def numbers(self, firsts: Int[np.ndarray, "option"]) -> Int[np.ndarray, "slot"]:
        """Of each slot one token that it predicts, numbered through all options (`Layout.firsts`)."""
        found = np.zeros(len(self.rows), dtype=np.int64)
        found[self.slot.cpu().numpy()] = firsts[self.option] + self.step
        return found


@dataclass
class Forest:
    """Right-padded trees. Tips are the nodes that are read: the last prompt token and the branches after it.

    prefix: tokens that stand before every trunk. later: the last prompt token and every token after it. text,
    prefix_text: every token but the special ones in front.
    """

    prefix: Int[torch.Tensor, "prefix"]
    tokens: Int[torch.Tensor, "row node"]
    positions: Int[torch.Tensor, "row node"]
    later: Bool[torch.Tensor, "row node"]
    text: Bool[torch.Tensor, "row node"]
    prefix_text: Bool[torch.Tensor, "prefix"]
    tips: Int[torch.Tensor, "row tip"]
    reads: Reads
    trunk: Places
    at_prefix: Places
    at_tips: Places
    _context: Bool[torch.Tensor, "row key"]
    _among_tips: Bool[torch.Tensor, "row tip tip"]
    _side_by_side: dict[int, Places] = field(default_factory=dict)

    def side_by_side(self, versions: int) -> Places:
        """Several versions of the tips of each row, next to each other: each reads the prompt and itself."""
        if versions not in self._side_by_side:
            rows, tips = self.tips.shape
            queries = self.at_tips.queries.repeat(1, versions)
            own = torch.eye(versions, dtype=torch.bool, device=queries.device)
            own = torch.einsum("ab,rij->raibj", own.float(), self._among_tips.float()).bool()
            own = own.reshape(rows, versions * tips, versions * tips)
            before = self._context[:, None].expand(-1, versions * tips, -1)
            self._side_by_side[versions] = Places(
                self.trunk.length,
                queries,
                torch.cat([self.trunk.keys, queries], dim=1),
                torch.cat([before, own], dim=2),
            )
        return self._side_by_side[versions]


def plant(stems: Sequence[Stem], prefix: int, device: torch.device) -> Forest:
    """The forest of some stems that share their first `prefix` tokens."""
    grown = [_grow(stem, prefix) for stem in stems]
    in_prefix = {min(stem.front, prefix) for stem in stems}
    assert len(in_prefix) == 1, "prompts that share a prefix differ in the special tokens in front"
    rows, nodes = len(grown), max(len(tree.tokens) for tree in grown)
    tokens = np.zeros((rows, nodes), dtype=np.int64)
    positions = np.full((rows, nodes), prefix, dtype=np.int64)
    visible = np.broadcast_to(np.eye(nodes, dtype=bool), (rows, nodes, nodes)).copy()
    later = np.zeros((rows, nodes), dtype=bool)
    text = np.zeros((rows, nodes), dtype=bool)
    context = np.zeros((rows, nodes), dtype=bool)
    most = max(len(tree.tokens) - tree.last for tree in grown)
    tips = np.zeros((rows, most), dtype=np.int64)
    real = np.zeros((rows, most), dtype=bool)
    slots: dict[tuple[int, int], int] = {}
    reads: list[tuple[int, int, int, int]] = []
    for r, tree in enumerate(grown):
        n = len(tree.tokens)
        tokens[r, :n], positions[r, :n], visible[r, :n, :n] = tree.tokens, tree.positions, tree.visible
        later[r, tree.last : n], context[r, : tree.last] = True, True
        text[r, max(stems[r].front - prefix, 0) : n] = True
        tips[r] = tree.last
        tips[r, : n - tree.last] = np.arange(tree.last, n)
        real[r, : n - tree.last] = True
        for node, target, option, step in tree.reads:
            slot = slots.setdefault((r, node - tree.last), len(slots))
            reads.append((slot, target, option, step))
    every = np.ones((rows, nodes, prefix), dtype=bool)
    keys = np.concatenate([np.broadcast_to(np.arange(prefix), (rows, prefix)), positions], axis=1)
    seen = np.concatenate([every, visible], axis=2)
    length = int(positions.max()) + 1
    row = np.arange(rows)[:, None]

    def there(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device)

    at = np.array(list(slots), dtype=np.int64)
    slot, target, option, step = np.array(reads, dtype=np.int64).T
    among = visible[row[:, :, None], tips[:, :, None], tips[:, None, :]] & real[:, None, :]
    first = np.arange(prefix)[None]
    return Forest(
        prefix=there(np.array(stems[0].context[:prefix], dtype=np.int64)),
        tokens=there(tokens),
        positions=there(positions),
        later=there(later),
        text=there(text),
        prefix_text=there(np.arange(prefix) >= min(in_prefix)),
        tips=there(tips),
        reads=Reads(there(at[:, 0]), there(at[:, 1]), there(slot), there(target), option, step),
        trunk=Places(length, there(positions), there(keys), there(seen)),
        at_prefix=Places(length, there(first), there(first), there(np.tri(prefix, dtype=bool)[None])),
        at_tips=Places(length, there(positions[row, tips]), there(keys), there(seen[row, tips])),
        _context=there(np.concatenate([every[:, 0], context], axis=1)),
        _among_tips=there(among),
    )


@dataclass(frozen=True)
class _Tree:
    tokens: list[int]
    positions: list[int]
    visible: np.ndarray
    last: int
    reads: list[tuple[int, int, int, int]]


def _grow(stem: Stem, prefix: int) -> _Tree:
    """One prompt's tree: equal beginnings of options are one branch."""
    tokens, last = list(stem.context[prefix:]), len(stem.context) - prefix - 1
    parents = list(range(-1, last))
    positions = list(range(prefix, prefix + last + 1))
    children: dict[tuple[int, int], int] = {}
    reads = []
    for option, ending in stem.endings:
        node = last
        for i, token in enumerate(ending):
            reads.append((node, token, option, i))
            if i == len(ending) - 1:
                break
            if (node, token) not in children:
                children[node, token] = len(tokens)
                tokens.append(token)
                parents.append(node)
                positions.append(positions[node] + 1)
            node = children[node, token]
    visible = np.tri(len(tokens), dtype=bool)
    for i in range(last + 1, len(tokens)):
        visible[i] = visible[parents[i]]
        visible[i, i] = True
    return _Tree(tokens, positions, visible, last, reads)
