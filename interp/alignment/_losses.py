"""The losses of alignment training, as functions of tensors; all in float32."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional


def before_answers(answer: Bool[Tensor, "batch pos"]) -> Bool[Tensor, "batch pos"]:
    """The positions whose next token belongs to an answer: where an answer's tokens are predicted."""
    return functional.pad(answer[:, 1:], (0, 1))


def token_logp(logits: Float[Tensor, "token vocab"], targets: Int[Tensor, "token"]) -> Float[Tensor, "token"]:
    """Log-probability of each target."""
    return -functional.cross_entropy(logits.float(), targets, reduction="none")


def cross_entropy(logp: Float[Tensor, "token"]) -> Float[Tensor, ""]:
    """Mean over answer tokens of minus their log-probability; ValueError for none."""
    if not len(logp):
        raise ValueError("a batch without answer tokens has no cross-entropy")
    return -logp.mean()


def answer_logp(logp: Float[Tensor, "token"], rows: Int[Tensor, "token"], count: int) -> Float[Tensor, "row"]:
    """Sum of the tokens' log-probabilities in each of `count` rows; `rows` says whose each token is."""
    return torch.zeros(count, device=logp.device, dtype=logp.dtype).index_add(0, rows, logp)


def mean_pool(
    residual: Float[Tensor, "batch pos d_model"], real: Bool[Tensor, "batch pos"]
) -> Float[Tensor, "batch d_model"]:
    """Mean over each row's real tokens; padding does not enter, whatever it holds."""
    inside = torch.where(real[..., None], residual.float(), 0.0)
    return inside.sum(dim=1) / real.sum(dim=1, keepdim=True)


def info_nce(
    anchors: Float[Tensor, "pair d_model"], candidates: Float[Tensor, "pair d_model"], temperature: float
) -> Float[Tensor, ""]:
    """InfoNCE from anchors to candidates: row i of one belongs to row i of the other, all other rows are negatives.

    Similarity is the cosine, divided by the temperature, as in MidAlign's code (Liu and Niehues 2025). Raises
    ValueError for fewer than two pairs, where there is no negative.
    """
    if len(anchors) < 2:
        raise ValueError(f"InfoNCE needs at least 2 pairs, got {len(anchors)}")
    similarity = functional.normalize(anchors, dim=-1) @ functional.normalize(candidates, dim=-1).T
    return functional.cross_entropy(similarity / temperature, torch.arange(len(anchors), device=anchors.device))


def dpo(
    chosen: Float[Tensor, "pair"],
    rejected: Float[Tensor, "pair"],
    reference_chosen: Float[Tensor, "pair"],
    reference_rejected: Float[Tensor, "pair"],
    beta: float,
) -> Float[Tensor, ""]:
    """Direct preference optimisation (Rafailov et al. 2023) of answers' log-probabilities, mean over pairs."""
    margin = (chosen - reference_chosen) - (rejected - reference_rejected)
    return -functional.logsigmoid(beta * margin).mean()


def clo(sft: Float[Tensor, ""], preference: Float[Tensor, ""], mix: float) -> Float[Tensor, ""]:
    """Cross-lingual optimisation (arXiv 2505.14297): mix * SFT + (1 - mix) * DPO."""
    return mix * sft + (1.0 - mix) * preference


def projection_shift(
    residual: Float[Tensor, "batch pos d_model"],
    base: Float[Tensor, "batch pos d_model"],
    vectors: Float[Tensor, "vector d_model"],
    real: Bool[Tensor, "batch pos"],
) -> Float[Tensor, ""]:
    """Mean square, over real tokens and vectors, of how far the projection on a vector moved away from the base's.

    The unit is the vector's own length: 1 is the move that adding the vector once would make (our definition).
    """
    moved = torch.where(real[..., None], residual.float() - base.float(), 0.0)
    shift = moved @ (vectors / vectors.pow(2).sum(dim=-1, keepdim=True)).T
    return shift.pow(2).sum() / (real.sum() * len(vectors))
