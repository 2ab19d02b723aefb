"""One forward of a few tokens at load: do a model's hooks read the residual stream, and does a steer move the logits?

An architecture can have all hook points and call none of them; every score would then be the unsteered one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int

from interp.errors import ModelError, reason_of
from interp.model import HookedModel, NamedHook, device_of, dtype_of, embedding_rows, is_bridge, resid_post, resid_pre

LENGTH, LATER = 6, 2
"""Tokens of a row, and how many of the last ones differ in the row that shows whether the model is causal."""

NOISE = {torch.float32: 1e-3, torch.float64: 1e-3}
HALF_NOISE = 0.05
"""The largest difference that is rounding, as a share of the spread of the logits or of the norm of the stream."""

CHAIN = 0.1
"""Norm of a steer at every block, as a share of the stream's: fifty of them add up to a quarter of it."""

PLAIN, FIRST, LAST, EVERY, OTHER = range(5)
"""Rows: unsteered; steered after the first block, after the last, after every block; unsteered, other last tokens."""

Stream = Float[torch.Tensor, "row pos d_model"]


def check_hooks_work(model: HookedModel) -> None:
    """Raise ModelError unless the hooks of the residual stream work as reading and steering need them.

    One forward of five rows of six tokens, however deep the model: the stream after every block and before the first
    is read, once, as [row, pos, d_model]; on a bridge it is Transformers' own hidden state; what a hook returns is what
    the next block gets, and a steer after the first and after the last block moves the logits; the logits are numbers,
    and those of a token don't depend on later tokens. Where something stands between two blocks, the steer after the
    first of them is tried on its own.
    """
    trial = _Trial(model)
    logits = trial.run()
    trial.refuse_unread()
    noise = NOISE.get(dtype_of(model), HALF_NOISE)
    if logits.isnan().any():
        _refuse("its logits are not finite", "load it in bfloat16 or float32, or choose another model")
    if trial.apart(logits, PLAIN, OTHER, slice(0, LENGTH - LATER)) > noise:
        _refuse("the logits of a token depend on later tokens, so it is not a causal language model")
    trial.refuse_other_streams(noise)
    layers = range(int(model.cfg.n_layers))
    still = [layer for row, layer in ((FIRST, layers[0]), (LAST, layers[-1])) if not trial.moved(logits, row, noise)]
    unsure = [layer for layer in layers[:-1] if not trial.arrives(layer)]
    for layer in unsure:
        alone = _Trial(model, {EVERY: (layer,)})
        if not alone.moved(alone.run(), EVERY, noise):
            still.append(layer)
    if still:
        _refuse(f"adding a vector to the stream after block {min(still)} does not change the logits")


def _refuse(reason: str, remedy: str = "choose another model") -> None:
    raise ModelError(
        f"this model can't be read and steered: {reason}",
        allowed="causal language models whose blocks TransformerLens hooks",
        remedy=remedy,
    )


@dataclass
class _Trial:
    """A forward, and what its hooks were given and gave back, by layer. steered: the layers of each steered row."""

    model: HookedModel
    steered: dict[int, Sequence[int]] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    entering: dict[int, Stream] = field(default_factory=dict)
    leaving: dict[int, Stream] = field(default_factory=dict)
    returned: dict[int, Stream] = field(default_factory=dict)
    hidden: Sequence[Stream] = ()

    def __post_init__(self) -> None:
        layers = range(int(self.model.cfg.n_layers))
        self.steered = self.steered or {FIRST: layers[:1], LAST: layers[-1:], EVERY: layers}

    def run(self) -> Float[torch.Tensor, "row pos vocabulary"]:
        """The logits, float32."""
        layers = range(int(self.model.cfg.n_layers))
        hooks: list[NamedHook] = [(resid_post(layer), self._after(layer)) for layer in layers]
        known = self.model.hook_dict
        hooks += [(resid_pre(layer), self._before(layer)) for layer in layers if resid_pre(layer) in known]
        more: dict[str, Any] = {"output_hidden_states": True} if is_bridge(self.model) else {}
        try:
            with torch.inference_mode(), self._hidden_states():
                logits = self.model.run_with_hooks(self._tokens(), return_type="logits", fwd_hooks=hooks, **more)
        except Exception as error:  # every architecture's own kind
            reason = reason_of(error)
            raise ModelError(
                f"this model can't be read and steered: a forward of {LENGTH} tokens fails ({reason})",
                remedy="choose another model",
            ) from error
        return logits.float()

    def _tokens(self) -> Int[torch.Tensor, "row pos"]:
        """The same ordinary tokens in every row, but for the last ones of the row OTHER."""
        rows = embedding_rows(self.model)
        words = [(rows // 3 + 7 * number) % rows for number in range(LENGTH + LATER)]
        tokens = torch.tensor([words[:LENGTH]] * 5, device=device_of(self.model))
        tokens[OTHER, -LATER:] = torch.tensor(words[LENGTH:], device=tokens.device)
        return tokens

    @contextmanager
    def _hidden_states(self) -> Iterator[None]:
        """Keep what Transformers' model says of its hidden states."""
        if not is_bridge(self.model):
            yield
            return

        def keep(module: torch.nn.Module, args: Any, output: Any) -> None:
            self.hidden = getattr(output, "hidden_states", None) or ()

        handle = self.model.original_model.register_forward_hook(keep)  # type: ignore[attr-defined]
        try:
            yield
        finally:
            handle.remove()

    def _looked_at(self, name: str, stream: Any) -> bool:
        """Count a call; whether it brought a stream."""
        self.calls[name] = self.calls.get(name, 0) + 1
        self.shapes[name] = tuple(getattr(stream, "shape", ()))
        return self.shapes[name] == (5, LENGTH, int(self.model.cfg.d_model))

    def _before(self, layer: int) -> Callable[..., None]:
        def hook(stream: torch.Tensor, hook: Any) -> None:
            if self._looked_at(resid_pre(layer), stream):
                self.entering[layer] = stream.detach().clone()

        return hook

    def _after(self, layer: int) -> Callable[..., torch.Tensor | None]:
        generator = torch.Generator().manual_seed(layer)
        direction = torch.nn.functional.normalize(torch.randn(int(self.model.cfg.d_model), generator=generator), dim=0)

        def hook(stream: torch.Tensor, hook: Any) -> torch.Tensor | None:
            if not self._looked_at(resid_post(layer), stream):
                return None
            self.leaving[layer] = stream.detach().clone()
            moved = stream.clone()
            for row, layers in self.steered.items():
                if layer in layers:
                    size = stream[row].float().norm(dim=-1, keepdim=True) * (CHAIN if len(layers) > 1 else 1.0)
                    moved[row] += (size * direction.to(stream.device)).to(stream.dtype)
            self.returned[layer] = moved
            return moved

        return hook

    def refuse_unread(self) -> None:
        """Raise ModelError for a hook that is called more or less than once, or with something else than the stream."""
        names = [resid_pre(0), *(resid_post(layer) for layer in range(int(self.model.cfg.n_layers)))]
        for name in names:
            calls = self.calls.get(name, 0)
            if calls != 1:
                _refuse(f"its hook {name} is called {calls} times in a forward, not once")
            width = int(self.model.cfg.d_model)
            if self.shapes[name] != (5, LENGTH, width):
                _refuse(f"its hook {name} reads {list(self.shapes[name])}, not [5, {LENGTH}, {width}]")

    def refuse_other_streams(self, noise: float) -> None:
        """Raise ModelError where Transformers' hidden states are not what the hooks read.

        The last hidden state is left out: in most architectures it has passed the final norm. Some (Mamba) leave out
        the embedding and give the stream after the last block twice, with and without that norm.
        """
        n_layers = int(self.model.cfg.n_layers)
        if len(self.hidden) != n_layers + 1:
            return
        after = [self.leaving[layer] for layer in range(n_layers)]
        wrong = [_first_apart(read, self.hidden, noise) for read in ([self.entering[0], *after[:-1]], after)]
        if None not in wrong:
            where = f"after block {wrong[0] - 1}" if wrong[0] else "before block 0"
            _refuse(f"the value that its hook reads {where} differs from the hidden state of Transformers")

    def arrives(self, layer: int) -> bool:
        """Whether the next block gets what the hook after block `layer` gave back."""
        if layer + 1 not in self.entering:
            return False
        got, given, without = (s[layer_][EVERY].float().cpu() for s, layer_ in (
            (self.entering, layer + 1), (self.returned, layer), (self.leaving, layer)
        ))  # fmt: skip
        return bool((got - given).norm() < 0.01 * (given - without).norm())

    def moved(self, logits: torch.Tensor, row: int, noise: float) -> bool:
        """Whether a steered row's logits differ from the unsteered ones."""
        return self.apart(logits, PLAIN, row, slice(None)) > noise

    def apart(self, logits: torch.Tensor, one: int, other: int, positions: slice) -> float:
        """The largest difference of two rows' logits, in spreads of a row's logits; masked words don't count."""
        pair = logits[[one, other]][:, positions]
        masked = pair.isinf().any(dim=0)
        spread = pair[0][~masked].std()
        return float((pair[0] - pair[1])[~masked].abs().max() / spread.clamp_min(torch.finfo(spread.dtype).tiny))


def _first_apart(streams: Sequence[Stream], hidden: Sequence[Stream], noise: float) -> int | None:
    """The number of the first stream that is not its hidden state; None if all are."""
    for number, (stream, expected) in enumerate(zip(streams, hidden, strict=False)):
        ours, theirs = stream[PLAIN].float(), expected[PLAIN].float().to(stream.device)
        if ours.shape != theirs.shape or not (ours - theirs).norm() <= noise * theirs.norm():
            return number
    return None
