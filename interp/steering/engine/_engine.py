"""The contract of scoring, and which engine keeps it: replay where the model allows, the reference elsewhere."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, Unpack

import numpy as np
import torch

from interp.data import Prompt
from interp.errors import Notice, reason_of
from interp.model import HookedModel, LoadedModel, device_of, dtype_of, hooked, hooks_on, resid_post
from interp.model.read import Passes, Tokens
from interp.model.step import Unsteppable
from interp.steering import Plan, Steer, check_plan
from interp.steering.engine._layout import Layout, Stem, tokenise
from interp.steering.engine._replay import Replay
from interp.steering.engine._scores import Scores
from interp.steering.engine._scoring import Progress, reference_logp

if TYPE_CHECKING:
    from interp.steering.engine._normaliser import BoundedNormaliser

Engine = Literal["replay", "reference"]
ENGINES = ("replay", "reference")

BOUNDS = {torch.float32: 1e-3, torch.float64: 1e-3}
HALF_PRECISION_BOUND = 0.5
"""How far, in log-likelihood, the engines may be apart when a model is checked. A wrong mask is off by more."""


def score(
    model: HookedModel | LoadedModel,
    prompts: Sequence[Prompt],
    plans: Sequence[Plan] = (Plan(),),
    *,
    engine: Engine = "replay",
    compiled: bool = False,
    tokens: Tokens | None = None,
    progress: Progress | None = None,
    normaliser: BoundedNormaliser | None = None,
    **passes: Unpack[Passes],
) -> Scores:
    """Compute the log-likelihood (float32) of every continuation of every prompt under every plan.

    Results do not depend on the batch. engine: `replay` shares work between plans; if the model can't be replayed
    safely, it falls back to `reference` with a notice. compiled: replay runs norms and MLPs through `torch.compile`,
    which costs time at first, pays off on long sweeps and needs a C++ compiler. tokens: reuses encoded texts. progress:
    called with the number of plans done, also in parts. normaliser: estimates log Z (`bounded_normaliser`), which is
    several times as fast with a large vocabulary; by default scores are exact. passes: see `Passes`. Raises ValueError
    for a continuation that adds no token, a plan that doesn't fit the model, an unknown engine, and a normaliser made
    for another model or without some of the prompts.
    """
    model = hooked(model)
    if engine not in ENGINES:
        raise ValueError(f"engine {engine!r} is unknown; allowed: {', '.join(ENGINES)}")
    for plan in plans:
        check_plan(model, plan)
    layout = tokenise(prompts, tokens or Tokens(model))
    replay = usable_replay(model) if engine == "replay" else None
    if replay:
        replay.compiled = compiled
    logp = replay.logp if replay else partial(reference_logp, model)
    bound = normaliser.bound(model, layout) if normaliser else None
    found = logp(layout, plans, progress=progress, bound=bound, **passes)
    return Scores(found, layout.tokens, layout.bytes, layout.starts, prompts=tuple(prompts))


def usable_replay(model: HookedModel) -> Replay | None:
    """The model's replay; None, with a notice, if it can't be trusted or the model has hooks attached."""
    replay = replay_of(model)
    if replay and replay.hooks != hooks_on(model):
        warnings.warn("the model has hooks attached, so plans run one at a time (slow)", Notice, stacklevel=3)
        return None
    return replay


def replay_of(model: HookedModel) -> Replay | None:
    """The model's replay, checked once against the reference; None, with one notice, if it can't be trusted.

    It is stored with the model, and made again if the model has moved to another device or dtype.
    """
    known = vars(model).get(_KEPT)
    if known is None or (known.replay and not known.replay.fits):
        try:
            known = _Known(_checked(model))
        except Unsteppable as reason:
            known = _Known(None)
            text = f"this model can't be replayed: {reason}; plans run one at a time (slow)"
            warnings.warn(text, Notice, stacklevel=2)
        object.__setattr__(model, _KEPT, known)
    return known.replay


_KEPT = "_translocal_replay"


@dataclass(frozen=True)
class _Known:
    replay: Replay | None


def _checked(model: HookedModel) -> Replay:
    """A replay that agrees with the reference on a few prompts and plans; raises Unsteppable for one that doesn't."""
    replay = Replay(model)
    layout, plans = _trial(model)
    try:
        found = replay.logp(layout, plans)
    except Exception as error:  # whatever a block makes of arguments that it doesn't expect
        raise Unsteppable(f"stepping its blocks fails ({reason_of(error)})") from error
    apart = float(np.abs(found - reference_logp(model, layout, plans, batch_size=1)).max())
    if not apart <= BOUNDS.get(dtype_of(model), HALF_PRECISION_BOUND):
        raise Unsteppable(f"stepping its blocks changes log-likelihoods by {apart:.2g}")
    return replay


def _trial(model: HookedModel) -> tuple[Layout, list[Plan]]:
    """Prompts with a shared beginning and one without; plans at several layers and at all three positions."""
    generator = torch.Generator().manual_seed(0)
    first = min(100, model.cfg.d_vocab // 2)
    words = torch.randint(first, min(10_000, model.cfg.d_vocab), (48,), generator=generator).tolist()
    shared = tuple(words[:18])
    stems = (
        Stem((*shared, *words[18:24]), ((0, (words[0],)), (1, (words[1], words[2]))), 1),
        Stem((*shared, words[24]), ((2, (words[3],)), (3, (words[4], words[5], words[6]))), 1),
        *(Stem((*shared, *words[31 : 33 + i]), ((6 + i, (words[40 + i],)),), 1) for i in range(2)),
        Stem(tuple(words[25:30]), ((4, (words[7], words[8])), (5, (words[7], words[9]))), 2),
    )
    layers = (0, model.cfg.n_layers // 2, model.cfg.n_layers - 1)
    norms: list[float] = []
    hook = (resid_post(layers[1]), lambda residual, hook: norms.append(float(residual[0, -1].detach().float().norm())))
    model.run_with_hooks(torch.tensor([stems[0].context], device=device_of(model)), return_type=None, fwd_hooks=[hook])
    vectors = torch.nn.functional.normalize(torch.randn(2, model.cfg.d_model, generator=generator), dim=-1)
    strength = 0.5 * norms[0]
    early = Steer(layers[0], vectors[0], strength)
    plans = [
        Plan(),
        Plan((early, Steer(layers[1], vectors[1], strength, positions="last"))),
        Plan((Steer(layers[1], vectors[0], strength, positions="last"),)),
        Plan((Steer(layers[1], vectors[0], strength, positions="all"),)),
        Plan((Steer(layers[2], vectors[1], strength),)),
    ]
    return Layout(stems, np.array([0, 2, 4, 6, 7, 8]), np.ones(8), np.ones(8)), plans
