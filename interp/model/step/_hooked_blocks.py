"""Step a HookedTransformer's blocks (TransformerLens 3) as `Blocks` steps a bridge's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float

from interp.model import HookedModel, is_bridge
from interp.model.step._blocks import Blocks, Cache, Hidden, Places, Stepper, Unsteppable, repeated


def blocks_of(model: HookedModel) -> Stepper:
    """The blocks of a bridge or of a HookedTransformer; raises Unsteppable if stepping them would not be safe."""
    return Blocks(model) if is_bridge(model) else HookedBlocks(model)


class HookedBlocks(Stepper):
    """The blocks of a `HookedTransformer`. Raises Unsteppable if stepping would not be safe.

    Its attention knows positions by order alone, so rotation and mask are replaced while a block runs; keys are kept
    before their rotation, as it keeps them.
    """

    def __init__(self, model: HookedModel) -> None:
        _refuse(model)
        super().__init__(model)
        self._grids: dict[tuple[str, int], torch.Tensor] = {}

    def _forward(self, tokens: torch.Tensor) -> None:
        everything: Any = {"attention_mask": torch.ones_like(tokens)}  # else a left-padding tokenizer shifts positions
        self.model(tokens, return_type=None, **everything)

    def _call(self, layer: int, hidden: Hidden, places: Places, cache: Cache, times: int) -> Any:
        attention = self.blocks[layer].attn
        grid = self._grid(attention, places.length)
        visible = places.once(
            grid,
            times,
            lambda: repeated(grid[places.queries[:, :, None], places.keys[:, None, :]] & places.visible, times)[
                :, None
            ],
        )

        def mask(scores: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
            return torch.where(visible, scores, attention.IGNORE)

        with _methods(attention, apply_rotary=_rotation(attention, places, times), apply_causal_mask=mask):
            return self.blocks[layer](hidden, past_kv_cache_entry=_Entry(cache, hidden))

    def _grid(self, attention: Any, length: int) -> torch.Tensor:
        """Which position reads which in a plain sequence; the model's own masks and angles are made long enough."""
        if attention.cfg.positional_embedding_type == "rotary" and attention.rotary_cos.shape[0] < length:
            attention.apply_rotary(torch.zeros(1, length, 1, attention.cfg.d_head, device=self.device))
        key = (attention.attn_type, length)
        if key not in self._grids:
            if len(self._grids) >= 32:
                self._grids.pop(next(iter(self._grids)))
            scores = torch.zeros(1, 1, length, length, device=self.device)
            self._grids[key] = attention.apply_causal_mask(scores)[0, 0].isfinite()
        return self._grids[key]


class _Entry:
    """What a block takes for its cache of keys and values, [row, position, head, d_head]."""

    def __init__(self, cache: Cache, hidden: Hidden) -> None:
        self._cache = cache
        self.past_keys = hidden[:, :0]

    def append(self, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """All keys and values that the block reads."""
        every, read = self._cache.update(keys.transpose(1, 2), values.transpose(1, 2))
        return every.transpose(1, 2), read.transpose(1, 2)


def _rotation(attention: Any, places: Places, times: int) -> Callable[..., torch.Tensor]:
    """Rotate by the places: a block turns its queries first, then its keys."""
    turns: Iterator[torch.Tensor] = iter((places.queries, places.keys))

    def rotate(
        x: Float[torch.Tensor, "row node head d_head"], *args: Any, **kwargs: Any
    ) -> Float[torch.Tensor, "row node head d_head"]:
        at = repeated(next(turns), times)
        cos, sin = (table[at][:, :, None] for table in (attention.rotary_cos, attention.rotary_sin))
        turned, rest = x.tensor_split([attention.cfg.rotary_dim], dim=-1)
        return torch.cat([turned * cos + attention.rotate_every_two(turned) * sin, rest], dim=-1)

    return rotate


@contextmanager
def _methods(module: torch.nn.Module, **methods: Callable[..., Any]) -> Iterator[None]:
    """A module with other methods for a while."""
    vars(module).update(methods)
    try:
        yield
    finally:
        for name in methods:
            del vars(module)[name]


def _refuse(model: HookedModel) -> None:
    """Raise Unsteppable for what `HookedBlocks` doesn't know."""
    attentions = [getattr(block, "attn", None) for block in getattr(model, "blocks", ())]
    if not attentions or not all(hasattr(attention, "apply_causal_mask") for attention in attentions):
        raise Unsteppable("it is neither a TransformerBridge nor a HookedTransformer")
    cfg = model.cfg
    if cfg.positional_embedding_type not in ("standard", "rotary"):
        raise Unsteppable(f"its positions are of the kind {cfg.positional_embedding_type}")
    if cfg.attention_dir != "causal":
        raise Unsteppable(f"its attention is {cfg.attention_dir}")
    if cfg.use_dynamic_ntk_rope or cfg.use_logn_attn:
        raise Unsteppable("its attention depends on the length of the sequence")
    if cfg.n_devices > 1:
        raise Unsteppable(f"it is spread over {cfg.n_devices} devices")
    if cfg.normalization_type is None:
        raise Unsteppable("it has no ln_final")
