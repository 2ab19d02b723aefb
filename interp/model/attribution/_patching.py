"""Patching: how a logit difference changes when a part, or the residual stream, is another prompt's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch

from interp.model import HookedModel, LoadedModel, device_of, hooked, resid_post, resid_pre
from interp.model.attribution._bridge import analysis, batched, differences, require_bridge, run_last
from interp.model.attribution._effects import Effects, Part, check_rows, frame, partners_of
from interp.model.read import Batch, Ids, Tokens, read_residuals


def cue_attribution(
    model: HookedModel | LoadedModel,
    cued: Sequence[str | Ids],
    placebo: Sequence[str | Ids],
    control: Sequence[str | Ids],
    better: Sequence[int],
    worse: Sequence[int],
) -> Effects:
    """How `better` - `worse` changes when a head, an MLP or the embedding is patched from placebo to cued prompt.

    This is attribution patching: a first-order estimate with gradients at the placebo, summed over positions. Parts
    that feed each other overlap, so the effects don't sum to the total. Control: the same patch from `control`, for
    example a wrong culture's cue. Raises ValueError if the prompts of a row differ in length, and ModelError for a
    model that is not a bridge.
    """
    model = hooked(model)
    bridge = require_bridge(model)
    check_rows(cued=cued, placebo=placebo, control=control, better=better, worse=worse)
    tokens, device = Tokens(model), device_of(model)
    columns: list[list[list[float]]] = [[], []]
    parts: list[Part] = []
    for row, texts in enumerate(zip(cued, placebo, control, strict=True)):
        ids = [tokens.prompt(text) for text in texts]
        if len({len(sequence) for sequence in ids}) > 1:
            raise ValueError(
                f"row {row}: cued, placebo and control prompt have {', '.join(str(len(i)) for i in ids)} tokens; "
                "pass prompts of equal length, such as those from cue_pairs"
            )

        def metric(logits: torch.Tensor, row: int = row) -> torch.Tensor:
            return logits[0, -1, better[row]] - logits[0, -1, worse[row]]

        clean, corrupt, wrong = (torch.tensor([sequence], device=device) for sequence in ids)
        for source, effects in zip((clean, wrong), columns, strict=True):
            with torch.enable_grad():
                scores = analysis().attribution_patch(bridge, source, corrupt, metric).node_scores
            summed: dict[Part, float] = defaultdict(float)
            for node, score in scores.items():
                name = {"attn_head_out": "head", "mlp_out": "mlp"}.get(node.kind, node.kind)
                summed[-1 if node.layer is None else node.layer, name, node.head] += score
            parts = list(summed)
            effects.append(list(summed.values()))
    values, controls = (np.array(effects).T for effects in columns)
    total = differences(model, cued, better, worse) - differences(model, placebo, better, worse)
    return Effects("cue", frame(parts), values, controls, total)


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
    """How `better` - `worse` changes when the last token's residual is replaced by that of its source prompt.

    The source is for example the English prompt; text and source may differ in length. There is one part per layer; -1
    is the embedding output. Total: the source's own difference, between its own options, minus the text's, so that a
    share is the recovery. Control: the source of another text with other options (NaN if all texts have the same
    options). Raises ModelError for a model that is not a bridge.
    """
    model = hooked(model)
    bridge = require_bridge(model)
    check_rows(
        texts=texts, sources=sources, better=better, worse=worse,
        source_better=source_better, source_worse=source_worse,
    )  # fmt: skip
    residuals = read_residuals(model, sources, batch_size=batch_size)
    partners = partners_of(texts, better, worse)
    swapped = [i if partner is None else partner for i, partner in enumerate(partners)]
    own = differences(model, texts, better, worse, batch_size)
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
                patched = analysis().run_with_intervention(
                    bridge, hook, _replace, batch.tokens, residuals[part, donors], read, positions=batch.last
                )
                out[part, rows] = (patched[:, 0] - patched[:, 1]).cpu().numpy() - own[rows]
    control[:, [partner is None for partner in partners]] = np.nan
    parts: list[Part] = [(layer - 1, "residual", None) for layer in range(len(hooks))]
    total = differences(model, sources, source_better, source_worse, batch_size) - own
    return Effects("residual", frame(parts), values, control, total)


def _replace(base: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    return source
