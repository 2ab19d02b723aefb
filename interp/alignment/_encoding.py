"""Prompts and answers as padded token ids, with the answers marked."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from interp.data import Prompt
from interp.model.read import Batch, Ids, Template, Tokens, collate


class Encoder:
    """Token ids as the model is scored on them; an answered prompt goes through the chat template and ends with EOS.

    Raises ModelError for a text that is longer than `longest` tokens.
    """

    def __init__(self, tokenizer: Any, longest: int, template: Template, device: torch.device | str = "cpu") -> None:
        speaker: Any = SimpleNamespace(tokenizer=tokenizer, cfg=SimpleNamespace(n_ctx=longest))
        self._tokens = Tokens(speaker)
        self._template = template
        self._end: Ids = () if tokenizer.eos_token_id is None else (tokenizer.eos_token_id,)
        self._device = device

    def texts(self, texts: Sequence[str]) -> Batch:
        """Plain texts in a batch; `last` is each one's last token."""
        sequences = [self._tokens(text) for text in texts]
        return collate(sequences, [len(ids) for ids in sequences], self._device)

    def answered(self, pairs: Sequence[tuple[str, str]]) -> Batch:
        """(prompt, answer with its separator) pairs in a batch; `last` is the last token before what is answered.

        A token that joins a prompt with its answer belongs to the answer. Every answer ends with one EOS.
        """
        sequences, lengths = [], []
        for text, answer in pairs:
            prompt = self._template.prompt(Prompt("", "", text, (answer,)))
            before, (after,) = self._tokens.split(prompt.text, prompt.continuations)
            end = () if after[-1:] == self._end else self._end
            sequences.append((*before, *after, *end))
            lengths.append(len(before))
        return collate(sequences, lengths, self._device)


def answers(batch: Batch) -> Bool[Tensor, "batch pos"]:
    """The real tokens after each prompt."""
    positions = torch.arange(batch.tokens.shape[1], device=batch.tokens.device)
    return batch.real & (positions[None, :] > batch.last[:, None])
