from .alignment import align
from .data import load_cultural, load_parallel, load_universal, prompts, texts
from .matrix import run_matrix
from .model import LoadedModel
from .model.attribution import cue_attribution, folded, logit_attribution, option_lens, patch_residuals
from .model.load import load_model
from .model.read import ResidualStore, one_batch, read_residuals, residual_moments, store_residuals
from .plane import outcomes
from .steering import (
    FITTERS,
    Plan,
    Steer,
    SteeringVectors,
    fit_vectors,
    generate,
    load_plans,
    read_vectors,
    steered,
    stream,
    vectors_from,
)
from .steering.engine import score
from .study.config import RunConfig
from .study.run import run, run_locate

__all__ = [
    "FITTERS",
    "LoadedModel",
    "Plan",
    "ResidualStore",
    "RunConfig",
    "Steer",
    "SteeringVectors",
    "align",
    "cue_attribution",
    "fit_vectors",
    "folded",
    "generate",
    "load_cultural",
    "load_model",
    "load_parallel",
    "load_plans",
    "load_universal",
    "logit_attribution",
    "one_batch",
    "option_lens",
    "outcomes",
    "patch_residuals",
    "prompts",
    "read_residuals",
    "read_vectors",
    "residual_moments",
    "run",
    "run_locate",
    "run_matrix",
    "score",
    "steered",
    "store_residuals",
    "stream",
    "texts",
    "vectors_from",
]
