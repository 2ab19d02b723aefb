"""Where replay would not be safe, the reference scores, and says so once."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from interp.data import Prompt
from interp.errors import Notice
from interp.model import HookedModel
from interp.model.load import load_model, organism_folder
from interp.model.step._blocks import Blocks
from interp.steering import Plan, Steer
from interp.steering.engine import _replay as replay
from interp.steering.engine import replay_of, score

PROMPTS = [Prompt(str(i), "en", f"What is {i}? Answer:", (" Paris", " Rome 2")) for i in range(3)]
PLAN = Plan((Steer(1, torch.ones(128), 0.5),))


@pytest.fixture
def fresh() -> HookedModel:
    """A model that nothing has checked yet."""
    return load_model(str(organism_folder()), device="cpu").model


def test_a_stepped_model_says_nothing(fresh: HookedModel) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        score(fresh, PROMPTS, [PLAN])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"is_encoder_decoder": True}, "an encoder-decoder model"),
        ({"num_kv_shared_layers": 2}, "share the keys and values"),
        ({"layer_types": ["full_attention", "linear_attention"]}, "blocks of the kind linear_attention"),
        ({"_attn_implementation_internal": "sdpa"}, "it uses sdpa attention"),
    ],
)
def test_structures_that_can_not_be_stepped_fall_back_once(fresh: HookedModel, change: dict, reason: str) -> None:
    config = fresh.original_model.config
    kept = {key: getattr(config, key, None) for key in change}
    vars(config).update(change)
    try:
        with pytest.warns(Notice, match=reason):
            assert replay_of(fresh) is None
    finally:
        vars(config).update(kept)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        found = score(fresh, PROMPTS, [PLAN])
    assert np.array_equal(found.logp, score(fresh, PROMPTS, [PLAN], engine="reference").logp)


def test_a_model_that_steps_wrongly_is_found_out(fresh: HookedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """One position off in the rotary angles: no error anywhere, only other numbers."""
    right = Blocks._encoding
    monkeypatch.setattr(
        Blocks, "_encoding", lambda self, plain, places, times: right(self, plain.roll(1, dims=1), places, times) * 0.5
    )
    with pytest.warns(Notice, match="changes log-likelihoods by"):
        found = score(fresh, PROMPTS, [PLAN])
    assert np.array_equal(found.logp, score(fresh, PROMPTS, [PLAN], engine="reference").logp)


def test_hooks_of_the_users_stay_in_force(fresh: HookedModel) -> None:
    plain = score(fresh, PROMPTS).logp
    with fresh.hooks(fwd_hooks=[("blocks.2.hook_resid_post", lambda stream, hook: stream + 1.0)]):
        with pytest.warns(Notice, match="has hooks attached"):
            hooked = score(fresh, PROMPTS).logp
        assert np.array_equal(hooked, score(fresh, PROMPTS, engine="reference").logp)
    assert np.abs(hooked - plain).max() > 0.1
    assert np.array_equal(score(fresh, PROMPTS).logp, plain)


def test_a_model_that_moved_is_stepped_anew(fresh: HookedModel) -> None:
    before = replay_of(fresh)
    fresh.to(torch.float64)
    found = score(fresh, PROMPTS, [PLAN]).logp
    assert replay_of(fresh) is not before
    assert np.abs(found - score(fresh, PROMPTS, [PLAN], engine="reference").logp).max() < 1e-5


def test_models_are_freed(fresh: HookedModel) -> None:
    import gc
    import weakref

    model = load_model(str(organism_folder()), device="cpu").model
    score(model, PROMPTS, [PLAN])
    there = weakref.ref(model)
    del model
    gc.collect()
    assert there() is None


def test_out_of_memory_halves_the_budget(fresh: HookedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = score(fresh, PROMPTS, [Plan(), PLAN]).logp
    run, failures = replay._Pass.run, [True, True]

    def run_out(self):
        if failures:
            failures.pop()
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run(self)

    monkeypatch.setattr(replay._Pass, "run", run_out)
    with pytest.warns(Notice, match="out of memory: continuing with") as notices:
        found = score(fresh, PROMPTS, [Plan(), PLAN]).logp
    assert len(notices) == 2
    assert np.abs(found - expected).max() < 1e-4


def test_progress_adds_up_to_the_plans(fresh: HookedModel) -> None:
    for engine in ("replay", "reference"):
        done: list[float] = []
        score(fresh, PROMPTS, [Plan(), PLAN, PLAN], engine=engine, batch_size=1, progress=done.append)
        assert sum(done) == pytest.approx(3.0)


def test_engines_are_named(fresh: HookedModel) -> None:
    with pytest.raises(ValueError, match="engine 'fast' is unknown; allowed: replay, reference"):
        score(fresh, PROMPTS, engine="fast")


@pytest.mark.slow
def test_compiled_gives_the_same(tmp_path: Path, fresh: HookedModel) -> None:
    found = score(fresh, PROMPTS, [Plan(), PLAN], compiled=True).logp
    assert np.abs(found - score(fresh, PROMPTS, [Plan(), PLAN], engine="reference").logp).max() < 1e-4
