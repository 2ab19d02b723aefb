"""translocal: where a multilingual language model keeps universal facts, and where culture."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interp.alignment.run import align
    from interp.data.registry import load_cultural, load_universal
    from interp.model.batching import one_batch
    from interp.model.loading import load_model
    from interp.model.residuals import read_residuals, residual_moments
    from interp.model.store import ResidualStore, store_residuals
    from interp.plane import outcomes
    from interp.steering.engine import score
    from interp.steering.foreign import read_vectors
    from interp.steering.generation import generate
    from interp.steering.plans import Plan, Steer, steered
    from interp.steering.saved import load_plans
    from interp.steering.streaming import stream
    from interp.steering.vectors import SteeringVectors
    from interp.study.config import RunConfig
    from interp.study.run import run

_HOME = {
    "Plan": "interp.steering.plans",
    "ResidualStore": "interp.model.store",
    "RunConfig": "interp.study.config",
    "SteeringVectors": "interp.steering.vectors",
    "Steer": "interp.steering.plans",
    "align": "interp.alignment.run",
    "generate": "interp.steering.generation",
    "load_cultural": "interp.data.registry",
    "load_model": "interp.model.loading",
    "load_plans": "interp.steering.saved",
    "load_universal": "interp.data.registry",
    "one_batch": "interp.model.batching",
    "outcomes": "interp.plane",
    "read_residuals": "interp.model.residuals",
    "read_vectors": "interp.steering.foreign",
    "residual_moments": "interp.model.residuals",
    "run": "interp.study.run",
    "score": "interp.steering.engine",
    "steered": "interp.steering.plans",
    "store_residuals": "interp.model.store",
    "stream": "interp.steering.streaming",
}

__all__ = [
    "Plan",
    "ResidualStore",
    "RunConfig",
    "Steer",
    "SteeringVectors",
    "align",
    "generate",
    "load_cultural",
    "load_model",
    "load_plans",
    "load_universal",
    "one_batch",
    "outcomes",
    "read_residuals",
    "read_vectors",
    "residual_moments",
    "run",
    "score",
    "steered",
    "store_residuals",
    "stream",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'interp' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
