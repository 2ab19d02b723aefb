"""Where a prompt lies on EN and LOC after every block, and what the heads that carry the cue look at."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float

from interp.model import device_of
from interp.model.read import read_residuals
from interp.steering import Plan, SteeringVectors
from interp.study.ask import Study

MOST_TEXTS = 64
"""Texts of the fit split that a mean is over: enough for a scale, and soon read."""

MOST_HEADS = 3
DIRECTIONS = ("en", "loc")


class Readings:
    """What is read from a study's model beside its answers; means are read once per language."""

    def __init__(self, study: Study, vectors: Mapping[str, SteeringVectors]) -> None:
        self._study, self._vectors = study, vectors
        self._means: dict[tuple[str, str], Float[torch.Tensor, "layer d_model"]] = {}

    def projections(self, text: str, language: str, plan: Plan) -> dict[str, list[float]]:
        """Direction (`en`, `loc`) -> place of the text's last token on the language's vector, after every block.

        0 is the mean over texts of the fit split in the language (customs without a cue for LOC), 1 is one vector
        further: on EN about the mean of the same texts in English, on LOC about that of the customs with their cue.
        """
        study = self._study
        found = {}
        ids = study.ids([text])
        stream = read_residuals(study.loaded.model, ids, hooks=plan.hooks, **study.passes)[1:, 0].double()
        for name in DIRECTIONS:
            own = self._vectors.get(f"{name}.{language}")
            if own is None:
                continue
            direction = own.vectors.double()
            lengths = (direction**2).sum(dim=1)
            along = ((stream - self._mean(name, language)) * direction).sum(dim=1) / lengths.clamp_min(1e-30)
            found[name] = [round(float(value), 4) for value in along.nan_to_num()]
        return found

    def attention(self, text: str, heads: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
        """Attention of some heads from the last token on every token of a text, with the tokens as they are written."""
        model = self._study.loaded.model
        [ids] = self._study.ids([text])
        patterns: dict[int, Float[torch.Tensor, "head token"]] = {}

        def reader(layer: int) -> Any:
            def hook(pattern: torch.Tensor, hook: Any) -> None:
                patterns[layer] = pattern[0, :, -1].float().cpu()

            return hook

        shown = list(heads)[:MOST_HEADS]
        hooks = [(f"blocks.{layer}.attn.hook_pattern", reader(layer)) for layer in {layer for layer, _ in shown}]
        with torch.inference_mode():
            model.run_with_hooks(torch.tensor([ids], device=device_of(model)), return_type=None, fwd_hooks=hooks)
        words = self._words(ids)
        return [
            {
                "layer": layer,
                "head": head,
                "words": words,
                "weights": [round(float(w), 4) for w in patterns[layer][head]],
            }
            for layer, head in shown
            if layer in patterns
        ]

    def _words(self, ids: Sequence[int]) -> list[str]:
        """What every token adds to the text; empty where a character is not whole yet."""
        decode = self._study.loaded.model.tokenizer.decode
        whole = [str(decode(list(ids[:end]))).rstrip("\ufffd") for end in range(len(ids) + 1)]
        return [after[len(before) :] for before, after in itertools.pairwise(whole)]

    def _mean(self, direction: str, language: str) -> Float[torch.Tensor, "layer d_model"]:
        key = direction, language
        if key not in self._means:
            study = self._study
            texts = (
                study.universal_texts(language, "fit") if direction == "en" else study.cultural_texts(language, "fit")
            )
            evenly = texts[:: -(-len(texts) // MOST_TEXTS)]  # rows of a dataset stand by relation
            self._means[key] = study.read(evenly)[1:].double().mean(dim=1)
        return self._means[key]
