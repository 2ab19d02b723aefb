"""Tiny models to train, and a little data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interp.alignment import TrainingData
from interp.alignment._pairs import universal_units
from tests.conftest import write_tiny


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny random model of an architecture, written once."""
    known: dict[str, Path] = {}

    def folder(architecture: str) -> Path:
        if architecture not in known:
            known[architecture] = write_tiny(architecture, tmp_path_factory.mktemp(architecture))
        return known[architecture]

    return folder


@pytest.fixture(scope="session")
def small_data() -> TrainingData:
    """Forty questions of the fit split in three languages."""
    from interp.data import atlas

    codes = ("en", "es", "ko")
    facts = atlas.universal()
    units = universal_units(facts, "fit", codes)[::6][:40]
    return TrainingData({"atlas": ""}, codes[1:], tuple(units), tuple(universal_units(facts, "dev", codes)[:6]))


@pytest.fixture
def adapted_of(tiny_checkpoint: Callable[[str], Path]) -> Callable[..., Any]:
    """A fresh adapted model of an architecture, with its encoder."""
    pytest.importorskip("peft")
    import torch

    from interp.alignment import load_trainable, settings_for
    from interp.alignment._encoding import Encoder
    from interp.alignment._forwards import Adapted
    from interp.alignment._lora import add_lora, find_decoder
    from interp.model.read import Template

    def make(architecture: str, method: str = "instruct", **given: Any) -> tuple[Adapted, Encoder]:
        trainable = load_trainable(str(tiny_checkpoint(architecture)), "cpu")
        decoder = find_decoder(trainable.model)
        torch.manual_seed(0)
        adapted = Adapted(add_lora(trainable.model, settings_for(method, **given)), decoder)
        return adapted, Encoder(trainable.tokenizer, trainable.longest, Template())

    return make
