"""Lengths at which a model computes a whole row otherwise: rows on different sides never share a batch.

LongRoPE (Phi 3 and 4 mini with 128k) has two sets of rotary factors: one for rows up to
`original_max_position_embeddings`, one for longer ones. Transformers chooses by the longest row of a batch. Dynamic NTK
scaling changes with every length beyond `max_position_embeddings`; that is the longest text that is read at all
(`Tokens`), so it never acts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from interp.model import HookedModel, is_bridge

Switches = tuple[int, ...]
"""The longest rows before a change, ascending."""


def switches_of(config: Any) -> Switches:
    """The switches of a Transformers configuration, the language model's where it has several parts."""
    text = config.get_text_config(decoder=True)
    return tuple(sorted(set(_longropes(getattr(text, "rope_parameters", None)))))


def _longropes(parameters: Any) -> Iterator[int]:
    """The switch of every LongRoPE in a configuration's rotary settings, which may be per kind of layer."""
    if not isinstance(parameters, Mapping):
        return
    if parameters.get("rope_type") == "longrope":
        yield int(parameters["original_max_position_embeddings"])
    for inside in parameters.values():
        yield from _longropes(inside)


def switches_in(model: HookedModel) -> Switches:
    """The switches of a hooked model; TransformerLens' own HookedTransformer has none."""
    return switches_of(model.original_model.config) if is_bridge(model) else ()  # type: ignore[attr-defined]


def side(length: int, switches: Sequence[int]) -> int:
    """How many switches a row of `length` tokens is beyond."""
    return sum(length > switch for switch in switches)
