"""Direct logit attribution: how much each block, component or head adds to a logit difference."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float

from interp.errors import ModelError
from interp.model import device_of
from interp.model.attribution._bridge import analysis
from interp.model.attribution._effects import Effects, Part, check_rows, frame, partners_of
from interp.model.attribution._folding import Folded
from interp.model.read import Ids

Unit = Literal["block", "component", "head"]

_HEADS_TOLERANCE = 0.025
"""Largest share of an attention output by which its heads' sum may miss it: rounding stays far below, a norm above."""


@torch.no_grad()
def logit_attribution(
    folded: Folded,
    texts: Sequence[str | Ids],
    better: Sequence[int],
    worse: Sequence[int],
    *,
    unit: Unit = "component",
    batch_size: int = 16,
) -> Effects:
    """Direct logit attribution in a folded copy: contributions to the logit of `better` minus `worse` after each text.

    The final norm's scale is frozen, so that the parts sum to the difference (before any cap on the logits). Units:
    `block`; `component` (attention and MLP of each block); `head` (each head, and one part `rest` for everything else).
    The unembedding's bias is layer n_layers. Control: the same for another text's tokens, NaN if all texts have the
    same ones. Raises ModelError for a model that is not folded and, for heads, for a norm or a scale after attention;
    ValueError for an unknown unit, no texts, columns of unequal length, or words that the copy doesn't have.
    """
    if unit not in get_args(Unit):
        raise ValueError(f"unit {unit!r} is unknown; allowed: {', '.join(get_args(Unit))}")
    check_rows(texts=texts, better=better, worse=worse)
    if not isinstance(folded, Folded):
        raise ModelError("direct logit attribution needs folded weights", remedy="pass folded(model), a copy")
    bridge, better, worse = folded.model, folded.of(better), folded.of(worse)
    tokens, device, bias = folded.tokens, device_of(bridge), bridge.b_U.float().cpu().numpy()
    partners = partners_of(texts, better, worse)
    pairs = np.array([better, worse], dtype=np.int64).T
    asked = (pairs, pairs[[i if partner is None else partner for i, partner in enumerate(partners)]])
    parts: list[Part] = []
    batches: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    order: list[int] = []
    total = np.empty(len(texts))
    for rows, ids in _same_length([tuple(folded.of(tokens.prompt(text))) for text in texts], batch_size):
        _, cache = bridge.run_with_cache(torch.tensor(ids, device=device), names_filter=_needed(bridge.cfg.n_layers))
        for values, options in zip(batches, asked, strict=True):
            right, wrong = options[rows].T
            result = analysis().direct_logit_attribution(
                bridge, None, torch.from_numpy(right).to(device), torch.from_numpy(wrong).to(device),
                unit="head" if unit == "head" else "component", cache=cache,
            )  # fmt: skip
            values.append(np.vstack([result.attribution.float().cpu().numpy(), bias[right] - bias[wrong]]))
            parts = [*map(_part, result.labels), (bridge.cfg.n_layers, "unembedding bias", None)]
        if unit == "head":
            _check_heads(bridge, cache)
        logits = cache["unembed.hook_out"][:, -1].float().cpu().numpy()
        total[rows] = [logits[j, better[i]] - logits[j, worse[i]] for j, i in enumerate(rows)]
        order += rows
    back = np.argsort(order)
    effects, control = (np.concatenate(values, axis=1)[:, back] for values in batches)
    control[:, [partner is None for partner in partners]] = np.nan
    if unit == "block":
        parts, effects, control = _by_block(parts, effects, control)
    return Effects("direct", frame(parts), effects, control, total)


def _needed(n_layers: int) -> list[str]:
    """Hooks that the decomposition of the residual stream and its readout read."""
    names = ("hook_attn_out", "hook_mlp_out", "attn.hook_z", "hook_resid_post")
    blocks = [f"blocks.{layer}.{name}" for layer in range(n_layers) for name in names]
    return ["hook_embed", "hook_pos_embed", *blocks, "ln_final.hook_scale", "unembed.hook_out"]


def _part(label: str) -> Part:
    """The part of a label of TransformerLens: L0H3, 0_attn_out, 0_mlp_out, embed, pos_embed or remainder."""
    if head := re.fullmatch(r"L(\d+)H(\d+)", label):
        return int(head[1]), "head", int(head[2])
    if component := re.fullmatch(r"(\d+)_(attn|mlp)_out", label):
        return int(component[1]), {"attn": "attention", "mlp": "mlp"}[component[2]], None
    return -1, "rest" if label == "remainder" else label, None


def _by_block(
    parts: Sequence[Part], *tables: Float[np.ndarray, "part prompt"]
) -> tuple[list[Part], Float[np.ndarray, "block prompt"], Float[np.ndarray, "block prompt"]]:
    names: list[Part] = [(layer, "block" if name in ("attention", "mlp") else name, None) for layer, name, _ in parts]
    blocks = list(dict.fromkeys(names))
    sums = np.array([[float(name == block) for name in names] for block in blocks])
    effects, control = (sums @ table for table in tables)
    return blocks, effects, control


def _check_heads(bridge: Any, cache: Any) -> None:
    """Raise ModelError if an attention output is not the sum of its heads' results and its bias."""
    for layer in range(bridge.cfg.n_layers):
        written, bias = cache["attn_out", layer][:, -1].float(), bridge.blocks[layer].attn.b_O
        summed = cache["result", layer, "attn"][:, -1].float().sum(dim=1) + (0.0 if bias is None else bias.float())
        if (written - summed).norm() > _HEADS_TOLERANCE * written.norm():
            raise ModelError(
                f"block {layer} has a norm or a scale between its heads' sum and the residual stream, as Gemma 2 and 3 "
                "have, so a head has no direct share of the logits",
                allowed="unit 'block' or 'component'; or cue_attribution, which patches heads before that norm",
                remedy="pass one of these units",
            )


def _same_length(
    sequences: Sequence[tuple[int, ...]], batch_size: int
) -> Iterator[tuple[list[int], list[tuple[int, ...]]]]:
    """Indices and ids of sequences of one length, at most `batch_size` at a time: nothing is padded."""
    lengths: dict[int, list[int]] = defaultdict(list)
    for i, sequence in enumerate(sequences):
        lengths[len(sequence)].append(i)
    for _, indices in sorted(lengths.items()):
        for start in range(0, len(indices), batch_size):
            rows = indices[start : start + batch_size]
            yield rows, [sequences[i] for i in rows]
