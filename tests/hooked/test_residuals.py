"""A HookedTransformer's residual stream is the bridge's, read in any batch, and leaves no trace on the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from interp.errors import ModelError
from interp.model.attribution import require_bridge
from interp.model.load import fingerprint, load_model
from interp.model.load._loading import check_hooked
from interp.model.read import read_residuals, residual_moments, store_residuals
from tests.hooked.building import build
from tests.hooked.cases import Note, Reference, texts

LIMIT = 1e-4


def test_residuals_are_the_bridges(hooked: Any, reference: Reference, kind: str, note: Note) -> None:
    apart = (read_residuals(hooked, texts()) - reference.last).abs().max().item()
    note(f"residuals, {'organism' if kind == 'organism' else 'random models'}", apart)
    assert apart <= LIMIT
    assert (read_residuals(hooked, texts(), position="mean") - reference.mean).abs().max() <= LIMIT


def test_batches_do_not_matter(hooked: Any, reference: Reference) -> None:
    for size in (1, 7):
        assert (read_residuals(hooked, texts()[:20], batch_size=size) - reference.last[:, :20]).abs().max() <= LIMIT


def test_the_tokenizers_padding_side_does_not_matter(reference: Reference) -> None:
    left = build(reference.checkpoint, padding_side="left")
    assert left.tokenizer.padding_side == "left"
    assert (read_residuals(left, texts(), batch_size=5) - reference.last).abs().max() <= LIMIT


def test_some_layers_alone(hooked: Any, reference: Reference) -> None:
    found = read_residuals(hooked, texts()[:9], layers=(1, -1))
    assert (found - reference.last[[2, 0], :9]).abs().max() <= LIMIT


def test_a_store_goes_on_after_the_model_was_used(hooked: Any, reference: Reference, tmp_path: Path) -> None:
    first = fingerprint(hooked)
    store = store_residuals(hooked, texts()[:30], tmp_path, shard_size=10)
    (tmp_path / "residuals-00001.safetensors").unlink()
    hooked(torch.ones(1, 90, dtype=torch.long))
    assert fingerprint(hooked) == first
    again = store_residuals(hooked, texts()[:30], tmp_path, shard_size=10)
    for layer, whole in enumerate(again):
        assert np.abs(whole - reference.last[layer, :30].numpy()).max() <= LIMIT
    assert store.layers == again.layers


def test_moments_are_those_of_the_residuals(hooked: Any, reference: Reference) -> None:
    moments = residual_moments(hooked, texts())
    assert np.allclose(moments.mean, reference.last.double().mean(dim=1).numpy(), atol=LIMIT)


def test_weights_tell_models_apart(hooked: Any, processed: Any) -> None:
    assert fingerprint(hooked) != fingerprint(processed)


def test_it_loads_as_an_object(hooked: Any) -> None:
    loaded = load_model(hooked)
    assert loaded.model is hooked
    assert loaded.name == hooked.cfg.model_name
    assert loaded.exposure is None
    check_hooked(hooked, "organism")


def test_attribution_says_what_it_needs(hooked: Any) -> None:
    with pytest.raises(ModelError, match=r"HookedTransformer|transformer-lens 4"):
        require_bridge(hooked)
