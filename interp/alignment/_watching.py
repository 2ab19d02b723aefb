"""How well responses of the dev split are told, before and after: watched, never chosen by."""

from __future__ import annotations

import torch

from interp.alignment._encoding import Encoder
from interp.alignment._forwards import Adapted
from interp.alignment._pairs import TrainingData
from interp.data import shuffled

MOST_UNITS = 64
"""Units that are looked at, drawn by hash."""


@torch.no_grad()
def response_loss(model: Adapted, data: TrainingData, encoder: Encoder, batch: int) -> dict[str, float]:
    """Cross-entropy per response token on dev units, by language, first wording; empty without dev units."""
    units = {unit.key: unit for unit in data.dev}
    drawn = [units[key] for key in shuffled(list(units), "watch")[:MOST_UNITS]]
    losses = {}
    for code in ("en", *data.languages):
        pairs = [(unit.prompts[code][0], unit.answered(code)) for unit in drawn if unit.prompts.get(code)]
        logp = [model.answers(encoder.answered(pairs[i : i + batch])).logp for i in range(0, len(pairs), batch)]
        if logp:
            losses[code] = -torch.cat(logp).mean().item()
    return losses
