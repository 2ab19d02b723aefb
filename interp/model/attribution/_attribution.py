"""Which blocks and heads make a logit difference, and which carry a cue: TransformerLens' analysis tools, per prompt.

The difference is that of two options' first tokens at the last prompt token (see `contrasts`). Everything here needs a
`TransformerBridge`, that is TransformerLens 4.
"""

from __future__ import annotations

import copy
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int, Shaped

from interp.data import draw
from interp.errors import ModelError
from interp.model import HookedModel, LoadedModel, device_of, hooked, resid_post, resid_pre
from interp.model.attribution._contrasts import batched, last_logits, require_bridge, run_last
from interp.model.load import processing_of
from interp.model.read import Batch, Ids, Tokens, give_tokenizer, read_residuals, stand_in
from probes import cluster_interval, cluster_sums, cluster_weights, mean_intervals, ratio_draws

Unit = Literal["block", "component", "head"]
Part = tuple[int, str, int | None]

_TWIN_TOLERANCE = {torch.float32: 1e-3}
"""Largest difference of log-probabilities between a model and its folded copy; half precision is coarser."""

_HEADS_TOLERANCE = 0.025
"""Largest share of an attention output by which its heads' sum may miss it: rounding stays far below, a norm above."""

_COLUMNS = (
    "kind", "layer", "component", "head", "estimate", "lo", "hi", "control", "control_lo", "control_hi",
    "share", "share_lo", "share_hi", "n",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Effects:
    """What each part of a model does to a logit difference, prompt by prompt, and the same for a control.

    `parts` has the columns layer (-1: the embedding), component and head. `total` is what effects are shares of: the
    logit difference itself for direct attribution, the source's minus the prompt's for patching.
    """

    kind: str
    parts: pd.DataFrame
    values: Float[np.ndarray, "part prompt"]
    control: Float[np.ndarray, "part prompt"]
    total: Float[np.ndarray, " prompt"]

    def table(
        self, clusters: Shaped[np.ndarray, " prompt"], n_draws: int = 2000, seed: int = 0, level: float = 0.95
    ) -> pd.DataFrame:
        """One row per part: means over prompts, with cluster bootstrap intervals.

        Columns: kind, layer, component, head; estimate, lo, hi; control and share (sum of the effects over sum of the
        totals), each with _lo and _hi; n. Raises ValueError for labels of another length than the prompts.
        """
        effect = mean_intervals(self.values.T, clusters, n_draws, seed, level)
        control = mean_intervals(self.control.T, clusters, n_draws, seed, level)
        effects, totals = cluster_sums(self.values.T, clusters), cluster_sums(self.total, clusters)
        weights = cluster_weights(len(totals.labels), n_draws, seed)
        share_lo, share_hi = cluster_interval(
            ratio_draws(effects.sums, totals.sums, weights), float(totals.effective), level
        )
        whole = totals.sums.sum()
        table = self.parts.assign(
            kind=self.kind, estimate=effect.estimate, lo=effect.lo, hi=effect.hi,
            control=control.estimate, control_lo=control.lo, control_hi=control.hi,
            share=effects.sums.sum(axis=0) / whole if whole else np.nan,
            share_lo=share_lo, share_hi=share_hi, n=len(self.total),
        )  # fmt: skip
        return table[list(_COLUMNS)]


@dataclass(frozen=True, eq=False)
class Folded:
    """A copy of a model with folded weights, and the words of the vocabulary that it has: its word i is words[i].

    tokens: texts as the model itself encodes them.
    """

    model: Any
    words: Int[np.ndarray, " word"]
    tokens: Tokens

    def of(self, ids: Sequence[int]) -> list[int]:
        """The copy's numbers of words; raises ValueError for a word that it doesn't have."""
        found = np.searchsorted(self.words, ids)
        if len(ids) and not np.array_equal(self.words[np.minimum(found, len(self.words) - 1)], ids):
            raise ValueError("the folded copy lacks words of these texts or options; name them when it is made")
        return [int(place) for place in found]


def folded(model: HookedModel | LoadedModel, words: Iterable[int] | None = None) -> Folded:
    """A copy of a bridge with folded weights, which direct logit attribution needs; the model stays as it is.

    The copy is in TransformerLens' compatibility mode: norm weights are folded into the matrices behind them, value
    biases into output biases; the unembedding is centred, and in a LayerNorm model what writes to the stream is, too.
    Its residuals differ from the model's and its logits by a constant per position; logit differences are the same.
    words: those of the vocabulary that texts and options will have (default: all). Folding takes several times the
    memory of the copy, most of it for a large vocabulary that few words are needed of. Raises ModelError for another
    kind of model, and where the copy fails.
    """
    model = hooked(model)
    bridge = require_bridge(model)
    every = np.arange(bridge.cfg.d_vocab)
    kept = every if words is None else np.unique(np.fromiter(words, dtype=np.int64))
    from transformer_lens.model_bridge import TransformerBridge

    source, device = bridge.original_model, device_of(model)
    if len({parameter.device for parameter in source.parameters()}) > 1:
        raise _unfoldable("the model is spread over several devices, and its folded copy would not fit one")
    dtype = next(source.parameters()).dtype
    try:
        with torch.random.fork_rng(devices=[]):  # an empty model draws its weights before it gets others
            config = copy.deepcopy(source.config)
            text = config.get_text_config(decoder=True)
            text.vocab_size, text.pad_token_id = len(kept), None
            empty = type(source)(config).to(device, dtype)
            twin: Any = TransformerBridge.boot_transformers(
                bridge.cfg.model_name, hf_model=empty, tokenizer=stand_in(), device=str(device), dtype=dtype
            )
        give_tokenizer(twin, bridge.tokenizer)
        shapes = {name: value.shape for name, value in twin.state_dict().items()}
        weights = bridge.state_dict().items()
        twin.load_state_dict({name: v if v.shape == shapes[name] else v[kept] for name, v in weights})
        twin.eval()
        twin.enable_compatibility_mode(disable_warnings=True)
        if "fold_ln" not in processing_of(twin):
            raise _unfoldable(f"TransformerLens can't fold the norms of {type(source).__name__}")
        some = torch.arange(min(8, len(kept)), device=device)[None]
        with torch.inference_mode():
            own = bridge(torch.from_numpy(kept).to(device)[some], return_type="logits")[..., kept].float()
            folds = twin(some, return_type="logits").float()
            own, folds = own.log_softmax(-1), folds.log_softmax(-1)
    except ModelError:
        raise
    except Exception as error:  # every architecture's adapter raises its own kind
        raise _unfoldable(f"the weights can't be folded: {' '.join(str(error).split())[:300]}") from error
    gap = (own - folds).abs().max().item()
    if not gap <= _TWIN_TOLERANCE.get(dtype, 0.5):
        raise _unfoldable(f"log-probabilities of a folded copy differ from the model's by up to {gap:.2g}")
    return Folded(twin, kept, Tokens(model))


def _unfoldable(reason: str) -> ModelError:
    return ModelError(
        reason,
        allowed="cue_attribution and patch_residuals, which need no folding",
        remedy="choose another model for direct logit attribution",
    )


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
    """Direct logit attribution of the logit of `better` minus that of `worse` after each text, of a folded copy.

    The final norm's scale is frozen, so that the parts sum to the difference (before any cap on the logits). Units:
    `block`; `component` (attention and MLP of each block); `head` (each head, and one part `rest` for all else). The
    unembedding's bias is layer n_layers. Control: the same for another text's tokens, NaN where all texts share theirs.
    Raises ModelError for a model that is not folded and, for heads, for a norm or a scale after attention; ValueError
    for an unknown unit, no texts, columns of unequal length, or words that the copy doesn't have.
    """
    if unit not in get_args(Unit):
        raise ValueError(f"unit {unit!r} is unknown; allowed: {', '.join(get_args(Unit))}")
    _check_rows(texts=texts, better=better, worse=worse)
    if not isinstance(folded, Folded):
        raise ModelError("direct logit attribution needs folded weights", remedy="pass folded(model), a copy")
    bridge, better, worse = folded.model, folded.of(better), folded.of(worse)
    from transformer_lens.tools.analysis import direct_logit_attribution

    tokens, device, bias = folded.tokens, device_of(bridge), bridge.b_U.float().cpu().numpy()
    partners = _partners(texts, better, worse)
    pairs = np.array([better, worse], dtype=np.int64).T
    asked = (pairs, pairs[[i if partner is None else partner for i, partner in enumerate(partners)]])
    parts: list[Part] = []
    found: list[list[np.ndarray]] = [[], []]
    order: list[int] = []
    total = np.empty(len(texts))
    for rows, ids in _same_length([tuple(folded.of(tokens.prompt(text))) for text in texts], batch_size):
        _, cache = bridge.run_with_cache(torch.tensor(ids, device=device), names_filter=_needed(bridge.cfg.n_layers))
        for values, options in zip(found, asked, strict=True):
            right, wrong = options[rows].T
            result = direct_logit_attribution(
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
    effects, control = (np.concatenate(values, axis=1)[:, back] for values in found)
    control[:, [partner is None for partner in partners]] = np.nan
    if unit == "block":
        parts, effects, control = _by_block(parts, effects, control)
    return Effects("direct", _frame(parts), effects, control, total)


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
    """Raise ModelError where an attention output is not the sum of its heads' results and its bias."""
    for layer in range(bridge.cfg.n_layers):
        written, bias = cache["attn_out", layer][:, -1].float(), bridge.blocks[layer].attn.b_O
        summed = cache["result", layer, "attn"][:, -1].float().sum(dim=1) + (0.0 if bias is None else bias.float())
        if (written - summed).norm() > _HEADS_TOLERANCE * written.norm():
            raise ModelError(
                f"block {layer} has a norm or a scale between its heads' sum and the residual stream, as Gemma 2 and 3 "
                "have: no head has a direct share of the logits",
                allowed="unit 'block' or 'component'; or cue_attribution, which patches heads before that norm",
                remedy="pass one of these units",
            )


def cue_attribution(
    model: HookedModel | LoadedModel,
    cued: Sequence[str | Ids],
    placebo: Sequence[str | Ids],
    control: Sequence[str | Ids],
    better: Sequence[int],
    worse: Sequence[int],
) -> Effects:
    """How `better` - `worse` changes when a head, an MLP or the embedding is patched from placebo to cued prompt.

    Attribution patching: first order, with gradients at the placebo, all positions summed. Parts that feed each other
    overlap: the effects don't sum to the total. Control: the same patched from `control`, a wrong culture's cue, say.
    Raises ValueError where the prompts of a row differ in length, ModelError for a model that is no bridge.
    """
    model = hooked(model)
    bridge = require_bridge(model)
    _check_rows(cued=cued, placebo=placebo, control=control, better=better, worse=worse)
    from transformer_lens.tools.analysis import attribution_patch

    tokens, device = Tokens(model), device_of(model)
    found: list[list[list[float]]] = [[], []]
    parts: list[Part] = []
    for row, texts in enumerate(zip(cued, placebo, control, strict=True)):
        ids = [tokens.prompt(text) for text in texts]
        if len({len(sequence) for sequence in ids}) > 1:
            raise ValueError(
                f"row {row}: cued, placebo and control prompt have {', '.join(str(len(i)) for i in ids)} tokens; "
                "pass prompts of equal length, as cue_pairs finds them"
            )

        def metric(logits: torch.Tensor, row: int = row) -> torch.Tensor:
            return logits[0, -1, better[row]] - logits[0, -1, worse[row]]

        clean, corrupt, wrong = (torch.tensor([sequence], device=device) for sequence in ids)
        for source, effects in zip((clean, wrong), found, strict=True):
            with torch.enable_grad():
                scores = attribution_patch(bridge, source, corrupt, metric).node_scores
            summed: dict[Part, float] = defaultdict(float)
            for node, score in scores.items():
                name = {"attn_head_out": "head", "mlp_out": "mlp"}.get(node.kind, node.kind)
                summed[-1 if node.layer is None else node.layer, name, node.head] += score
            parts = list(summed)
            effects.append(list(summed.values()))
    values, controls = (np.array(effects).T for effects in found)
    total = _differences(model, cued, better, worse) - _differences(model, placebo, better, worse)
    return Effects("cue", _frame(parts), values, controls, total)


@torch.inference_mode()
def patch_residuals(
    model: HookedModel | LoadedModel,
    texts: Sequence[str | Ids],
    sources: Sequence[str | Ids],
    better: Sequence[int],
    worse: Sequence[int],
    source_better: Sequence[int],
    source_worse: Sequence[int],
    *,
    batch_size: int = 64,
) -> Effects:
    """How `better` - `worse` changes when the last token's residual is its source's (the English prompt's, say).

    One part per layer, -1 being the embedding output; text and source may differ in length. Total: the source's own
    difference, of its own options, minus the text's, so that a share is the recovery. Control: the source of another
    text with other options (NaN where all texts share theirs). Raises ModelError for a model that is no bridge.
    """
    model = hooked(model)
    bridge = require_bridge(model)
    _check_rows(
        texts=texts, sources=sources, better=better, worse=worse,
        source_better=source_better, source_worse=source_worse,
    )  # fmt: skip
    from transformer_lens.tools.analysis import run_with_intervention

    residuals = read_residuals(model, sources, batch_size=batch_size)
    partners = _partners(texts, better, worse)
    swapped = [i if partner is None else partner for i, partner in enumerate(partners)]
    own = _differences(model, texts, better, worse, batch_size)
    hooks = [resid_pre(0), *(resid_post(layer) for layer in range(bridge.cfg.n_layers))]
    values, control = (np.empty((len(hooks), len(texts))) for _ in range(2))
    for batch in batched(model, texts, batch_size):
        rows = list(batch.rows)
        options = torch.tensor([[better[i], worse[i]] for i in rows], device=batch.tokens.device)

        def read(_: torch.Tensor, batch: Batch = batch, options: torch.Tensor = options) -> torch.Tensor:
            logits = run_last(bridge, batch)
            return logits.gather(1, options.to(logits.device)).float()

        for part, hook in enumerate(hooks):
            for out, donors in ((values, rows), (control, [swapped[i] for i in rows])):
                patched = run_with_intervention(
                    bridge, hook, _replace, batch.tokens, residuals[part, donors], read, positions=batch.last
                )
                out[part, rows] = (patched[:, 0] - patched[:, 1]).cpu().numpy() - own[rows]
    control[:, [partner is None for partner in partners]] = np.nan
    parts: list[Part] = [(layer - 1, "residual", None) for layer in range(len(hooks))]
    total = _differences(model, sources, source_better, source_worse, batch_size) - own
    return Effects("residual", _frame(parts), values, control, total)


def _replace(base: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    return source


def _differences(
    model: HookedModel, texts: Sequence[str | Ids], better: Sequence[int], worse: Sequence[int], batch_size: int = 64
) -> Float[np.ndarray, " prompt"]:
    logits = last_logits(model, texts, list(zip(better, worse, strict=True)), batch_size)
    return np.array([first - second for first, second in logits], dtype=np.float64)


def _check_rows(**columns: Sequence[Any]) -> None:
    """Raise ValueError unless there are rows and every column has as many as the first."""
    lengths = {name: len(column) for name, column in columns.items()}
    if not all(length == next(iter(lengths.values())) > 0 for length in lengths.values()):
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"one row per prompt is needed and at least one prompt, but {told}")


def _partners(texts: Sequence[str | Ids], better: Sequence[int], worse: Sequence[int]) -> list[int | None]:
    """For each text the next one, in an order drawn by hash, with two other tokens; None where there is none."""
    pairs = list(zip(better, worse, strict=True))
    order = sorted(range(len(texts)), key=lambda i: (draw(2**53, "attribution control", str(texts[i])), pairs[i]))
    partners: list[int | None] = [None] * len(texts)
    for place, i in enumerate(order):
        others = (order[(place + step) % len(order)] for step in range(1, len(order)))
        partners[i] = next((other for other in others if not {*pairs[i]} & {*pairs[other]}), None)
    return partners


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


def _frame(parts: Sequence[Part]) -> pd.DataFrame:
    layers, components, heads = zip(*parts, strict=True)
    return pd.DataFrame({"layer": layers, "component": components, "head": pd.array(heads, dtype="Int64")})
