"""Replay steps a HookedTransformer's blocks: the reference's log-likelihoods, whatever the plan, batch or padding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interp.data import Prompt
from interp.errors import Notice
from interp.model.step import Unsteppable, blocks_of
from interp.model.step._hooked_blocks import HookedBlocks
from interp.steering import generate
from interp.steering.engine import replay_of, score
from tests.hooked.building import build
from tests.hooked.cases import Reference, texts
from tests.parity.test_replay import ENDINGS, LIMIT, plans_for


@pytest.fixture(scope="module")
def prompts() -> list[Prompt]:
    """Ragged prompts, some behind shared examples."""
    some = texts()[::11]
    shots = " ".join(some[:2])
    ragged = [Prompt(str(i), "en", text, ENDINGS) for i, text in enumerate(some[:3])]
    return ragged + [Prompt(f"shot {i}", "en", f"{shots} {text}", ENDINGS[:3]) for i, text in enumerate(some[2:4])]


@pytest.fixture
def steppable(hooked: Any, kind: str) -> Any:
    if kind == "bloom":
        pytest.skip("ALiBi is not replayed")
    return hooked


def test_replay_is_the_reference(steppable: Any, prompts: list[Prompt]) -> None:
    plans = plans_for(steppable)
    assert replay_of(steppable) is not None
    assert isinstance(blocks_of(steppable), HookedBlocks)
    expected = score(steppable, prompts, plans, engine="reference").logp
    for settings in ({}, {"batch_size": 1}):
        assert np.abs(score(steppable, prompts, plans, **settings).logp - expected).max() <= LIMIT


def test_kept_keys_and_values_change_no_token(steppable: Any, prompts: list[Prompt]) -> None:
    plans = plans_for(steppable)[:4]
    fast, slow = (
        generate(steppable, [prompt.text for prompt in prompts], plans, max_new_tokens=12, stop=None, engine=engine)
        for engine in ("replay", "reference")
    )
    assert fast == slow


def test_replay_does_not_touch_the_model(steppable: Any, prompts: list[Prompt]) -> None:
    before = [dict(vars(block.attn)) for block in steppable.blocks]
    score(steppable, prompts, plans_for(steppable))
    assert [set(vars(block.attn)) for block in steppable.blocks] == [set(known) for known in before]


def test_the_tokenizers_padding_side_does_not_matter(
    steppable: Any, reference: Reference, prompts: list[Prompt]
) -> None:
    plans = plans_for(steppable)[:6]
    left = build(reference.checkpoint, padding_side="left")
    assert replay_of(left) is not None
    expected = score(steppable, prompts, plans, engine="reference").logp
    assert np.abs(score(left, prompts, plans).logp - expected).max() <= LIMIT


def test_folded_weights_are_replayed(processed: Any, kind: str, prompts: list[Prompt]) -> None:
    if kind == "bloom":
        pytest.skip("ALiBi is not replayed")
    plans = plans_for(processed)
    assert replay_of(processed) is not None
    expected = score(processed, prompts, plans, engine="reference").logp
    assert np.abs(score(processed, prompts, plans).logp - expected).max() <= LIMIT


def test_angles_grow_with_the_prompts(
    steppable: Any, reference: Reference, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformer_lens.components.abstract_attention import AbstractAttention

    if steppable.cfg.positional_embedding_type != "rotary":
        pytest.skip("it has no angles")
    expected = score(steppable, prompts, engine="reference").logp
    monkeypatch.setattr(AbstractAttention, "ROTARY_INITIAL_CACHE_SIZE", 8)
    small = build(reference.checkpoint)
    blocks = blocks_of(small)
    assert small.blocks[0].attn.rotary_cos.shape[0] == 8
    assert replay_of(small) is not None
    assert np.abs(score(small, prompts).logp - expected).max() <= LIMIT
    assert len(blocks) == small.cfg.n_layers


def test_alibi_goes_plan_by_plan_with_a_notice(reference_folder: Path, prompts: list[Prompt]) -> None:
    model = build(Reference.read(reference_folder, "bloom").checkpoint)
    with pytest.raises(Unsteppable, match="alibi"):
        blocks_of(model)
    with pytest.warns(Notice, match="alibi"):
        score(model, prompts)


def test_attention_that_looks_ahead_is_refused(steppable: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steppable.cfg, "attention_dir", "bidirectional")
    with pytest.raises(Unsteppable, match="bidirectional"):
        blocks_of(steppable)
