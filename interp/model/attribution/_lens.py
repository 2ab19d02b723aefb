"""The logit lens on options: which of its options a prompt would be answered with, if the model ended at a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np
import torch
from jaxtyping import Float

from interp.data import Prompt
from interp.errors import ModelError
from interp.model import HookedModel, LoadedModel, device_of, dtype_of, hooked
from interp.model.read import Hooks, Passes, Tokens, read_residuals
from interp.model.step import Unembedding, Unsteppable


@torch.inference_mode()
def option_lens(
    model: HookedModel | LoadedModel,
    prompts: Sequence[Prompt],
    *,
    hooks: Hooks | None = None,
    **passes: Unpack[Passes],
) -> Float[np.ndarray, "layer option"]:
    """The logit (float32) of the first token of every option, read from every layer: row 0 is the embedding output.

    The stream at the last token that a prompt's options share goes through the model's own final norm and unembedding
    (logit lens, nostalgebraist 2020), so that the last row has the model's logits. Options of all prompts stand end to
    end, as in `score`; those that begin with the same token have the same logit. hooks: such as a plan's. passes: see
    `Passes`. Raises ModelError for a model whose unembedding is not a matrix in memory.
    """
    model = hooked(model)
    try:
        unembedding = Unembedding(model)
    except Unsteppable as reason:
        raise ModelError(f"this model's layers can't be read by its unembedding: {reason}") from reason
    tokens = Tokens(model)
    encoded = [tokens.split(prompt.text, prompt.continuations) for prompt in prompts]
    firsts = [ids[0] for _, endings in encoded for ids in endings]
    owners = np.repeat(np.arange(len(prompts)), [len(endings) for _, endings in encoded])
    words, columns = np.unique(np.array(firsts, dtype=np.int64), return_inverse=True)
    some = unembedding.words(torch.from_numpy(words))
    residuals = read_residuals(model, [context for context, _ in encoded], hooks=hooks, **passes)
    logits = np.empty((len(residuals), len(firsts)), dtype=np.float32)
    for layer, stream in enumerate(residuals):
        normed = unembedding.normed(stream.to(device_of(model), dtype_of(model)))
        parts = [part.cpu() for _, part in unembedding.logits(normed, some)]
        logits[layer] = torch.cat(parts, dim=1).numpy()[owners, columns]
    return logits
