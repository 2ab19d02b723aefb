"""A HookedTransformer chooses what the bridge chooses, steered and not."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

from interp.errors import Notice
from interp.model.read import one_batch
from interp.steering import steered
from interp.steering.engine import Scores, score
from tests.hooked.cases import Note, Reference, plans, prompts

LIMIT = 1e-4


def choices(scores: Scores, logp: np.ndarray) -> list[list[int]]:
    """The best option of every prompt under every plan, per byte."""
    values, cuts = logp / scores.bytes, scores.starts[1:-1]
    return [[int(part.argmax()) for part in np.split(row, cuts)] for row in values]


@pytest.mark.parametrize("engine", ["reference", "replay"])
def test_scores_and_choices_are_the_bridges(
    hooked: Any, reference: Reference, kind: str, engine: Any, note: Note
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if kind == "bloom" else "error", Notice)  # ALiBi is not replayed
        found = score(hooked, prompts(), plans(reference.vectors), engine=engine)
    apart = float(np.abs(found.logp - reference.logp).max())
    note(f"log-likelihoods, {engine}", apart)
    assert apart <= LIMIT
    assert choices(found, found.logp) == choices(found, reference.logp)
    assert np.abs(reference.logp[1:] - reference.logp[0]).max() > 0.1  # the plans do something


def test_batches_do_not_matter(hooked: Any, reference: Reference) -> None:
    found = score(hooked, prompts()[:8], plans(reference.vectors), engine="reference", batch_size=1).logp
    assert np.abs(found - reference.logp[:, : found.shape[1]]).max() <= LIMIT


def test_steering_ends_with_its_block(hooked: Any, reference: Reference) -> None:
    batch = one_batch(hooked, ["hello world"])
    tokens = batch.tokens
    before = hooked(tokens)
    with steered(hooked, plans(reference.vectors)[1], batch):
        inside = hooked(tokens)
    assert (inside - before).abs().max() > 1e-3
    assert torch.equal(hooked(tokens), before)
