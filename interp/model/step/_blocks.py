"""Step a model block by block: any nodes at any positions, against any keys, without the model's own loop.

Transformers prepares every block's arguments (masks, rotary angles, ALiBi) for a plain sequence. `Blocks` lets it do
so once per length and gathers from the result, so that sliding windows, local and global layers and rotary bases are
the model's own. A node is a token at a position; which nodes read which is the caller's to say. That makes one call
serve ragged rows, options that branch from a shared prompt, and many steered versions of a prompt's last token.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from transformers.cache_utils import Cache as TransformersCache

from interp.model import HookedModel, device_of

Hidden = Float[torch.Tensor, "row node d_model"]
PROBE_LENGTH = 7


class Unsteppable(Exception):
    """Raised with the reason why a model's blocks can't be stepped one at a time."""


class KeysValues(NamedTuple):
    """Keys and values of one block, as its attention caches them: a bridge's with their positions encoded."""

    keys: Float[torch.Tensor, "row head key d_head"]
    values: Float[torch.Tensor, "row head key d_head"]


@dataclass
class Places:
    """Positions of the queries and of the keys of each row, and which key each query reads.

    length: more than every position; all places of one forward share it, as rotary angles may depend on it.
    """

    length: int
    queries: Int[torch.Tensor, "row query"]
    keys: Int[torch.Tensor, "row key"]
    visible: Bool[torch.Tensor, "row query key"]
    _known: dict[tuple[int, int], tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict, repr=False)

    def once(self, source: torch.Tensor, times: int, make: Callable[[], torch.Tensor]) -> torch.Tensor:
        """`make()`, made once per source tensor and number of repetitions (the source is kept alive with it)."""
        key = (id(source), times)
        if key not in self._known:
            self._known[key] = (source, make())
        return self._known[key][1]


class Stop(Exception):
    """Ends a forward whose needed part is done."""


class Cache:
    """Stands where a block looks for earlier keys and values; `stop` ends the block once it has its own."""

    def __init__(self, past: KeysValues | None, own: bool, stop: bool) -> None:
        self.past, self.own, self.stop = past, own, stop
        self.now: KeysValues | None = None

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """How many earlier keys there are."""
        return 0 if self.past is None else self.past.keys.shape[-2]

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Take a block's own keys and values; give all that it reads."""
        values = values.to(keys.dtype)  # as Transformers' cache: OLMo 2 rotates keys in float32
        if self.past is None:
            self.now = KeysValues(keys, values)
        elif not self.own:
            self.now = self.past
        else:
            self.now = KeysValues(_after(self.past.keys, keys), _after(self.past.values, values))
        if self.stop:
            raise Stop
        return self.now


def _after(past: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
    """`new` after `past`, key by key; each row of `past` serves an equal run of rows of `new`."""
    if past.shape[0] == new.shape[0]:
        return torch.cat([past, new], dim=-2)
    runs = new.unflatten(0, (past.shape[0], -1))
    return torch.cat([past.unsqueeze(1).expand(-1, runs.shape[1], -1, -1, -1), runs], dim=-2).flatten(0, 1)


@dataclass(frozen=True)
class _Call:
    """A block's arguments for a plain sequence."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Stepper(ABC):
    """A model's blocks, stepped one by one, in the terms of nodes and places."""

    def __init__(self, model: HookedModel) -> None:
        self.model = model
        self.blocks: Sequence[Any] = list(model.blocks)  # type: ignore[attr-defined]
        self.device = device_of(model)

    def __len__(self) -> int:
        return len(self.blocks)

    @abstractmethod
    def _call(self, layer: int, hidden: Hidden, places: Places, cache: Cache, times: int) -> Any:
        """Run a block on nodes, with `cache` where it looks for earlier keys and values."""

    def _forward(self, tokens: torch.Tensor) -> None:
        self.model(tokens, return_type=None)

    def embed(self, tokens: Int[torch.Tensor, "node"], positions: Int[torch.Tensor, "node"]) -> torch.Tensor:
        """The stream entering block 0 for single tokens at positions, [node, d_model]."""
        order: dict[tuple[int, int], int] = {}
        depth: dict[int, int] = {}
        cells = list(zip(tokens.tolist(), positions.tolist(), strict=True))
        for token, position in cells:
            if (token, position) not in order:
                order[token, position] = depth.get(position, 0)
                depth[position] = depth.get(position, 0) + 1
        rows = torch.zeros(max(depth.values()), max(depth) + 1, dtype=torch.long, device=self.device)
        index = torch.tensor([(row, position) for (_, position), row in order.items()], device=self.device)
        rows[index[:, 0], index[:, 1]] = torch.tensor([token for token, _ in order], device=self.device)
        streams: list[torch.Tensor] = []

        def keep(*args: Any, **kwargs: Any) -> Any:
            streams.append(args[0] if args else kwargs["hidden_states"])
            raise Stop

        with replaced({self.blocks[0]: keep}), suppress(Stop):
            self._forward(rows)
        pick = torch.tensor([(order[cell], cell[1]) for cell in cells], device=self.device)
        return streams[0][pick[:, 0], pick[:, 1]]

    def step(
        self,
        layer: int,
        hidden: Hidden,
        places: Places,
        past: KeysValues | None = None,
        *,
        times: int = 1,
        own: bool = True,
    ) -> tuple[Hidden, KeysValues]:
        """Block `layer` on a batch of nodes: the stream after it, and the keys and values that were read.

        past: earlier keys and values; each of its rows serves an equal run of the batch's rows. The keys of `places`
        are the past's, then the nodes' own; with `own` False the past holds those too. times: how often the rows of
        `places` repeat in the batch.
        """
        cache = Cache(past, own, stop=False)
        output = self._call(layer, hidden, places, cache, times)
        assert cache.now is not None
        return (output[0] if isinstance(output, tuple) else output), cache.now

    def keys_values(
        self, layer: int, hidden: Hidden, places: Places, past: KeysValues | None = None, *, times: int = 1
    ) -> KeysValues:
        """What `step` would return second, without attention and MLP."""
        cache = Cache(past, own=True, stop=True)
        with suppress(Stop):
            self._call(layer, hidden, places, cache, times)
        assert cache.now is not None
        return cache.now


class Blocks(Stepper):
    """The blocks of a `TransformerBridge`, stepped one by one. Raises Unsteppable if that would not be safe."""

    def __init__(self, model: HookedModel) -> None:
        refuse_by_structure(model)
        super().__init__(model)
        self.head_count = int(model.cfg.n_heads)
        self._plain: dict[int, list[_Call]] = {}
        self._tuples: list[int] = self._output_sizes()
        for call in self.plain(PROBE_LENGTH):
            _refuse_unknown_arguments(call, self.head_count)

    def _output_sizes(self) -> list[int]:
        """0 for a block that returns a bare tensor, else the length of its tuple."""
        sizes: list[int] = []

        def look(module: torch.nn.Module, args: Any, output: Any) -> None:
            sizes.append(len(output) if isinstance(output, tuple) else 0)

        handles = [block.register_forward_hook(look) for block in self.blocks]
        try:
            self.model(torch.zeros(1, PROBE_LENGTH, dtype=torch.long, device=self.device), return_type=None)
        finally:
            for handle in handles:
                handle.remove()
        if len(sizes) != len(self.blocks):
            raise Unsteppable(f"a forward runs {len(sizes)} blocks of {len(self.blocks)}")
        return sizes

    def plain(self, length: int) -> list[_Call]:
        """Every block's arguments for one row of positions 0 to `length` - 1, as the model prepares them."""
        if length not in self._plain:
            calls: list[_Call] = []

            def record(size: int) -> Callable[..., Any]:
                def forward(*args: Any, **kwargs: Any) -> Any:
                    calls.append(_Call(args[1:], {k: v for k, v in kwargs.items() if k != "hidden_states"}))
                    hidden = args[0] if args else kwargs["hidden_states"]
                    return (hidden, *[None] * (size - 1)) if size else hidden

                return forward

            tokens = torch.zeros(1, length, dtype=torch.long, device=self.device)
            with replaced({block: record(size) for block, size in zip(self.blocks, self._tuples, strict=True)}):
                self._until_unembedding(tokens)
            if len(self._plain) >= 32:
                self._plain.pop(next(iter(self._plain)))
            self._plain[length] = calls
        return self._plain[length]

    def _until_unembedding(self, tokens: torch.Tensor) -> None:
        def stop(module: torch.nn.Module, args: Any) -> None:
            raise Stop

        handle = self.model.unembed.register_forward_pre_hook(stop)  # type: ignore[attr-defined]
        try:
            self.model(tokens, return_type=None)
        except Stop:
            pass
        finally:
            handle.remove()

    def _call(self, layer: int, hidden: Hidden, places: Places, cache: Cache, times: int) -> Any:
        call = self.plain(places.length)[layer]
        args = [self._argument(value, places, cache, times) for value in call.args]
        kwargs = {name: self._argument(value, places, cache, times) for name, value in call.kwargs.items()}
        return self.blocks[layer](hidden, *args, **kwargs)

    def _argument(self, value: Any, places: Places, cache: Cache, times: int) -> Any:
        """A plain sequence's argument, gathered at the nodes' positions."""
        if isinstance(value, tuple):
            return tuple(self._argument(part, places, cache, times) for part in value)
        if isinstance(value, torch.Tensor):
            make = {4: self._mask, 3: self._encoding, 2: self._positions}[value.ndim]
            return places.once(value, times, lambda: make(value, places, times))
        return cache if isinstance(value, TransformersCache) else value

    def _mask(self, plain: torch.Tensor, places: Places, times: int) -> torch.Tensor:
        grid = plain[0, 0].to(places.queries.device)
        picked = grid[places.queries[:, :, None], places.keys[:, None, :]]
        hidden = False if plain.dtype == torch.bool else torch.finfo(plain.dtype).min
        return repeated(torch.where(places.visible, picked, hidden), times)[:, None]

    def _encoding(self, plain: torch.Tensor, places: Places, times: int) -> torch.Tensor:
        """Rotary angles [1, position, d] at the queries, or ALiBi [head, 1, position] at the keys."""
        if plain.shape[1] != 1:
            return repeated(plain[0].to(places.queries.device)[places.queries], times)
        rows = repeated(plain[:, 0].to(places.keys.device)[:, places.keys].transpose(0, 1), times)
        return rows.flatten(0, 1)[:, None]

    def _positions(self, plain: torch.Tensor, places: Places, times: int) -> torch.Tensor:
        return repeated(plain[0].to(places.queries.device)[places.queries], times)


def repeated(rows: torch.Tensor, times: int) -> torch.Tensor:
    """Rows `times` times over."""
    return rows if times == 1 else rows.repeat(times, *[1] * (rows.ndim - 1))


@contextmanager
def replaced(forwards: Forwards) -> Iterator[None]:
    """Context manager that replaces the `forward` of modules. It may be nested."""
    before = {module: vars(module).get("forward") for module in forwards}
    for module, forward in forwards.items():
        object.__setattr__(module, "forward", forward)
    try:
        yield
    finally:
        for module, earlier in before.items():
            if earlier is None:
                object.__delattr__(module, "forward")
            else:
                object.__setattr__(module, "forward", earlier)


Forwards = dict[torch.nn.Module, Callable[..., Any]]


def lean(model: HookedModel, compiled: bool = False) -> Forwards:
    """Forwards for `replaced`: norms without what they compute for hooks alone, the same output in half the time.

    A norm that carries a hook stays whole. compiled: norms and MLPs through `torch.compile`.
    """
    forwards: Forwards = {}
    mlps = {getattr(block, "mlp", None) for block in model.blocks}  # type: ignore[attr-defined]
    for module in model.modules():  # type: ignore[attr-defined]
        inner = getattr(module, "original_component", None)
        if not isinstance(inner, torch.nn.Module) or _carries_hooks(module):
            continue
        if getattr(module, "use_native_layernorm_autograd", False):
            forwards[module] = _compiled(inner) if compiled else inner.forward
        elif compiled and module in mlps:
            forwards[module] = _compiled(inner)
    return forwards


def _carries_hooks(module: torch.nn.Module) -> bool:
    return any(getattr(part, "fwd_hooks", None) for part in module.modules())


def _compiled(module: torch.nn.Module) -> Callable[..., Any]:
    compiled = module.__dict__.get("_translocal_compiled")
    if compiled is None:
        compiled = torch.compile(module.forward, dynamic=True)
        object.__setattr__(module, "_translocal_compiled", compiled)
    return compiled


def refuse_by_structure(model: HookedModel) -> None:
    """Raise Unsteppable for architectures whose blocks pass each other more than the residual stream."""
    config = model.original_model.config  # type: ignore[attr-defined]
    if getattr(config, "is_encoder_decoder", False):
        raise Unsteppable("it is an encoder-decoder model")
    text = config.get_text_config()
    if getattr(text, "num_kv_shared_layers", 0):
        raise Unsteppable("its later blocks share the keys and values of earlier ones")
    kinds = set(getattr(text, "layer_types", None) or ()) - {"full_attention", "sliding_attention", "chunked_attention"}
    if kinds:
        raise Unsteppable(f"it has blocks of the kind {', '.join(sorted(kinds))}")
    if text._attn_implementation != "eager":
        raise Unsteppable(f"it uses {text._attn_implementation} attention, not eager attention")
    for number, block in enumerate(model.blocks):  # type: ignore[attr-defined]
        if "attn" not in block.submodules:
            raise Unsteppable(f"block {number} has no attention")
    for name in ("ln_final", "unembed"):
        if not hasattr(model, name):
            raise Unsteppable(f"it has no {name}")


def _refuse_unknown_arguments(call: _Call, heads: int) -> None:
    masks = 0
    for name, value in [*((f"argument {i + 1}", v) for i, v in enumerate(call.args)), *call.kwargs.items()]:
        parts = value if isinstance(value, tuple) else (value,)
        for part in parts:
            if isinstance(part, torch.Tensor):
                shape = tuple(part.shape)
                known = {
                    (1, 1, PROBE_LENGTH, PROBE_LENGTH): True,
                    (1, PROBE_LENGTH): name == "position_ids",
                    (heads, 1, PROBE_LENGTH): name == "alibi",
                    (1, PROBE_LENGTH, shape[-1]): name == "position_embeddings",
                }.get(shape, False)
                masks += len(shape) == 4
                if not known:
                    raise Unsteppable(f"its blocks take {name} of shape {list(shape)}")
            elif not (part is None or isinstance(part, (bool, int, float, str, TransformersCache))):
                raise Unsteppable(f"its blocks take {name}, a {type(part).__name__}")
    if masks != 1:
        raise Unsteppable(f"its blocks take {masks} attention masks")
