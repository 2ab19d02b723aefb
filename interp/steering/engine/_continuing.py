"""Continue prompts token by token under a plan: every block's keys and values are kept, so a token is read once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int

from interp.errors import ModelError
from interp.model.read import Batch
from interp.model.step import KeysValues, Places, lean, replaced
from interp.steering import Plan
from interp.steering.engine._replay import Replay


def not_finite(plan: Plan) -> ModelError:
    """That a plan's logits overflowed or are not numbers, so that no token is the likeliest."""
    steers = ", ".join(f"layer {steer.layer} at strength {steer.strength:g}" for steer in plan.steers) or "no steering"
    return ModelError(
        f"the model's logits are not finite under {steers}",
        remedy="steer more weakly, or compute in float32 or bfloat16",
    )


class Continuation:
    """The rows of a batch, which go on under a plan. `next` gives every row's most likely next token, `read` reads one.

    room: how many tokens may follow the longest prompt. The slow twin reads whole sequences anew for every token.
    """

    @torch.inference_mode()
    def __init__(self, replay: Replay, plan: Plan, batch: Batch, room: int) -> None:
        self._replay, self._plan, self._lean = replay, plan, lean(replay.model)
        rows, length = batch.tokens.shape
        self._length = min(length + room, int(replay.model.cfg.n_ctx))
        self._ends: Int[torch.Tensor, "row"] = batch.real.sum(dim=1)
        self._keys = torch.arange(length, device=batch.tokens.device).expand(rows, -1)
        self._real = batch.real
        before = torch.ones(length, length, dtype=torch.bool, device=batch.tokens.device).tril()
        places = Places(self._length, self._keys, self._keys, before.expand(rows, -1, -1))
        self._kept: list[KeysValues | None] = [None] * len(replay.blocks)
        stream = self._through(batch.tokens, places, [batch.at(steer.positions) for steer in plan.steers])
        self._tips = stream[torch.arange(rows, device=stream.device), (self._ends - 1).to(stream.device)]

    @torch.inference_mode()
    def next(self) -> list[int]:
        """The most likely next token of every row."""
        unembedding = self._replay.unembedding
        best = torch.full((len(self._tips),), -torch.inf)
        found = torch.zeros(len(self._tips), dtype=torch.long)
        for words, logits in unembedding.logits(unembedding.normed(self._tips), unembedding.every):
            highest, place = (part.cpu() for part in logits.max(dim=-1))
            better = highest > best
            best, found = torch.where(better, highest, best), torch.where(better, place + words.start, found)
        if not bool(torch.isfinite(best).all()):
            raise not_finite(self._plan)
        tokens: list[int] = found.tolist()
        return tokens

    @torch.inference_mode()
    def read(self, tokens: Sequence[int]) -> None:
        """Read one more token of every row."""
        device = self._keys.device
        here = self._ends[:, None]
        self._keys = torch.cat([self._keys, here], dim=1)
        self._real = torch.cat([self._real, torch.ones_like(here, dtype=torch.bool)], dim=1)
        places = Places(self._length, here, self._keys, self._real[:, None])
        stream = self._through(torch.tensor(tokens, device=device)[:, None], places, [None] * len(self._plan.steers))
        self._ends, self._tips = self._ends + 1, stream[:, 0]

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with some of the rows, by their places."""
        chosen = torch.tensor(rows, device=self._keys.device)
        self._ends, self._keys, self._real = self._ends[chosen], self._keys[chosen], self._real[chosen]
        self._tips = self._tips[chosen.to(self._tips.device)]
        self._kept = [kept and KeysValues(*(part[chosen.to(part.device)] for part in kept)) for kept in self._kept]

    def _through(
        self, tokens: Int[torch.Tensor, "row node"], places: Places, masks: Sequence[torch.Tensor | None]
    ) -> Float[torch.Tensor, "row node d_model"]:
        """The stream after the last block. masks: of each steer, where it acts; None for every node."""
        blocks = self._replay.blocks
        with replaced(self._lean):
            stream = blocks.embed(tokens.flatten(), places.queries.flatten()).unflatten(0, tokens.shape)
            for layer in range(len(blocks)):
                stream, self._kept[layer] = blocks.step(layer, stream, places, self._kept[layer])
                for steer, mask in zip(self._plan.steers, masks, strict=True):
                    if steer.layer == layer:
                        moved = steer(stream)
                        stream = moved if mask is None else torch.where(mask[..., None].to(moved.device), moved, stream)
        return stream
