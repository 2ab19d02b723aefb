"""What can be stepped is a bridge or a HookedTransformer; `tests/hooked` has the real ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from interp.model import LoadedModel
from interp.model.step import Unsteppable, blocks_of
from interp.model.step._blocks import Blocks


def test_a_bridge_is_stepped_as_one(organism: LoadedModel) -> None:
    assert isinstance(blocks_of(organism.model), Blocks)


@pytest.mark.parametrize("blocks", [[], [SimpleNamespace()], [SimpleNamespace(attn=SimpleNamespace())]])
def test_anything_else_is_refused(blocks: list[Any]) -> None:
    model: Any = SimpleNamespace(blocks=blocks)
    with pytest.raises(Unsteppable, match="neither a TransformerBridge nor a HookedTransformer"):
        blocks_of(model)
