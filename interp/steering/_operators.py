"""What a steer does to the residual stream h, given a vector v and a strength a. All work on [..., d_model]."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float

Stream = Float[torch.Tensor, "*rows d_model"]
Vector = Float[torch.Tensor, "d_model"]
Operator = Callable[[Stream, Vector, float], Stream]


def add(h: Stream, v: Vector, strength: float) -> Stream:
    """h + a v."""
    return h + strength * v


def add_keep_norm(h: Stream, v: Vector, strength: float) -> Stream:
    """h + a v, scaled back to the norm of h."""
    moved = h + strength * v
    return moved * (h.norm(dim=-1, keepdim=True) / moved.norm(dim=-1, keepdim=True).clamp_min(1e-12))


def project_out(h: Stream, v: Vector, strength: float) -> Stream:
    """Take the component along v away (a = 1: all of it)."""
    unit = v / v.norm().clamp_min(1e-12)
    return h - strength * (h @ unit)[..., None] * unit


def set_projection(h: Stream, v: Vector, strength: float) -> Stream:
    """Set the component along v to a |v|: with v a mean projection times its direction, a = 1 sets the mean."""
    unit = v / v.norm().clamp_min(1e-12)
    return h + (strength * v.norm() - h @ unit)[..., None] * unit


def rotate(h: Stream, v: Vector, strength: float) -> Stream:
    """Turn h by the angle a (radians) towards v in the plane of (h, v); the norm is kept."""
    norm = h.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    along = h / norm
    across = v - (along @ v)[..., None] * along
    across = across / across.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    angle = torch.tensor(strength, dtype=h.dtype, device=h.device)
    return norm * (torch.cos(angle) * along + torch.sin(angle) * across)


OPERATORS: dict[str, Operator] = {f.__name__: f for f in (add, add_keep_norm, project_out, set_projection, rotate)}
