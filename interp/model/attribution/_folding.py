"""A copy of a model with folded weights, on which direct logit attribution is exact."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from interp.errors import ModelError, reason_of
from interp.model import HookedModel, LoadedModel, device_of, hooked
from interp.model.attribution._bridge import require_bridge
from interp.model.load import processing_of
from interp.model.read import Tokens, give_tokenizer, stand_in

_TWIN_TOLERANCE = {torch.float32: 1e-3}
"""Largest difference of log-probabilities between a model and its folded copy; half precision is coarser."""


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
        places = np.searchsorted(self.words, ids)
        if len(ids) and not np.array_equal(self.words[np.minimum(places, len(self.words) - 1)], ids):
            raise ValueError(
                "the folded copy lacks some words of these texts or options; pass all words when you make the copy"
            )
        return [int(place) for place in places]


def folded(model: HookedModel | LoadedModel, words: Iterable[int] | None = None) -> Folded:
    """Copy a bridge with folded weights, as direct logit attribution needs. The model itself is not changed.

    The copy is in TransformerLens' compatibility mode: norm weights are folded into the matrices after them and value
    biases into output biases; the unembedding is centred, and so are the weights that write to the stream of a
    LayerNorm model. The copy's residuals differ from the model's, and its logits by a constant per position; logit
    differences are the same. words: token ids that texts and options will have (default: all). Folding takes several
    times the copy's memory, mostly for the vocabulary, so pass the words if you need few. Raises ModelError for another
    kind of model, and if the copy fails.
    """
    model = hooked(model)
    bridge = require_bridge(model)
    ids = np.arange(bridge.cfg.d_vocab) if words is None else np.unique(np.fromiter(words, dtype=np.int64))
    source, device = bridge.original_model, device_of(model)
    if len({parameter.device for parameter in source.parameters()}) > 1:
        raise _unfoldable("the model is spread over several devices, and its folded copy must fit on one")
    dtype = next(source.parameters()).dtype
    try:
        with torch.random.fork_rng(devices=[]):  # an empty model draws its weights before it gets others
            config = copy.deepcopy(source.config)
            text = config.get_text_config(decoder=True)
            text.vocab_size, text.pad_token_id = len(ids), None
            empty = type(source)(config).to(device, dtype)
            twin: Any = type(bridge).boot_transformers(
                bridge.cfg.model_name, hf_model=empty, tokenizer=stand_in(), device=str(device), dtype=dtype
            )
        give_tokenizer(twin, bridge.tokenizer)
        shapes = {name: value.shape for name, value in twin.state_dict().items()}
        weights = bridge.state_dict().items()
        twin.load_state_dict({name: v if v.shape == shapes[name] else v[ids] for name, v in weights})
        twin.eval()
        twin.enable_compatibility_mode(disable_warnings=True)
        if "fold_ln" not in processing_of(twin):
            raise _unfoldable(f"TransformerLens can't fold the norms of {type(source).__name__}")
        sample = torch.arange(min(8, len(ids)), device=device)[None]
        with torch.inference_mode():
            original = bridge(torch.from_numpy(ids).to(device)[sample], return_type="logits")[..., ids].float()
            copied = twin(sample, return_type="logits").float()
            original, copied = original.log_softmax(-1), copied.log_softmax(-1)
    except ModelError:
        raise
    except Exception as error:  # every architecture's adapter raises its own kind
        raise _unfoldable(f"the weights can't be folded: {reason_of(error)}") from error
    gap = (original - copied).abs().max().item()
    if not gap <= _TWIN_TOLERANCE.get(dtype, 0.5):
        raise _unfoldable(f"log-probabilities of a folded copy differ from the model's by up to {gap:.2g}")
    return Folded(twin, ids, Tokens(model))


def _unfoldable(reason: str) -> ModelError:
    return ModelError(
        reason,
        allowed="cue_attribution and patch_residuals, which need no folding",
        remedy="choose another model for direct logit attribution",
    )
